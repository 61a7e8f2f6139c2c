// Vectors of kLanes floats on GCC/Clang vector extensions: one source, compiled once per instruction set.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace avrec {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif

typedef float vf __attribute__((vector_size(4 * kLanes)));
typedef int32_t vi __attribute__((vector_size(4 * kLanes)));
typedef uint32_t vu __attribute__((vector_size(4 * kLanes)));  // wraps around; signed lanes must not

inline vf splat(float x) { return x - vf{}; }
inline vf load(const float *p) {
    vf v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
inline void store(float *p, vf v) { std::memcpy(p, &v, sizeof v); }

// Lane masks. AVX-512 has registers for them; elsewhere a mask is a vector of 0 / -1.
#if defined(__AVX512F__)
typedef __mmask16 vm;
inline vm less(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
inline vm less_equal(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ); }
inline vf select(vm m, vf a, vf b) { return (vf)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a); }
inline vf zero_unless(vm m, vf a) { return (vf)_mm512_maskz_mov_ps(m, (__m512)a); }
inline bool any(vm m) { return m != 0; }
inline vm both(vm a, vm b) { return a & b; }
inline vm either(vm a, vm b) { return a | b; }
inline vm but_not(vm a, vm b) { return a & (vm)~b; }
inline vm all_lanes() { return 0xffff; }
inline uint32_t bits(vm m) { return m; }
inline vf max(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
inline vf min(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
inline vf sqrt(vf a) { return (vf)_mm512_sqrt_ps((__m512)a); }
#else
typedef vi vm;
inline vm less(vf a, vf b) { return a < b; }
inline vm less_equal(vf a, vf b) { return a <= b; }
inline vf select(vm m, vf a, vf b) { return m ? a : b; }
inline vf zero_unless(vm m, vf a) { return (vf)((vi)a & m); }
inline vm both(vm a, vm b) { return a & b; }
inline vm either(vm a, vm b) { return a | b; }
inline vm but_not(vm a, vm b) { return a & ~b; }
inline vm all_lanes() { return vi{} == vi{}; }
#if defined(__AVX2__)
inline uint32_t bits(vm m) { return (uint32_t)_mm256_movemask_ps((__m256)m); }
#else
inline uint32_t bits(vm m) {
    uint32_t r = 0;
    for (int i = 0; i < kLanes; ++i) r |= (uint32_t)(m[i] & 1) << i;
    return r;
}
#endif
inline bool any(vm m) { return bits(m) != 0; }
inline vf max(vf a, vf b) { return a > b ? a : b; }
inline vf min(vf a, vf b) { return a < b ? a : b; }
inline vf sqrt(vf a) {
    vf r;
    for (int i = 0; i < kLanes; ++i) r[i] = std::sqrt(a[i]);
    return r;
}
#endif

inline vf abs(vf a) { return (vf)((vi)a & 0x7fffffff); }

inline vi truncate(vf a) { return __builtin_convertvector(a, vi); }
inline vf to_float(vi a) { return __builtin_convertvector(a, vf); }

// 1 / x to the last bit or two, for normal x.
inline vf reciprocal(vf x) {
#if defined(__AVX512F__)
    const vf r = (vf)_mm512_rcp14_ps((__m512)x);
    return r + r * (1.f - x * r);
#else
    return 1.f / x;
#endif
}

// 2^f for f in [-1/2, 1/2]; relative error 1e-7 (degree-5 Chebyshev fit).
inline vf exp2_part(vf f) {
    vf p = 0.0013400433f * f + 0.0096760374f;
    p = p * f + 0.055503272f;
    p = p * f + 0.24022107f;
    p = p * f + 0.6931472f;
    return p * f + 1.0000001f;
}

// 2^x for x in about [-120, 0].
inline vf exp2_negative(vf x) {
#if defined(__AVX512F__)
    const vf whole = (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const vf f = x - whole;
#else
    const vi n = truncate(x - 0.5f);
    const vf f = x - to_float(n);
#endif
    const vf p = exp2_part(f);
#if defined(__AVX512F__)
    return (vf)_mm512_scalef_ps((__m512)p, (__m512)whole);
#else
    return (vf)((vu)p + ((vu)n << 23));
#endif
}

// e^x for |x| below about 80.
inline vf exp(vf x) {
    x = min(max(x * 1.44269504f, splat(-120.f)), splat(120.f));
    const vi n = truncate(x + select(less(x, vf{}), splat(-0.5f), splat(0.5f)));
    const vf f = x - to_float(n);
    const vf p = exp2_part(f);
    return (vf)((vu)p + ((vu)n << 23));
}

// log2 of positive finite numbers, absolute error 1e-7 near 1, relative 1e-7 elsewhere: the series of atanh on the
// mantissa in [sqrt(1/2), sqrt(2)).
inline vf log2(vf x) {
    const vi bits = (vi)x;
    const vi exponent = ((bits - 0x3f3504f3) >> 23);
    const vf m = (vf)((vu)bits - ((vu)exponent << 23));
    const vf t = (m - 1.f) / (m + 1.f), t2 = t * t;
    vf p = 0.26230819f * t2 + 0.32059890f;
    p = p * t2 + 0.41219858f;
    p = p * t2 + 0.57707802f;
    p = p * t2 + 0.96179669f;
    p = p * t2 + 2.88539008f;
    return to_float(exponent) + p * t;
}

// atan2(y, x) for y >= 0, absolute error 1e-7.
inline vf atan2_positive(vf y, vf x) {
    const vf ax = abs(x);
    const vf t = min(y, ax) / max(max(y, ax), splat(1e-30f));
    const vf u = t * t;
    vf p = 0.00283406419f * u - 0.0160050299f;
    p = p * u + 0.0425876081f;
    p = p * u - 0.0749544576f;
    p = p * u + 0.106367543f;
    p = p * u - 0.142025709f;
    p = p * u + 0.199924842f;
    p = p * u - 0.333330661f;
    p = p * u + 1.f;
    p *= t;
    p = select(less(ax, y), 1.57079633f - p, p);
    return select(less(x, vf{}), 3.14159265f - p, p);
}

#if defined(__clang__) || __GNUC__ >= 12
#define AVREC_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define AVREC_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif

// Turns kLanes vectors as the rows of a square matrix into its columns, in place: log2(kLanes) butterflies.
inline void transpose(vf *v) {
#if defined(__AVX512F__)
    for (int i = 0; i < 16; i += 2) {
        const vf a = v[i], b = v[i + 1];
        v[i] = AVREC_SHUFFLE(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
        v[i + 1] = AVREC_SHUFFLE(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    }
    for (int i = 0; i < 16; ++i) {
        if (i & 2) continue;
        const vf a = v[i], b = v[i + 2];
        v[i] = AVREC_SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
        v[i + 2] = AVREC_SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    }
    for (int i = 0; i < 16; ++i) {
        if (i & 4) continue;
        const vf a = v[i], b = v[i + 4];
        v[i] = AVREC_SHUFFLE(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
        v[i + 4] = AVREC_SHUFFLE(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    }
    for (int i = 0; i < 8; ++i) {
        const vf a = v[i], b = v[i + 8];
        v[i] = AVREC_SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
        v[i + 8] = AVREC_SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    }
#else
    for (int i = 0; i < 8; i += 2) {
        const vf a = v[i], b = v[i + 1];
        v[i] = AVREC_SHUFFLE(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
        v[i + 1] = AVREC_SHUFFLE(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < 8; ++i) {
        if (i & 2) continue;
        const vf a = v[i], b = v[i + 2];
        v[i] = AVREC_SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
        v[i + 2] = AVREC_SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    }
    for (int i = 0; i < 4; ++i) {
        const vf a = v[i], b = v[i + 4];
        v[i] = AVREC_SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
        v[i + 4] = AVREC_SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    }
#endif
}

// Columns [first, first + 16) of kLanes rows of `stride` floats: v[c][l] = base[index[l] * stride + first + c], as far as
// the rows reach. Loads and a transposition cost a fraction of gathers.
inline void load_columns(const float *base, const vi index, int stride, int first, vf *v) {
    const int start = first + 16 <= stride ? first : stride >= 16 ? stride - 16 : 0;
    vf window[16];
    for (int part = 0; part < 16 / kLanes; ++part) {
        vf *w = window + part * kLanes;
        for (int l = 0; l < kLanes; ++l) {
            const float *row = base + (int64_t)index[l] * stride + start + part * kLanes;
            if (stride >= 16) {
                w[l] = load(row);
            } else {
                w[l] = vf{};
                for (int c = 0; c < kLanes && part * kLanes + c < stride; ++c) w[l][c] = row[c];
            }
        }
        transpose(w);
    }
    for (int c = 0; c < 16 && first - start + c < 16; ++c) v[c] = window[first - start + c];
}

// Writes `rows` rows of 16 floats, `stride` apart, from 16 vectors that hold one column each; destroys v.
inline void store_rows(vf *v, int rows, float *out, int stride) {
    for (int part = 0; part < 16 / kLanes; ++part) {
        transpose(v + part * kLanes);
        for (int l = 0; l < rows; ++l) store(out + (size_t)l * stride + part * kLanes, v[part * kLanes + l]);
    }
}

// Each of kLanes / 4 neighbouring floats repeated over four lanes. Reads up to kLanes floats.
inline vf repeat4(const float *p) {
#if defined(__AVX512F__)
    const __m512i index = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    return (vf)_mm512_permutexvar_ps(index, _mm512_castps128_ps512(_mm_loadu_ps(p)));
#else
    const float a = p[0], b = p[1];
    return vf{a, a, a, a, b, b, b, b};
#endif
}

// Lane k of the result is the sum over the lanes of v[k]: log2(kLanes) rounds of pairwise interleaved additions.
inline vf sum_each(vf *v) {
#if defined(__AVX512F__)
    for (int i = 0; i < 8; ++i)
        v[i] = AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
               AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    for (int i = 0; i < 4; ++i)
        v[i] = AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
               AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    for (int i = 0; i < 2; ++i)
        v[i] = AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27) +
               AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    return AVREC_SHUFFLE(v[0], v[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           AVREC_SHUFFLE(v[0], v[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
#else
    for (int i = 0; i < 4; ++i)
        v[i] = AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
               AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    for (int i = 0; i < 2; ++i)
        v[i] = AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               AVREC_SHUFFLE(v[2 * i], v[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
    return AVREC_SHUFFLE(v[0], v[1], 0, 1, 2, 3, 8, 9, 10, 11) +
           AVREC_SHUFFLE(v[0], v[1], 4, 5, 6, 7, 12, 13, 14, 15);
#endif
}

// Sum over the lanes in a fixed order.
inline float sum(vf a) {
    float s = 0;
    for (int i = 0; i < kLanes; ++i) s += a[i];
    return s;
}

}  // namespace avrec
