// Real spherical harmonics up to degree 3 in 3DGS's order and signs: colour = 0.5 + sum_k Y_k(direction) sh_k.
#pragma once

#include "state.h"

namespace avrec {

// Y_k and, when asked, dY_k/dx, dY_k/dy, dY_k/dz for a unit direction.
template <bool kGradient> inline void sh_basis(int n, vf x, vf y, vf z, vf *Y, vf *dx, vf *dy, vf *dz) {
    const auto derivative = [&](int k, vf gx, vf gy, vf gz) {
        if (kGradient) dx[k] = gx, dy[k] = gy, dz[k] = gz;
    };
    const vf zero{};
    Y[0] = splat(0.28209479177387814f);
    derivative(0, zero, zero, zero);
    if (n <= 1) return;
    constexpr float a = 0.4886025119029199f;
    Y[1] = -a * y, Y[2] = a * z, Y[3] = -a * x;
    derivative(1, zero, splat(-a), zero);
    derivative(2, zero, zero, splat(a));
    derivative(3, splat(-a), zero, zero);
    if (n <= 4) return;
    constexpr float b0 = 1.0925484305920792f, b2 = 0.31539156525252005f, b4 = 0.5462742152960396f;
    const vf xx = x * x, yy = y * y, zz = z * z, xy = x * y, yz = y * z, xz = x * z;
    Y[4] = b0 * xy, Y[5] = -b0 * yz, Y[6] = b2 * (2.f * zz - xx - yy), Y[7] = -b0 * xz, Y[8] = b4 * (xx - yy);
    derivative(4, b0 * y, b0 * x, zero);
    derivative(5, zero, -b0 * z, -b0 * y);
    derivative(6, -2.f * b2 * x, -2.f * b2 * y, 4.f * b2 * z);
    derivative(7, -b0 * z, zero, -b0 * x);
    derivative(8, 2.f * b4 * x, -2.f * b4 * y, zero);
    if (n <= 9) return;
    constexpr float c0 = -0.5900435899266435f, c1 = 2.890611442640554f, c2 = -0.4570457994644658f, c3 = 0.3731763325901154f,
                    c5 = 1.445305721320277f;
    Y[9] = c0 * y * (3.f * xx - yy);
    Y[10] = c1 * xy * z;
    Y[11] = c2 * y * (4.f * zz - xx - yy);
    Y[12] = c3 * z * (2.f * zz - 3.f * xx - 3.f * yy);
    Y[13] = c2 * x * (4.f * zz - xx - yy);
    Y[14] = c5 * z * (xx - yy);
    Y[15] = c0 * x * (xx - 3.f * yy);
    derivative(9, 6.f * c0 * xy, c0 * (3.f * xx - 3.f * yy), zero);
    derivative(10, c1 * yz, c1 * xz, c1 * xy);
    derivative(11, -2.f * c2 * xy, c2 * (4.f * zz - xx - 3.f * yy), 8.f * c2 * yz);
    derivative(12, -6.f * c3 * xz, -6.f * c3 * yz, c3 * (6.f * zz - 3.f * xx - 3.f * yy));
    derivative(13, c2 * (4.f * zz - 3.f * xx - yy), -2.f * c2 * xy, 8.f * c2 * xz);
    derivative(14, 2.f * c5 * xz, -2.f * c5 * yz, c5 * (xx - yy));
    derivative(15, c0 * (3.f * xx - 3.f * yy), -6.f * c0 * xy, zero);
}

// The used coefficients of kLanes Gaussians, three channels each.
inline void load_harmonics(const Frame &f, const vi rows, vf *sh) {
    vf columns[16];
    for (int first = 0; first < 3 * f.sh; first += 16) {
        load_columns(f.packed, rows, f.columns, kGeometry + first, columns);
        for (int c = 0; c < 16 && first + c < 3 * f.sh; ++c) sh[first + c] = columns[c];
    }
}

template <class Vector3> inline void sh_color(const Frame &f, const vi rows, Vector3 direction, vf *rgb) {
    vf Y[16];
    sh_basis<false>(f.sh, direction.x, direction.y, direction.z, Y, nullptr, nullptr, nullptr);
    for (int j = 0; j < 3; ++j) rgb[j] = splat(0.5f);
    vf sh[48];
    load_harmonics(f, rows, sh);
    for (int k = 0; k < f.sh; ++k)
        for (int j = 0; j < 3; ++j) rgb[j] += Y[k] * sh[3 * k + j];
}

}  // namespace avrec
