// Adam on the rows that a picture saw, with the regularisers of MCMC densification on opacity and scale.
#pragma once

#include "state.h"

namespace avrec {

struct AdamSettings {
    float beta1, beta2, eps;
    float correction1, correction2;  // 1 - beta^step
    float opacity_weight, scale_weight;
    float mean_size;  // means move in proportion to size / mean_size, within [1/4, 4]; 0: all alike
};

inline void adam_rows(float *parameters, float *first, float *second, int columns, const uint32_t *ids, int count,
                      const float *gradients, const float *rates, const AdamSettings &s) {
    constexpr int kChunk = 2048;
    Pool::instance().run((count + kChunk - 1) / kChunk, [&](int chunk, int) {
        float g[kMaxColumns];
        for (int i = chunk * kChunk; i < std::min(count, (chunk + 1) * kChunk); ++i) {
            const size_t at = (size_t)ids[i] * columns;
            float *p = parameters + at, *m = first + at, *v = second + at;
            std::memcpy(g, gradients + (size_t)i * columns, sizeof(float) * columns);
            for (int k = 7; k < 10; ++k) g[k] += s.scale_weight * std::exp(p[k]);
            const float opacity = 1.f / (1.f + std::exp(-p[10]));
            g[10] += s.opacity_weight * opacity * (1.f - opacity);
            float rate_of_mean = 1.f;
            if (s.mean_size > 0.f) {
                const float size = std::exp((p[7] + p[8] + p[9]) * (1.f / 3.f));
                rate_of_mean = std::min(std::max(size / s.mean_size, 0.25f), 4.f);
            }
            for (int k = 0; k < columns; ++k) {
                m[k] += (1.f - s.beta1) * (g[k] - m[k]);
                v[k] += (1.f - s.beta2) * (g[k] * g[k] - v[k]);
                p[k] -= rates[k] * (k < 3 ? rate_of_mean : 1.f) * (m[k] / s.correction1) / (std::sqrt(v[k] / s.correction2) + s.eps);
            }
        }
    });
}

// Adam on a plain array; entries that got no gradient stay as they are.
inline void adam_dense(float *parameters, float *first, float *second, const float *gradients, size_t count, float rate,
                       const AdamSettings &s) {
    for (size_t i = 0; i < count; ++i) {
        const float g = gradients[i];
        if (g == 0.f) continue;
        first[i] += (1.f - s.beta1) * (g - first[i]);
        second[i] += (1.f - s.beta2) * (g * g - second[i]);
        parameters[i] -= rate * (first[i] / s.correction1) / (std::sqrt(second[i] / s.correction2) + s.eps);
    }
}

}  // namespace avrec
