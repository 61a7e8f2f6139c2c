// The sky cubemap behind the Gaussians: bilinear lookup by world direction and its gradient (see avrec/gaussians/sky.py).
#pragma once

#include "state.h"

namespace avrec {

struct Taps {
    int index[4];
    float weight[4];
};

inline Taps sky_taps(int size, float wx, float wy, float wz) {
    const float X = -wy, Y = wz, Z = -wx, ax = std::fabs(X), ay = std::fabs(Y), az = std::fabs(Z);
    int face;
    float major, sc, tc;
    if (ax >= ay && ax >= az) {
        face = X < 0, major = ax, sc = X < 0 ? Z : -Z, tc = -Y;
    } else if (ay >= az) {
        face = 2 + (Y < 0), major = ay, sc = X, tc = Y < 0 ? -Z : Z;
    } else {
        face = 4 + (Z < 0), major = az, sc = Z < 0 ? -X : X, tc = -Y;
    }
    const float half = 0.5f / std::max(major, 1e-20f), last = size - 1.f;
    const float column = std::min(std::max((sc * half + 0.5f) * size - 0.5f, 0.f), last);
    const float row = std::min(std::max((tc * half + 0.5f) * size - 0.5f, 0.f), last);
    const int c0 = (int)column, r0 = (int)row, c1 = std::min(c0 + 1, size - 1), r1 = std::min(r0 + 1, size - 1);
    const float across = column - c0, down = row - r0;
    const int base = face * size * size;
    return {{base + r0 * size + c0, base + r0 * size + c1, base + r1 * size + c0, base + r1 * size + c1},
            {(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across}};
}

// Calls visit(pixel, taps) for the pixels of one row that have a ray.
template <class Visit> inline void sky_row(const View &view, int size, int y, const Visit &visit) {
    const int width = view.camera.width;
    for (int x = 0; x < width; ++x) {
        const size_t pixel = (size_t)y * width + x;
        const float *ray = view.rays + 3 * pixel;
        const int line = view.axis == 1 ? y : view.axis == 2 ? x : 0;
        const float *R = view.table[line].R;
        float d[3];
        for (int r = 0; r < 3; ++r) d[r] = R[3 * r] * ray[0] + R[3 * r + 1] * ray[1] + R[3 * r + 2] * ray[2];
        if (d[0] == 0.f && d[1] == 0.f && d[2] == 0.f) continue;
        visit(pixel, sky_taps(size, d[0], d[1], d[2]));
    }
}

inline void sky_forward(const View &view, const float *texture, int size, float *out) {
    Pool::instance().run(view.camera.height, [&](int y, int) {
        std::memset(out + (size_t)y * view.camera.width * 3, 0, sizeof(float) * view.camera.width * 3);
        sky_row(view, size, y, [&](size_t pixel, const Taps &taps) {
            for (int k = 0; k < 4; ++k)
                for (int c = 0; c < 3; ++c) out[3 * pixel + c] += taps.weight[k] * texture[3 * taps.index[k] + c];
        });
    });
}

// dL/d texture, one thread so that the order of additions is fixed; pixels that show no sky are skipped.
inline void sky_backward(const View &view, const float *final_t, const float *v_rgb, int size, float *v_texture) {
    const int width = view.camera.width;
    for (int y = 0; y < view.camera.height; ++y) {
        bool open = false;
        for (int x = 0; x < width && !open; ++x) open = final_t[(size_t)y * width + x] > 1e-3f;
        if (!open) continue;
        sky_row(view, size, y, [&](size_t pixel, const Taps &taps) {
            const float T = final_t[pixel];
            if (T <= 1e-3f) return;
            for (int k = 0; k < 4; ++k)
                for (int c = 0; c < 3; ++c) v_texture[3 * taps.index[k] + c] += taps.weight[k] * T * v_rgb[3 * pixel + c];
        });
    }
}

}  // namespace avrec
