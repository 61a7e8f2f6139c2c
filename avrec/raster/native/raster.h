// Stage 3: the response of each Gaussian on each ray, blended front to back, and its gradient.
#pragma once

#include "tile.h"

namespace avrec {

constexpr int kGroups = kTile / kBlockHeight;  // blocks of the same lines
constexpr uint32_t kGroupBlocks = (1u << kBlocksAcross) - 1;

// Where one Gaussian sees the camera, per line of a tile, in its turned canonical frame: g_o = N delta + (0, 0, -G).
struct alignas(64) LineOrigins {
    float x[kTile], y[kTile], z[kTile];
};

inline void origins_of(const Record &g, const Rays &rays, LineOrigins &out) {
    for (int i = 0; i < kTile; i += kLanes) {
        const vf x = load(rays.delta[0] + i), y = load(rays.delta[1] + i), z = load(rays.delta[2] + i);
        store(out.x + i, g.N[0] * x + g.N[1] * y + g.N[2] * z);
        store(out.y + i, g.N[3] * x + g.N[4] * y + g.N[5] * z);
        store(out.z + i, g.N[6] * x + g.N[7] * y + g.N[8] * z - g.G);
    }
}

// g_o over the lanes of a group of blocks.
struct Origin {
    vf x, y, z;
};

template <bool kRolling> inline Origin origin_of(const Record &g, const LineOrigins &lines, int group) {
    if (!kRolling) return {vf{}, vf{}, splat(-g.G)};
    const int at = group * kBlockHeight;
    return {repeat4(lines.x + at), repeat4(lines.y + at), repeat4(lines.z + at)};
}

// One Gaussian against the kLanes rays of a block: g_d = N d = (p, q, r), cross = g_d x g_o, D2 = |cross|^2 / |g_d|^2.
struct Response {
    vf p, q, r;        // g_d
    vf cx, cy, cz;     // cross product (rolling shutter only)
    vf cross2, norm2;  // |cross|^2, |g_d|^2
    vm hit;
};

template <bool kRolling> inline Response respond(const Record &g, const Origin &o, vf dx, vf dy, vf dz) {
    Response s;
    s.p = g.N[0] * dx + g.N[1] * dy + g.N[2] * dz;
    s.q = g.N[3] * dx + g.N[4] * dy + g.N[5] * dz;
    s.r = g.N[6] * dx + g.N[7] * dy + g.N[8] * dz;
    const vf flat = s.p * s.p + s.q * s.q;
    s.norm2 = flat + s.r * s.r;
    if (kRolling) {
        s.cx = s.q * o.z - s.r * o.y;
        s.cy = s.r * o.x - s.p * o.z;
        s.cz = s.p * o.y - s.q * o.x;
        s.cross2 = s.cx * s.cx + s.cy * s.cy + s.cz * s.cz;
        // In front of the camera: -(g_d . g_o) > 0.
        s.hit = both(less(s.cross2, g.limit * s.norm2), less(s.p * o.x + s.q * o.y + s.r * o.z, vf{}));
    } else {
        s.cross2 = g.G * g.G * flat;
        s.hit = both(less(s.cross2, g.limit * s.norm2), less(vf{}, s.r));
    }
    return s;
}

template <bool kRolling> inline vf distance_of(const Response &s, const Record &g, const Origin &o, vf inverse_norm2) {
    if (kRolling) return -(s.p * o.x + s.q * o.y + s.r * o.z) * inverse_norm2;
    return s.r * g.G * inverse_norm2;
}

constexpr float kHalfLog2e = 0.72134752f;

struct Images {
    const float *background;   // [3] or [height][width][3]
    bool background_image;
    float *rgb, *alpha;        // outputs; depth may be null
    float *depth_sum, *median;
};

struct alignas(64) Accumulators {
    float T[kPixels], final_t[kPixels], rgb[3][kPixels], depth[kPixels], median[kPixels], weight[kPixels];
};

template <bool kRolling, bool kDepth>
inline void forward_tile(Frame &f, Tile &tile, Accumulators &acc, int index, const Images &out) {
    tile.start(f, index);
    for (int i = 0; i < kPixels; ++i) acc.T[i] = acc.final_t[i] = 1.f;
    std::memset(acc.rgb, 0, sizeof acc.rgb);
    if (kDepth) {
        std::memset(acc.depth, 0, sizeof acc.depth);
        std::memset(acc.weight, 0, sizeof acc.weight);
        std::fill_n(acc.median, kPixels, std::nanf(""));
    }
    const float max_alpha = f.settings.max_alpha, stop = f.settings.min_transmittance;
    LineOrigins lines;
    uint32_t live = (uint32_t)((1ull << kBlocks) - 1);
    const uint32_t end = f.tile_start[index + 1];
    uint32_t e = f.tile_start[index];
    for (; e < end && live; ++e) {
        const Entry entry = f.entries[e];
        const Record &g = f.records[entry.gaussian];
        const Rays &rays = tile.rays(g.body);
        const uint32_t touched = entry.blocks & live;
        uint32_t hits = 0;
        if (kRolling && touched) origins_of(g, rays, lines);
        for (int group = 0; group < kGroups; ++group) {
            uint32_t todo = touched & (kGroupBlocks << (group * kBlocksAcross));
            if (!todo) continue;
            const Origin origin = origin_of<kRolling>(g, lines, group);
            for (; todo; todo &= todo - 1) {
                const int block = __builtin_ctz(todo), o = block * kLanes;
                const Response s = respond<kRolling>(g, origin, load(rays.d[0] + o), load(rays.d[1] + o), load(rays.d[2] + o));
                if (!any(s.hit)) continue;
                hits |= 1u << block;
                const vf inverse = reciprocal(max(s.norm2, splat(1e-30f)));  // a pixel without a ray has norm 0
                vf alpha = exp2_negative(g.log2_opacity - kHalfLog2e * s.cross2 * inverse);
                alpha = zero_unless(s.hit, min(alpha, splat(max_alpha)));
                vf T = load(acc.T + o);
                vf w = alpha * T;
                vf next = T - w;
                const vm finished = both(s.hit, less_equal(next, splat(stop)));
                if (any(finished)) {
                    const vm now = both(finished, less(vf{}, T));
                    store(acc.final_t + o, select(now, T, load(acc.final_t + o)));
                    w = select(finished, vf{}, w);
                    next = select(finished, vf{}, next);
                    if (!any(less(vf{}, next))) live &= ~(1u << block);
                }
                store(acc.T + o, next);
                for (int c = 0; c < 3; ++c) store(acc.rgb[c] + o, load(acc.rgb[c] + o) + w * g.color[c]);
                if (kDepth) {
                    const vf t = distance_of<kRolling>(s, g, origin, inverse);
                    store(acc.depth + o, load(acc.depth + o) + w * t);
                    store(acc.weight + o, load(acc.weight + o) + w);
                    const vm crosses = both(both(less_equal(splat(0.5f), T), less(next, splat(0.5f))), less(vf{}, w));
                    store(acc.median + o, select(crosses, t, load(acc.median + o)));
                }
            }
        }
        f.hits[entry.slot] = hits;
    }
    for (; e < end; ++e) f.hits[f.entries[e].slot] = 0;

    const int width = f.view.camera.width, height = f.view.camera.height;
    for (int i = 0; i < kPixels; ++i) {
        const auto [x, y] = pixel_of(i, tile.columns());
        if (tile.x0 + x >= width || tile.y0 + y >= height) continue;
        const size_t pixel = (size_t)(tile.y0 + y) * width + tile.x0 + x;
        const float T = acc.T[i] > 0.f ? acc.T[i] : acc.final_t[i];
        f.final_t[pixel] = T;
        // Where little is seen, 1 - T has lost the digits that a mean distance needs.
        out.alpha[pixel] = kDepth && T > 0.5f ? acc.weight[i] : 1.f - T;
        const float *bg = out.background + (out.background_image ? 3 * pixel : 0);
        for (int c = 0; c < 3; ++c) out.rgb[3 * pixel + c] = acc.rgb[c][i] + T * bg[c];
        if (kDepth) out.depth_sum[pixel] = acc.depth[i], out.median[pixel] = acc.median[i];
    }
}

struct Gradients {
    const float *rgb, *alpha, *depth;  // dL/d output; alpha and depth may be null
    float *records;                    // [intersections][16] per slot: N 9, g_o 3, opacity, colour 3
    float *pose;                       // [tiles][16][12] or null
    const float *out_rgb, *out_depth;  // what the forward pass wrote
};

struct alignas(64) Upstream {
    float T[kPixels], S[kPixels], rgb[3][kPixels], depth[kPixels];
};

template <bool kRolling, bool kDepth, bool kPose>
inline void backward_tile(Frame &f, Tile &tile, Upstream &up, int index, const Gradients &in) {
    tile.start(f, index);
    const int width = f.view.camera.width, height = f.view.camera.height;
    const float max_alpha = f.settings.max_alpha, stop = f.settings.min_transmittance;
    LineOrigins lines;
    // S starts as v . C_out - T_final v_alpha and loses each Gaussian's own part on the way to the back.
    for (int i = 0; i < kPixels; ++i) {
        const auto [x, y] = pixel_of(i, tile.columns());
        up.T[i] = 1.f;
        up.S[i] = up.depth[i] = up.rgb[0][i] = up.rgb[1][i] = up.rgb[2][i] = 0.f;
        if (tile.x0 + x >= width || tile.y0 + y >= height) continue;
        const size_t pixel = (size_t)(tile.y0 + y) * width + tile.x0 + x;
        float S = in.alpha ? -f.final_t[pixel] * in.alpha[pixel] : 0.f;
        for (int c = 0; c < 3; ++c) {
            up.rgb[c][i] = in.rgb[3 * pixel + c];
            S += up.rgb[c][i] * in.out_rgb[3 * pixel + c];
        }
        if (kDepth) up.depth[i] = in.depth[pixel], S += in.depth[pixel] * in.out_depth[pixel];
        up.S[i] = S;
    }
    for (uint32_t e = f.tile_start[index]; e < f.tile_start[index + 1]; ++e) {
        const Entry entry = f.entries[e];
        const uint32_t hits = f.hits[entry.slot];
        if (!hits) continue;
        const Record &g = f.records[entry.gaussian];
        const Rays &rays = tile.rays(g.body);
        RayGradients *ray_gradients = kPose ? &tile.gradients(g.body) : nullptr;
        vf sum[16] = {};
        if (kRolling) origins_of(g, rays, lines);
        for (int group = 0; group < kGroups; ++group) {
            uint32_t todo = hits & (kGroupBlocks << (group * kBlocksAcross));
            if (!todo) continue;
            const Origin origin = origin_of<kRolling>(g, lines, group);
            vf hx_sum{}, hy_sum{}, hz_sum{};
            for (; todo; todo &= todo - 1) {
                const int o = __builtin_ctz(todo) * kLanes;
                const vf dx = load(rays.d[0] + o), dy = load(rays.d[1] + o), dz = load(rays.d[2] + o);
                const Response s = respond<kRolling>(g, origin, dx, dy, dz);
                const vf inverse = reciprocal(max(s.norm2, splat(1e-30f)));  // a pixel without a ray has norm 0
                const vf D2 = s.cross2 * inverse;
                const vf free = exp2_negative(g.log2_opacity - kHalfLog2e * D2);
                const vf alpha = zero_unless(s.hit, min(free, splat(max_alpha)));
                const vf T = load(up.T + o);
                vf w = alpha * T;
                vf next = T - w;
                vm used = s.hit;
                const vm finished = both(s.hit, less_equal(next, splat(stop)));
                if (any(finished)) {
                    used = but_not(used, finished);
                    w = select(finished, vf{}, w);
                    next = select(finished, vf{}, next);
                }
                store(up.T + o, next);
                const vf v0 = load(up.rgb[0] + o), v1 = load(up.rgb[1] + o), v2 = load(up.rgb[2] + o);
                vf value = v0 * g.color[0] + v1 * g.color[1] + v2 * g.color[2];
                vf t, vt;
                if (kDepth) {
                    t = distance_of<kRolling>(s, g, origin, inverse);
                    vt = load(up.depth + o);
                    value += vt * t;
                }
                const vf S = load(up.S + o) - w * value;
                store(up.S + o, S);
                sum[13] += w * v0;
                sum[14] += w * v1;
                sum[15] += w * v2;
                // A clamped alpha does not move with its Gaussian.
                const vm moves = both(used, less(free, splat(max_alpha)));
                const vf v_alpha = zero_unless(moves, (T * value - S * reciprocal(1.f - alpha)) * alpha);  // alpha dL/dalpha
                sum[12] += v_alpha;
                const vf v_D2 = -0.5f * v_alpha;
                const vf scale = 2.f * v_D2 * inverse;
                vf gp, gq, gr, hx, hy, hz;  // dL/dg_d, dL/dg_o
                if (kRolling) {
                    const vf ex = scale * s.cx, ey = scale * s.cy, ez = scale * s.cz, radial = -scale * D2;
                    hx = ey * s.r - ez * s.q;
                    hy = ez * s.p - ex * s.r;
                    hz = ex * s.q - ey * s.p;
                    gp = origin.y * ez - origin.z * ey + radial * s.p;
                    gq = origin.z * ex - origin.x * ez + radial * s.q;
                    gr = origin.x * ey - origin.y * ex + radial * s.r;
                } else {
                    // cross = G (-q, p, 0)
                    const vf G = splat(g.G);
                    const vf ex = -scale * G * s.q, ey = scale * G * s.p, radial = -scale * D2;
                    hx = ey * s.r;
                    hy = -ex * s.r;
                    hz = ex * s.q - ey * s.p;
                    gp = G * ey + radial * s.p;
                    gq = -G * ex + radial * s.q;
                    gr = radial * s.r;
                }
                if (kDepth) {
                    // t = -(g_d . g_o) / |g_d|^2
                    const vf wt = w * vt * inverse, twice = 2.f * t;
                    gp -= wt * (origin.x + twice * s.p), gq -= wt * (origin.y + twice * s.q), gr -= wt * (origin.z + twice * s.r);
                    hx -= wt * s.p, hy -= wt * s.q, hz -= wt * s.r;
                }
                sum[0] += gp * dx, sum[1] += gp * dy, sum[2] += gp * dz;
                sum[3] += gq * dx, sum[4] += gq * dy, sum[5] += gq * dz;
                sum[6] += gr * dx, sum[7] += gr * dy, sum[8] += gr * dz;
                hx_sum += hx, hy_sum += hy, hz_sum += hz;
                if (kPose) {
                    for (int j = 0; j < 3; ++j) {
                        float *d = ray_gradients->d[j] + o, *start = ray_gradients->o[j] + o;
                        store(d, load(d) + g.N[j] * gp + g.N[3 + j] * gq + g.N[6 + j] * gr);
                        store(start, load(start) + g.N[j] * hx + g.N[3 + j] * hy + g.N[6 + j] * hz);
                    }
                }
            }
            if (kRolling) {
                const int at = group * kBlockHeight;
                const vf ax = repeat4(rays.delta[0] + at), ay = repeat4(rays.delta[1] + at), az = repeat4(rays.delta[2] + at);
                sum[0] += hx_sum * ax, sum[1] += hx_sum * ay, sum[2] += hx_sum * az;
                sum[3] += hy_sum * ax, sum[4] += hy_sum * ay, sum[5] += hy_sum * az;
                sum[6] += hz_sum * ax, sum[7] += hz_sum * ay, sum[8] += hz_sum * az;
            }
            sum[9] += hx_sum, sum[10] += hy_sum, sum[11] += hz_sum;
        }
        float *record = in.records + (size_t)entry.slot * 16;
        store(record, sum_each(sum));
        if (kLanes == 8) store(record + 8, sum_each(sum + 8));
    }
    if (kPose) tile.gather_pose(in.pose + (size_t)index * kTile * 12);
}

}  // namespace avrec
