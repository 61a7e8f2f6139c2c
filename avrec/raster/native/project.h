// Stage 1: which Gaussians are seen, where their bounds lie in the image (unscented transform through any camera and
// any pose per line), their order, and what the raster loop needs of each.
#pragma once

#include "sh.h"
#include "state.h"

namespace avrec {

struct V3 {
    vf x, y, z;
};

inline V3 operator+(V3 a, V3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline V3 operator-(V3 a, V3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline V3 operator*(vf s, V3 a) { return {s * a.x, s * a.y, s * a.z}; }
inline vf dot(V3 a, V3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

// Camera-frame coordinates of body-frame points, seen from one pose for all lanes.
inline V3 to_camera(const float *R, const float *o, V3 p) {
    const V3 d = {p.x - o[0], p.y - o[1], p.z - o[2]};
    return {R[0] * d.x + R[3] * d.y + R[6] * d.z, R[1] * d.x + R[4] * d.y + R[7] * d.z, R[2] * d.x + R[5] * d.y + R[8] * d.z};
}

// The pose of each lane at its own fractional line, and how it changes per line; beyond the first and last line the
// motion is extrapolated.
struct Motion {
    vf R[9], o[3], dR[9], d_o[3];
};

inline Motion motion_at(const View &view, const Line *table, vf line) {
    const vi last = vi{} + (view.lines - 2);
    vi low = truncate(max(line, vf{}));
    low = low > last ? last : low;
    const vf w = line - to_float(low);
    const float *base = reinterpret_cast<const float *>(table);
    vf first[16], second[16];
    load_columns(base, low, 16, 0, first);
    load_columns(base + 16, low, 16, 0, second);
    Motion m;
    for (int i = 0; i < 9; ++i) {
        m.dR[i] = second[i] - first[i];
        m.R[i] = first[i] + w * m.dR[i];
    }
    for (int i = 0; i < 3; ++i) {
        m.d_o[i] = second[9 + i] - first[9 + i];
        m.o[i] = first[9 + i] + w * m.d_o[i];
    }
    return m;
}

inline V3 transposed_times(const vf *R, V3 d) {
    return {R[0] * d.x + R[3] * d.y + R[6] * d.z, R[1] * d.x + R[4] * d.y + R[7] * d.z, R[2] * d.x + R[5] * d.y + R[8] * d.z};
}

inline V3 to_camera(const Motion &m, V3 p) { return transposed_times(m.R, {p.x - m.o[0], p.y - m.o[1], p.z - m.o[2]}); }

// Velocity per line of a body-frame point in the camera frame.
inline V3 velocity(const Motion &m, V3 p) {
    const V3 d = {p.x - m.o[0], p.y - m.o[1], p.z - m.o[2]};
    return transposed_times(m.dR, d) - transposed_times(m.R, {m.d_o[0], m.d_o[1], m.d_o[2]});
}

inline vf line_of(const View &view, vf u, vf v) {
    // Extrapolation stops two images beyond the border.
    const float reach = 2.f * view.lines;
    return min(max((view.axis == 1 ? v : u) - 0.5f, splat(-reach)), splat(reach));
}

// Pixels of body-frame points under the view's shutter, by fixed-point rounds from a first guess of the line: a pixel
// drifts by a small part of a line per line, so each round gains about a digit. `line` and `motion` leave at the end.
inline vm project_rolling(const View &view, const Line *table, V3 p, vf &line, Motion &motion, vf &u, vf &v) {
    vf line_before = line, found_before = line;
    for (int round = 0; round < 3; ++round) {
        motion = motion_at(view, table, line);
        const V3 c = to_camera(motion, p);
        const vm valid = project(view.camera, c.x, c.y, c.z, u, v);
        const vf found = line_of(view, u, v), moved = line - line_before;
        // From the second round on a secant step: near things at speed drift by a third of a line per line.
        const vf drift = select(less(splat(1e-2f), abs(moved)), (found - found_before) / moved, vf{});
        line_before = line, found_before = found;
        line = select(valid, line + (found - line) / (1.f - min(max(drift, splat(-0.9f)), splat(0.7f))), line);
    }
    motion = motion_at(view, table, line);
    const V3 c = to_camera(motion, p);
    return project(view.camera, c.x, c.y, c.z, u, v);
}

// The same for a point near one whose line and motion are known: within a Gaussian the motion is linear in the line.
inline vm project_near(const View &view, const Motion &motion, vf line, V3 p, vf &u, vf &v) {
    const V3 still = to_camera(motion, p), drift = velocity(motion, p);
    vf at = line;
    for (int round = 0; round < 2; ++round) {
        const V3 c = still + (at - line) * drift;
        const vm valid = project(view.camera, c.x, c.y, c.z, u, v);
        at = select(valid, line_of(view, u, v), at);
    }
    const V3 c = still + (at - line) * drift;
    return project(view.camera, c.x, c.y, c.z, u, v);
}

struct Shape {
    vf R[9];  // columns are the axes
    V3 mean, scale;
    vf opacity;
    vm proper;  // lanes with a rotation and with finite scales and opacity
};

inline Shape load_shape(const Frame &f, const vi rows) {
    Shape s;
    vf column[16];
    load_columns(f.packed, rows, f.columns, 0, column);
    s.mean = {column[0], column[1], column[2]};
    vf w = column[3], x = column[4], y = column[5], z = column[6];
    const vf length2 = w * w + x * x + y * y + z * z;
    const vf inverse = 1.f / sqrt(max(length2, splat(1e-24f)));
    w *= inverse, x *= inverse, y *= inverse, z *= inverse;
    s.R[0] = 1.f - 2.f * (y * y + z * z), s.R[1] = 2.f * (x * y - w * z), s.R[2] = 2.f * (x * z + w * y);
    s.R[3] = 2.f * (x * y + w * z), s.R[4] = 1.f - 2.f * (x * x + z * z), s.R[5] = 2.f * (y * z - w * x);
    s.R[6] = 2.f * (x * z - w * y), s.R[7] = 2.f * (y * z + w * x), s.R[8] = 1.f - 2.f * (x * x + y * y);
    s.scale = {exp(column[7]), exp(column[8]), exp(column[9])};
    s.opacity = 1.f / (1.f + exp(-column[10]));
    const vf others = abs(column[7]) + abs(column[8]) + abs(column[9]) + abs(column[10]);
    s.proper = both(both(less(splat(1e-24f), length2), less(length2, splat(1e37f))), less(others, splat(1e37f)));
    return s;
}

// Unscented transform of kLanes Gaussians of one body. Returns the lanes to keep.
inline vm project_lanes(const Frame &f, int body, const vi rows, vf &depth, vf *bounds) {
    const View &view = f.view;
    const Settings &set = f.settings;
    const Line *table = view.table + (size_t)body * view.lines;
    const float *middle = view.middle + body * 12;
    const Shape s = load_shape(f, rows);
    const V3 centre = to_camera(middle, middle + 9, s.mean);
    depth = view.camera.model == Model::kFtheta ? sqrt(dot(centre, centre)) : centre.z;
    vm keep = both(less(splat(set.near_m), depth), less(depth, splat(set.far_m)));
    keep = both(both(keep, s.proper), less_equal(splat(set.min_alpha), s.opacity));
    if (!any(keep)) return keep;

    const float width = view.camera.width, height = view.camera.height;
    const float mx = set.margin * width, my = set.margin * height;
    vf line = splat(0.5f * (view.lines - 1)), u0, v0;
    const bool rolling = view.lines > 1;
    Motion motion;
    const vm centre_valid = rolling ? project_rolling(view, table, s.mean, line, motion, u0, v0)
                                    : project(view.camera, centre.x, centre.y, centre.z, u0, v0);
    const auto inside = [&](vf u, vf v) {
        return both(both(less_equal(splat(-mx), u), less_equal(u, splat(width + mx))),
                    both(less_equal(splat(-my), v), less_equal(v, splat(height + my))));
    };
    vm seen = both(centre_valid, inside(u0, v0));
    keep = both(keep, centre_valid);

    const float lambda = set.ut_alpha * set.ut_alpha * (3.f + set.ut_kappa) - 3.f;
    const float step = set.ut_alpha * std::sqrt(3.f + set.ut_kappa);
    const float weight = 1.f / (2.f * (3.f + lambda));
    const float centre_weight = lambda / (3.f + lambda) + 1.f - set.ut_alpha * set.ut_alpha + set.ut_beta;
    const vf scales[3] = {s.scale.x, s.scale.y, s.scale.z};
    vf qu[6], qv[6];
    for (int k = 0; k < 3; ++k) {
        const vf reach = step * scales[k];
        const V3 axis = {reach * s.R[k], reach * s.R[3 + k], reach * s.R[6 + k]};
        vm valid[2];
        for (int side = 0; side < 2; ++side) {
            const V3 p = side ? s.mean - axis : s.mean + axis;
            vf u, v;
            if (rolling) {
                valid[side] = project_near(view, motion, line, p, u, v);
            } else {
                const V3 c = to_camera(middle, middle + 9, p);
                valid[side] = project(view.camera, c.x, c.y, c.z, u, v);
            }
            seen = either(seen, both(valid[side], inside(u, v)));
            qu[2 * k + side] = u - u0;
            qv[2 * k + side] = v - v0;
        }
        // A point behind the camera or beyond the lens has no pixel: mirror its opposite; with neither, drop the Gaussian.
        for (int side = 0; side < 2; ++side) {
            qu[2 * k + side] = select(valid[side], qu[2 * k + side], -qu[2 * k + 1 - side]);
            qv[2 * k + side] = select(valid[side], qv[2 * k + side], -qv[2 * k + 1 - side]);
        }
        keep = both(keep, either(valid[0], valid[1]));
    }
    keep = both(keep, seen);
    if (!any(keep)) return keep;
    vf mu{}, mv{};
    for (int i = 0; i < 6; ++i) mu += qu[i], mv += qv[i];
    mu *= weight, mv *= weight;
    vf uu = centre_weight * mu * mu, uv = centre_weight * mu * mv, vv = centre_weight * mv * mv;
    for (int i = 0; i < 6; ++i) {
        const vf du = qu[i] - mu, dv = qv[i] - mv;
        uu += weight * du * du, uv += weight * du * dv, vv += weight * dv * dv;
    }
    uu += set.blur_px2, vv += set.blur_px2;
    const vf determinant = uu * vv - uv * uv;
    keep = both(keep, both(less(vf{}, determinant), both(less(vf{}, uu), less(vf{}, vv))));

    // k = sqrt(2 ln(opacity / min_alpha)) standard deviations reach down to min_alpha.
    vf k2 = max(1.38629436f * log2(s.opacity / set.min_alpha), vf{});
    const float inflate = set.inflate_bounds * set.inflate_bounds;
    k2 = min(k2, splat(set.bound_sigma * set.bound_sigma)) * inflate;
    const vf half = 0.5f * (uu + vv);
    const vf largest = half + sqrt(max(half * half - determinant, splat(0.01f)));
    bounds[0] = u0 + mu;
    bounds[1] = v0 + mv;
    const vf inverse = 1.f / determinant;
    bounds[2] = vv * inverse;
    bounds[3] = -uv * inverse;
    bounds[4] = uu * inverse;
    bounds[5] = k2;
    bounds[6] = sqrt(k2 * min(uu, largest));
    bounds[7] = sqrt(k2 * min(vv, largest));
    const vm on_image = both(both(less(vf{}, bounds[0] + bounds[6]), less(bounds[0] - bounds[6], splat(width))),
                             both(less(vf{}, bounds[1] + bounds[7]), less(bounds[1] - bounds[7], splat(height))));
    return both(keep, on_image);
}

// Four planes through the camera centre that hold the image and its margin, for a first cull of whole Gaussians.
struct Frustum {
    bool use = false;
    float normal[4][3];
};

inline Frustum frustum_of(const float *tangents) {
    Frustum f;
    f.use = tangents[0] < tangents[1];
    if (!f.use) return f;
    const float raw[4][3] = {{1, 0, -tangents[0]}, {-1, 0, tangents[1]}, {0, 1, -tangents[2]}, {0, -1, tangents[3]}};
    for (int i = 0; i < 4; ++i) {
        const float n = std::sqrt(raw[i][0] * raw[i][0] + raw[i][1] * raw[i][1] + raw[i][2] * raw[i][2]);
        for (int j = 0; j < 3; ++j) f.normal[i][j] = raw[i][j] / n;
    }
    return f;
}

// Whether lanes of Gaussians can have a sigma point in the frustum at the first, middle or last line.
inline vm may_be_seen(const Frame &f, const Frustum &frustum, int body, const vi rows) {
    vf column[16];
    load_columns(f.packed, rows, f.columns, 0, column);
    const V3 mean = {column[0], column[1], column[2]};
    const vf reach = f.settings.ut_alpha * std::sqrt(3.f + f.settings.ut_kappa) * exp(max(column[7], max(column[8], column[9])));
    const Line *table = f.view.table + (size_t)body * f.view.lines;
    const Line *ends[2] = {table, table + f.view.lines - 1};
    const float *middle = f.view.middle + body * 12;
    vf distance[4];
    vf nearest = splat(-1e30f);
    for (int i = 0; i < 3; ++i) {
        if (i && f.view.lines == 1) break;
        const V3 c = i ? to_camera(ends[i - 1]->R, ends[i - 1]->o, mean) : to_camera(middle, middle + 9, mean);
        nearest = max(nearest, c.z);
        for (int j = 0; j < 4; ++j) {
            const vf d = frustum.normal[j][0] * c.x + frustum.normal[j][1] * c.y + frustum.normal[j][2] * c.z;
            distance[j] = i ? max(distance[j], d) : d;
        }
    }
    const vf slack = -1.02f * reach - 0.02f;
    vm seen = less_equal(slack, nearest);
    for (int j = 0; j < 4; ++j) seen = both(seen, less_equal(slack, distance[j]));
    return seen;
}

inline int body_of(const Frame &f, uint32_t id) { return f.body ? f.body[id] : 0; }

// Fills `found` and `depth` at the front of the chunk's own range; returns how many.
inline int project_chunk(Frame &f, const Frustum &frustum, int begin, int end) {
    uint32_t *candidates = f.candidates.get() + begin;
    int n = 0;
    for (int i = begin; i < end;) {
        const int body = body_of(f, i);
        int stop = i + 1;
        while (stop < end && stop < i + kLanes && body_of(f, stop) == body) ++stop;
        vi rows{};
        for (int l = 0; l < kLanes; ++l) rows[l] = std::min(i + l, stop - 1);
        uint32_t seen = frustum.use ? bits(may_be_seen(f, frustum, body, rows)) : ~0u;
        seen &= stop - i >= 32 ? ~0u : (1u << (stop - i)) - 1;
        for (; seen; seen &= seen - 1) candidates[n++] = i + __builtin_ctz(seen);
        i = stop;
    }
    int kept = 0;
    for (int i = 0; i < n;) {
        const int body = body_of(f, candidates[i]);
        int stop = i + 1;
        while (stop < n && stop < i + kLanes && body_of(f, candidates[stop]) == body) ++stop;
        vi rows{};
        for (int l = 0; l < kLanes; ++l) rows[l] = (int32_t)candidates[std::min(i + l, stop - 1)];
        vf depth, b[8];
        uint32_t keep = bits(project_lanes(f, body, rows, depth, b)) & ((1u << (stop - i)) - 1);
        for (; keep; keep &= keep - 1) {
            const int l = __builtin_ctz(keep);
            f.ids[begin + kept] = (uint32_t)rows[l];
            f.depth[begin + kept] = depth[l];
            f.found[begin + kept] = {b[0][l], b[1][l], b[2][l], b[3][l], b[4][l], b[5][l], b[6][l], b[7][l]};
            ++kept;
        }
        i = stop;
    }
    return kept;
}

// Stable radix sort of `order` by the bits of positive depths, three passes of 11 bits.
inline void sort_by_depth(Frame &f) {
    const int n = f.visible;
    if (!n) return;
    uint32_t *order = f.order.reserve(n), *other = f.scratch.reserve(n);
    uint32_t *keys = f.keys.reserve(n), *other_keys = f.keys_scratch.reserve(n);
    std::vector<uint32_t> histogram(3 * 2048, 0);
    for (int i = 0; i < n; ++i) {
        std::memcpy(&keys[i], &f.depth[i], 4);
        order[i] = i;
        for (int pass = 0; pass < 3; ++pass) ++histogram[pass * 2048 + ((keys[i] >> (11 * pass)) & 2047)];
    }
    for (int pass = 0; pass < 3; ++pass) {
        uint32_t *h = &histogram[pass * 2048], total = 0;
        for (int i = 0; i < 2048; ++i) {
            const uint32_t c = h[i];
            h[i] = total;
            total += c;
        }
        for (int i = 0; i < n; ++i) {
            const uint32_t to = h[(keys[i] >> (11 * pass)) & 2047]++;
            other[to] = order[i];
            other_keys[to] = keys[i];
        }
        std::swap(order, other);
        std::swap(keys, other_keys);
    }
    // Three passes leave the result in the scratch buffer.
    std::memcpy(f.order.get(), order, sizeof(uint32_t) * n);
}

// The turned canonical frame: N = Q M with rows so that the middle camera lies at (0, 0, -G).
struct Canonical {
    vf M[9], Q[9];
    V3 from_mean;  // middle camera centre minus mean, body frame
    vf G;
};

inline Canonical canonical_of(const Shape &s, const float *middle) {
    Canonical c;
    const vf inverse[3] = {1.f / s.scale.x, 1.f / s.scale.y, 1.f / s.scale.z};
    for (int k = 0; k < 3; ++k)
        for (int j = 0; j < 3; ++j) c.M[3 * k + j] = s.R[3 * j + k] * inverse[k];
    c.from_mean = {middle[9] - s.mean.x, middle[10] - s.mean.y, middle[11] - s.mean.z};
    vf g[3];
    for (int k = 0; k < 3; ++k)
        g[k] = c.M[3 * k] * c.from_mean.x + c.M[3 * k + 1] * c.from_mean.y + c.M[3 * k + 2] * c.from_mean.z;
    c.G = sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]);
    const vf ig = -1.f / max(c.G, splat(1e-20f));
    const vf x = g[0] * ig, y = g[1] * ig, z = g[2] * ig;
    // Orthonormal basis around a unit vector without a branch that loses precision (Duff et al. 2017).
    const vf sign = select(less(z, vf{}), splat(-1.f), splat(1.f));
    const vf a = -1.f / (sign + z), b = x * y * a;
    c.Q[0] = 1.f + sign * x * x * a, c.Q[1] = sign * b, c.Q[2] = -sign * x;
    c.Q[3] = b, c.Q[4] = sign + y * y * a, c.Q[5] = -y;
    c.Q[6] = x, c.Q[7] = y, c.Q[8] = z;
    return c;
}

inline void make_records(Frame &f, int begin, int end) {
    for (int i = begin; i < end;) {
        const int body = body_of(f, f.ids[f.order[i]]);
        int stop = i + 1;
        while (stop < end && stop < i + kLanes && body_of(f, f.ids[f.order[stop]]) == body) ++stop;
        vi rows{};
        for (int l = 0; l < kLanes; ++l) rows[l] = (int32_t)f.ids[f.order[std::min(i + l, stop - 1)]];
        const float *middle = f.view.middle + body * 12;
        const Shape s = load_shape(f, rows);
        const Canonical c = canonical_of(s, middle);
        // Fields in the order of Record; the body is filled in below.
        vf out[16];
        for (int r = 0; r < 3; ++r)
            for (int j = 0; j < 3; ++j)
                out[3 * r + j] = c.Q[3 * r] * c.M[j] + c.Q[3 * r + 1] * c.M[3 + j] + c.Q[3 * r + 2] * c.M[6 + j];
        out[9] = c.G;
        const vf reach = log2(s.opacity / f.settings.min_alpha);
        out[10] = log2(s.opacity);
        out[11] = max(reach * 1.38629436f, vf{});  // 2 ln(opacity / min_alpha)
        const vf inverse = 1.f / sqrt(max(dot(c.from_mean, c.from_mean), splat(1e-20f)));
        vf rgb[3];
        sh_color(f, rows, -inverse * c.from_mean, rgb);
        // What float32 cannot carry through the raster loop (not a number, a scale of nothing, a colour beyond all
        // measure) gets a limit that no ray keeps.
        vf across{}, deep{};  // the squares of cross products, across^2 (G + deep)^2, must stay finite
        for (int j = 0; j < 6; ++j) across += abs(out[j]);
        for (int j = 6; j < 9; ++j) deep += abs(out[j]);
        vm sane = both(less(across * (c.G + deep + across), splat(3e17f)), less(deep, splat(3e17f)));
        for (int j = 0; j < 3; ++j) sane = both(sane, less(abs(rgb[j]), splat(1e6f)));
        for (int j = 0; j < 3; ++j) out[12 + j] = max(rgb[j], vf{});
        for (int j = 0; j < 15; ++j) out[j] = zero_unless(sane, out[j]);
        out[11] = select(sane, out[11], splat(-1.f));
        out[15] = vf{};
        store_rows(out, stop - i, reinterpret_cast<float *>(f.records.get() + i), 16);
        for (int l = i; l < stop; ++l) f.records[l].body = body;
        i = stop;
    }
}

inline void project_all(Frame &f, const float *tangents) {
    constexpr int kChunk = 2048;
    const int chunks = (f.count + kChunk - 1) / kChunk;
    f.candidates.reserve(f.count), f.ids.reserve(f.count), f.depth.reserve(f.count), f.found.reserve(f.count);
    const Frustum frustum = frustum_of(tangents);
    std::vector<int> kept(chunks);
    Pool::instance().run(chunks, [&](int c, int) {
        kept[c] = project_chunk(f, frustum, c * kChunk, std::min(f.count, (c + 1) * kChunk));
    });
    int n = 0;
    for (int c = 0; c < chunks; ++c) {
        if (n != c * kChunk) {
            std::memmove(f.ids.get() + n, f.ids.get() + c * kChunk, sizeof(uint32_t) * kept[c]);
            std::memmove(f.depth.get() + n, f.depth.get() + c * kChunk, sizeof(float) * kept[c]);
            std::memmove(f.found.get() + n, f.found.get() + c * kChunk, sizeof(Bounds) * kept[c]);
        }
        n += kept[c];
    }
    f.visible = n;
    sort_by_depth(f);
    f.records.reserve(n), f.bounds.reserve(n);
    Pool::instance().run((n + kChunk - 1) / kChunk, [&](int c, int) {
        const int end = std::min(n, (c + 1) * kChunk);
        for (int i = c * kChunk; i < end; ++i) f.bounds[i] = f.found[f.order[i]];
        make_records(f, c * kChunk, end);
    });
}

}  // namespace avrec
