// Stage 4: gradients of the raster loop gathered per Gaussian and taken back to the packed parameters.
#pragma once

#include "project.h"
#include "raster.h"

namespace avrec {

// dL/d(w, x, y, z) of the raw quaternion from V = dL/dR, R the rotation of the normalised quaternion.
inline void rotation_to_quaternion(const vf *V, vf w, vf x, vf y, vf z, vf inverse_length, vf *out) {
    const vf g[4] = {
        2.f * (x * (V[7] - V[5]) + y * (V[2] - V[6]) + z * (V[3] - V[1])),
        2.f * (-2.f * x * (V[4] + V[8]) + y * (V[1] + V[3]) + z * (V[2] + V[6]) + w * (V[7] - V[5])),
        2.f * (x * (V[1] + V[3]) - 2.f * y * (V[0] + V[8]) + z * (V[5] + V[7]) + w * (V[2] - V[6])),
        2.f * (x * (V[2] + V[6]) + y * (V[5] + V[7]) - 2.f * z * (V[0] + V[4]) + w * (V[3] - V[1])),
    };
    const vf along = g[0] * w + g[1] * x + g[2] * y + g[3] * z;
    const vf q[4] = {w, x, y, z};
    for (int i = 0; i < 4; ++i) out[i] = (g[i] - along * q[i]) * inverse_length;
}

// Rows of `out` follow `ids` (ascending); `origin` collects dL/d(middle camera centre) per body in the body's frame.
inline void finish_gradients(const Frame &f, const float *records, int begin, int end, float *out, double *origin) {
    alignas(64) float total[kLanes][16];
    alignas(64) float rows_out[kMaxColumns][kLanes];
    for (int i = begin; i < end;) {
        const int body = f.records[i].body;
        int stop = i + 1;
        while (stop < end && stop < i + kLanes && f.records[stop].body == body) ++stop;
        vi rows{};
        vf lit[3] = {};
        std::memset(total, 0, sizeof total);
        for (int l = 0; l < kLanes; ++l) {
            const int at = std::min(i + l, stop - 1);
            rows[l] = (int32_t)f.ids[f.order[at]];
            if (i + l >= stop) continue;
            for (int j = 0; j < 3; ++j) lit[j][l] = f.records[at].color[j] > 0.f ? 1.f : 0.f;
            vf sum[16 / kLanes] = {};
            for (uint32_t slot = f.slot_start[at]; slot < f.slot_start[at + 1]; ++slot)
                if (f.hits[slot])
                    for (int part = 0; part < 16 / kLanes; ++part) sum[part] += load(records + (size_t)slot * 16 + part * kLanes);
            for (int part = 0; part < 16 / kLanes; ++part) store(total[l] + part * kLanes, sum[part]);
        }
        vf g[16];
        for (int part = 0; part < 16 / kLanes; ++part) {
            for (int l = 0; l < kLanes; ++l) g[part * kLanes + l] = load(total[l] + part * kLanes);
            transpose(g + part * kLanes);
        }

        const Shape s = load_shape(f, rows);
        const Canonical c = canonical_of(s, f.view.middle + body * 12);
        const vf m[3] = {c.from_mean.x, c.from_mean.y, c.from_mean.z};
        vf X[9], dM[9], V[9];
        for (int r = 0; r < 3; ++r)
            for (int j = 0; j < 3; ++j) X[3 * r + j] = g[3 * r + j] + g[9 + r] * m[j];
        for (int k = 0; k < 3; ++k)
            for (int j = 0; j < 3; ++j) dM[3 * k + j] = c.Q[k] * X[j] + c.Q[3 + k] * X[3 + j] + c.Q[6 + k] * X[6 + j];
        vf turned[3], mean[3];  // Q^T h, then -M^T Q^T h
        for (int k = 0; k < 3; ++k) turned[k] = c.Q[k] * g[9] + c.Q[3 + k] * g[10] + c.Q[6 + k] * g[11];
        for (int j = 0; j < 3; ++j) mean[j] = -(c.M[j] * turned[0] + c.M[3 + j] * turned[1] + c.M[6 + j] * turned[2]);
        const vf scale[3] = {s.scale.x, s.scale.y, s.scale.z};
        for (int k = 0; k < 3; ++k) {
            store(rows_out[7 + k], -(c.M[3 * k] * dM[3 * k] + c.M[3 * k + 1] * dM[3 * k + 1] + c.M[3 * k + 2] * dM[3 * k + 2]));
            for (int j = 0; j < 3; ++j) V[3 * j + k] = dM[3 * k + j] / scale[k];
        }
        vf column[16], sh[48];
        load_columns(f.packed, rows, f.columns, 0, column);
        load_harmonics(f, rows, sh);
        const vf w = column[3], x = column[4], y = column[5], z = column[6];
        const vf inverse_length = 1.f / sqrt(max(w * w + x * x + y * y + z * z, splat(1e-24f)));
        vf q[4];
        rotation_to_quaternion(V, w * inverse_length, x * inverse_length, y * inverse_length, z * inverse_length, inverse_length, q);
        for (int k = 0; k < 4; ++k) store(rows_out[3 + k], q[k]);
        store(rows_out[10], g[12] * (1.f - s.opacity));

        const vf inverse = 1.f / sqrt(max(dot(c.from_mean, c.from_mean), splat(1e-20f)));
        const V3 d = -inverse * c.from_mean;
        vf Y[16], dx[16], dy[16], dz[16];
        sh_basis<true>(f.sh, d.x, d.y, d.z, Y, dx, dy, dz);
        V3 along = {};
        const vf color[3] = {g[13] * lit[0], g[14] * lit[1], g[15] * lit[2]};
        for (int k = 0; k < f.sh; ++k) {
            vf pull{};
            for (int j = 0; j < 3; ++j) {
                store(rows_out[kGeometry + 3 * k + j], Y[k] * color[j]);
                if (k) pull += color[j] * sh[3 * k + j];
            }
            if (k) along.x += pull * dx[k], along.y += pull * dy[k], along.z += pull * dz[k];
        }
        const vf radial = dot(along, d);
        const vf side[3] = {inverse * (along.x - radial * d.x), inverse * (along.y - radial * d.y), inverse * (along.z - radial * d.z)};
        for (int j = 0; j < 3; ++j) {
            store(rows_out[j], mean[j] + side[j]);
            for (int l = 0; l < stop - i; ++l)
                if (f.records[i + l].limit >= 0.f) origin[3 * body + j] -= side[j][l];
        }
        for (int l = 0; l < stop - i; ++l)  // never drawn: see make_records
            if (f.records[i + l].limit < 0.f)
                for (int k = 0; k < kGeometry + 3 * f.sh; ++k) rows_out[k][l] = 0.f;
        const int used = kGeometry + 3 * f.sh;
        for (int k = used; k < f.columns; ++k) store(rows_out[k], vf{});
        for (int k = 0; k < f.columns; k += kLanes) {
            vf columns[kLanes];
            for (int j = 0; j < kLanes; ++j) columns[j] = k + j < f.columns ? load(rows_out[k + j]) : vf{};
            transpose(columns);
            const int width = std::min(kLanes, f.columns - k);
            for (int l = 0; l < stop - i; ++l) {
                float *row = out + (size_t)f.order[i + l] * f.columns + k;
                if (width == kLanes)
                    store(row, columns[l]);
                else
                    for (int j = 0; j < width; ++j) row[j] = columns[l][j];
            }
        }
        i = stop;
    }
}

// dL/d(world_from_camera rotation, origin) per line: tiles in a fixed order, then the view direction's part.
inline void sum_pose(const Frame &f, const float *tiles, const std::vector<double> &origin, float *out /* [lines][12] */) {
    const View &view = f.view;
    std::vector<double> total((size_t)view.lines * 12, 0.0);
    for (int t = 0; t < f.tiles(); ++t)
        for (int i = 0; i < kTile; ++i) {
            const int line = view.axis == 1 ? t / f.tiles_across * kTile + i : view.axis == 2 ? t % f.tiles_across * kTile + i : 0;
            if (line >= view.lines || (view.axis == 0 && i)) continue;
            for (int k = 0; k < 12; ++k) total[(size_t)line * 12 + k] += tiles[((size_t)t * kTile + i) * 12 + k];
        }
    const int low = (view.lines - 1) / 2, high = view.lines / 2;  // the same line when there is a middle one
    for (int body = 0; body < view.bodies; ++body)
        for (const int line : {low, high}) {
            const float *W = view.table[line].R, *B = view.table[(size_t)body * view.lines + line].R;
            double c[3] = {};
            for (int j = 0; j < 3; ++j)
                for (int r = 0; r < 3; ++r) c[j] += B[3 * r + j] * origin[3 * body + r];
            for (int r = 0; r < 3; ++r)
                for (int j = 0; j < 3; ++j) total[(size_t)line * 12 + 9 + r] += 0.5 * W[3 * r + j] * c[j];
        }
    for (size_t i = 0; i < total.size(); ++i) out[i] = (float)total[i];
}

}  // namespace avrec
