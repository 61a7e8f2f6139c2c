// Camera models on lanes of points: camera-frame xyz to pixels. Formulas: OpenCV's pinhole and fisheye, f-theta.
#pragma once

#include "simd.h"

namespace avrec {

enum class Model : int { kPinhole = 0, kFisheye = 1, kFtheta = 2 };

struct Camera {
    Model model;
    int width, height;
    float fx, fy, cx, cy;
    float k[6];        // pinhole: rational radial k1..k6; fisheye: k1..k4; f-theta: angle -> pixel distance polynomial
    float p[2], s[4];  // pinhole: tangential, thin prism
    float c, d, e;     // f-theta: linear part [c d; e 1]
    float limit;       // pinhole: largest valid r^2; fisheye and f-theta: largest valid angle in radians
    // f-theta whose exact polynomial is pixel distance -> angle: the inverse is refined by Newton steps on it.
    bool backward;
    float b[6];
};

// Pixels of camera-frame points; returns the lanes where the model is defined.
inline vm project(const Camera &cam, vf X, vf Y, vf Z, vf &u, vf &v) {
    if (cam.model == Model::kPinhole) {
        const vm front = less(splat(1e-4f), Z);
        const vf iz = 1.f / select(front, Z, splat(1.f));
        const vf x = X * iz, y = Y * iz;
        const vf r2 = x * x + y * y;
        const vm valid = both(front, less_equal(r2, splat(cam.limit)));
        const vf radial = (1.f + r2 * (cam.k[0] + r2 * (cam.k[1] + r2 * cam.k[2]))) /
                          (1.f + r2 * (cam.k[3] + r2 * (cam.k[4] + r2 * cam.k[5])));
        const vf xy2 = 2.f * x * y;
        const vf dx = cam.p[0] * xy2 + cam.p[1] * (r2 + 2.f * x * x) + r2 * (cam.s[0] + r2 * cam.s[1]);
        const vf dy = cam.p[0] * (r2 + 2.f * y * y) + cam.p[1] * xy2 + r2 * (cam.s[2] + r2 * cam.s[3]);
        u = cam.fx * (x * radial + dx) + cam.cx;
        v = cam.fy * (y * radial + dy) + cam.cy;
        return valid;
    }
    const vf xy = sqrt(X * X + Y * Y);
    const vf theta = atan2_positive(xy, Z);
    const vm valid = less_equal(theta, splat(cam.limit));
    // On the optical axis the direction of (x, y) is undefined and the pixel distance is 0.
    const vf inverse = 1.f / max(xy, splat(1e-12f));
    const vf cosine = X * inverse, sine = Y * inverse;
    if (cam.model == Model::kFisheye) {
        const vf t2 = theta * theta;
        const vf rho = theta * (1.f + t2 * (cam.k[0] + t2 * (cam.k[1] + t2 * (cam.k[2] + t2 * cam.k[3]))));
        u = cam.fx * rho * cosine + cam.cx;
        v = cam.fy * rho * sine + cam.cy;
        return valid;
    }
    vf rho = cam.k[0] + theta * (cam.k[1] + theta * (cam.k[2] + theta * (cam.k[3] + theta * (cam.k[4] + theta * cam.k[5]))));
    if (cam.backward) {
        for (int i = 0; i < 3; ++i) {
            const vf angle = cam.b[0] + rho * (cam.b[1] + rho * (cam.b[2] + rho * (cam.b[3] + rho * (cam.b[4] + rho * cam.b[5]))));
            const vf slope = cam.b[1] + rho * (2.f * cam.b[2] + rho * (3.f * cam.b[3] + rho * (4.f * cam.b[4] + rho * 5.f * cam.b[5])));
            rho -= (angle - theta) / select(less(abs(slope), splat(1e-12f)), splat(1.f), slope);
        }
    }
    const vf x = rho * cosine, y = rho * sine;
    u = cam.c * x + cam.d * y + cam.cx;
    v = cam.e * x + y + cam.cy;
    return valid;
}

}  // namespace avrec
