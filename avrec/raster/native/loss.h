// Photometric loss (1 - w) L1 + w (1 - SSIM) after a colour correction, and its gradient, row by row.
// SSIM: 11-tap Gaussian window, sigma 1.5, zero padding, C1 = 1e-4, C2 = 9e-4 (Wang et al. 2004).
#pragma once

#include "state.h"

namespace avrec {

class PhotometricLoss {
  public:
    // rgb, target (0..255), v_rgb: [height][width][3]; weight: [height][width] or null; affine: [3][4];
    // v_affine: [12]. Returns the loss.
    double run(int height, int width, const float *rgb, const uint8_t *target, const float *weight, const float *affine,
               float ssim_weight, float *v_rgb, double *v_affine) {
        constexpr size_t planes = 2 + 5 + 3 + 3;  // of one channel at a time, which fits a core's cache better
        if (height != height_ || width != width_) {
            height_ = height, width_ = width, stride_ = (width + 2 * kPad + 15) / 16 * 16;
            plane_ = (size_t)stride_ * height;
            // Padding columns must be 0, and stay so: nothing writes them but zeros.
            std::memset(buffer_.reserve(planes * plane_), 0, sizeof(float) * planes * plane_);
        }
        float *all = buffer_.get();
        y_ = all, t_ = all + plane_, h_ = all + 2 * plane_, s_ = all + 7 * plane_, g_ = all + 10 * plane_;
        double total_weight = (double)height * width;
        if (weight) {
            total_weight = 0;
            for (size_t i = 0; i < (size_t)height * width; ++i) total_weight += weight[i];
            total_weight = std::max(total_weight, 1.0);
        }
        const float scale = (float)(1.0 / (3.0 * total_weight));
        std::vector<double> loss(height, 0.0), affine_rows((size_t)height * 12, 0.0);
        std::memset(v_rgb, 0, sizeof(float) * 3 * height * width);
        constexpr int kRows = 8;
        const int bands = (height + kRows - 1) / kRows;
        const auto each_row = [&](const auto &task) {
            Pool::instance().run(bands, [&](int band, int) {
                for (int row = band * kRows; row < std::min(height, (band + 1) * kRows); ++row) task(row);
            });
        };
        for (int c = 0; c < 3; ++c) {
            each_row([&](int row) { moments(c, row, rgb, target, affine); });
            each_row([&](int row) { loss[row] += similarity(row, weight, scale * ssim_weight); });
            each_row([&](int row) {
                loss[row] += gradient(c, row, rgb, weight, affine, scale * (1.f - ssim_weight), v_rgb, &affine_rows[(size_t)row * 12]);
            });
        }
        double result = 0;
        for (int i = 0; i < 12; ++i) v_affine[i] = 0;
        for (int row = 0; row < height; ++row) {
            result += loss[row];
            for (int i = 0; i < 12; ++i) v_affine[i] += affine_rows[(size_t)row * 12 + i];
        }
        return result;
    }

  private:
    static constexpr int kPad = 16, kReach = 5;
    static constexpr float kC1 = 1e-4f, kC2 = 9e-4f;

    static const float *taps() {
        static const std::vector<float> values = [] {
            std::vector<float> w(kReach + 1);
            double total = 0;
            for (int i = -kReach; i <= kReach; ++i) total += std::exp(-i * i / (2 * 1.5 * 1.5));
            for (int i = 0; i <= kReach; ++i) w[i] = (float)(std::exp(-i * i / (2 * 1.5 * 1.5)) / total);
            return w;
        }();
        return values.data();
    }

    float *at(float *base, int plane, int row) const { return base + plane * plane_ + (size_t)row * stride_ + kPad; }

    void across(const float *in, float *out) const {
        const float *w = taps();
        for (int x = 0; x < width_; x += kLanes) {
            vf v = w[0] * load(in + x);
            for (int k = 1; k <= kReach; ++k) v += w[k] * (load(in + x - k) + load(in + x + k));
            store(out + x, v);
        }
        for (int x = width_; x < width_ + kReach; ++x) out[x] = 0;
    }

    // Vertical filter of a plane at one row and column.
    vf down(float *base, int plane, int row, int x) const {
        const float *w = taps();
        vf v = w[0] * load(at(base, plane, row) + x);
        for (int k = 1; k <= kReach; ++k) {
            if (row - k >= 0) v += w[k] * load(at(base, plane, row - k) + x);
            if (row + k < height_) v += w[k] * load(at(base, plane, row + k) + x);
        }
        return v;
    }

    void moments(int c, int row, const float *rgb, const uint8_t *target, const float *A) {
        const float *in = rgb + (size_t)row * width_ * 3;
        const uint8_t *wanted = target + (size_t)row * width_ * 3;
        thread_local std::vector<float> product;
        product.assign(stride_, 0.f);
        float *y = at(y_, 0, row), *t = at(t_, 0, row);
        const float *a = A + 4 * c;
        for (int x = 0; x < width_; ++x) {
            y[x] = a[0] * in[3 * x] + a[1] * in[3 * x + 1] + a[2] * in[3 * x + 2] + a[3];
            t[x] = wanted[3 * x + c] * (1.f / 255.f);
        }
        across(y, at(h_, 0, row));
        across(t, at(h_, 1, row));
        float *p = product.data() + kPad;
        for (int x = 0; x < width_; ++x) p[x] = y[x] * y[x];
        across(p, at(h_, 2, row));
        for (int x = 0; x < width_; ++x) p[x] = t[x] * t[x];
        across(p, at(h_, 3, row));
        for (int x = 0; x < width_; ++x) p[x] = y[x] * t[x];
        across(p, at(h_, 4, row));
    }

    double similarity(int row, const float *weight, float scale) {
        double loss = 0;
        alignas(64) float share[kLanes], term[kLanes];
        for (int x = 0; x < width_; x += kLanes) {
            for (int l = 0; l < kLanes; ++l)
                share[l] = x + l < width_ ? scale * (weight ? weight[(size_t)row * width_ + x + l] : 1.f) : 0.f;
            const vf k = load(share);
            const vf my = down(h_, 0, row, x), mt = down(h_, 1, row, x);
            const vf yy = down(h_, 2, row, x) - my * my, tt = down(h_, 3, row, x) - mt * mt;
            const vf yt = down(h_, 4, row, x) - my * mt;
            const vf a = 2.f * my * mt + kC1, b = 2.f * yt + kC2, d = my * my + mt * mt + kC1, e = yy + tt + kC2;
            const vf inverse = 1.f / (d * e), ssim = a * b * inverse;
            store(term, k * (1.f - ssim));
            for (int l = 0; l < kLanes; ++l) loss += term[l];
            // dL/d(mean y), dL/d(mean y^2), dL/d(mean y t), each to be filtered again.
            const vf by_mean = 2.f * mt * (b - a) * inverse + 2.f * my * ssim * (1.f / e - 1.f / d);
            store(at(s_, 0, row) + x, -k * by_mean);
            store(at(s_, 1, row) + x, k * ssim / e);
            store(at(s_, 2, row) + x, -k * 2.f * a * inverse);
        }
        for (int i = 0; i < 3; ++i) {
            float *s = at(s_, i, row);
            for (int x = width_; x < width_ + kReach; ++x) s[x] = 0;
            across(s, at(g_, i, row));
        }
        return loss;
    }

    double gradient(int c, int row, const float *rgb, const float *weight, const float *A, float scale, float *v_rgb, double *v_affine) {
        double loss = 0;
        const float *in = rgb + (size_t)row * width_ * 3;
        float *out = v_rgb + (size_t)row * width_ * 3;
        alignas(64) float v[kLanes];
        const float *y = at(y_, 0, row), *t = at(t_, 0, row);
        double sums[4] = {};
        for (int x = 0; x < width_; x += kLanes) {
            store(v, down(g_, 0, row, x) + 2.f * load(y + x) * down(g_, 1, row, x) +
                         load(t + x) * down(g_, 2, row, x));
            const int n = std::min(kLanes, width_ - x);
            for (int l = 0; l < n; ++l) {
                const float error = y[x + l] - t[x + l];
                const float k = scale * (weight ? weight[(size_t)row * width_ + x + l] : 1.f);
                loss += k * std::fabs(error);
                const float g = v[l] + (error > 0.f ? k : error < 0.f ? -k : 0.f);
                const float *p = in + 3 * (x + l);
                for (int j = 0; j < 3; ++j) {
                    out[3 * (x + l) + j] += A[4 * c + j] * g;
                    sums[j] += g * p[j];
                }
                sums[3] += g;
            }
        }
        for (int j = 0; j < 4; ++j) v_affine[4 * c + j] += sums[j];
        return loss;
    }

    int height_ = 0, width_ = 0, stride_ = 0;
    size_t plane_ = 0;
    Buffer<float> buffer_;
    float *y_ = nullptr, *t_ = nullptr, *h_ = nullptr, *s_ = nullptr, *g_ = nullptr;
};

}  // namespace avrec
