// How surfaces, sky and lamps look: sun with shadows, sky light, grain, gloss, haze. Colours are linear.
#pragma once

#include "stage.h"

namespace avrec {

enum Kind : uint8_t { kPlain, kAsphalt, kGrass, kConcrete, kGlass, kGloss, kLamp = 32 };  // kLamp + bit of Body::lamps

struct Light {
    float spot[3], way[3], rgb[3];  // relative to the camera
};

struct Sky {
    float sun[3], sun_rgb[3], up_rgb[3], down_rgb[3], zenith[3], horizon[3], fog_rgb[3], ground[3];
    float fog, fog_start, haze, clouds, wet, gain, disc, pixel;  // pixel: radians
};

struct Rgb {
    float r, g, b;
};
inline Rgb operator+(Rgb a, Rgb b) { return {a.r + b.r, a.g + b.g, a.b + b.b}; }
inline Rgb operator*(Rgb a, float f) { return {a.r * f, a.g * f, a.b * f}; }
inline Rgb operator*(Rgb a, Rgb b) { return {a.r * b.r, a.g * b.g, a.b * b.b}; }
inline Rgb rgb(const float *p) { return {p[0], p[1], p[2]}; }
inline Rgb mix(Rgb a, Rgb b, float f) { return a * (1.f - f) + b * f; }
inline float ramp(float a, float b, float x) {
    const float f = std::min(1.f, std::max(0.f, (x - a) / (b - a)));
    return f * f * (3.f - 2.f * f);
}

// x to the power 2^n.
template <int n> inline float squared(float x) {
    for (int i = 0; i < n; ++i) x *= x;
    return x;
}
inline float fifth(float x) { return squared<2>(x) * x; }

static_assert(sizeof(Light) == 9 * sizeof(float) && sizeof(Sky) == 32 * sizeof(float), "as avrec/mesh/rays.py writes them");

inline float lattice(uint32_t x, uint32_t y) {
    uint32_t h = x * 0x8da6b343u ^ y * 0xd8163841u;
    h = (h ^ (h >> 13)) * 0x7feb352du;
    h ^= h >> 16;
    return (float)(h & 0xffffu) * (1.f / 65535.f) - 0.5f;
}

// Smooth noise in -0.5..0.5 with cells of one unit.
inline float noise(double x, double y) {
    const double fx = std::floor(x), fy = std::floor(y);
    const uint32_t i = (uint32_t)(int64_t)fx, j = (uint32_t)(int64_t)fy;  // far out the pattern begins anew
    float u = (float)(x - fx), v = (float)(y - fy);
    u = u * u * (3.f - 2.f * u), v = v * v * (3.f - 2.f * v);
    const float low = lattice(i, j) * (1.f - u) + lattice(i + 1, j) * u;
    const float high = lattice(i, j + 1) * (1.f - u) + lattice(i + 1, j + 1) * u;
    return low * (1.f - v) + high * v;
}

inline Rgb sky_colour(const Sky &s, const float *d, bool clouds) {
    const float up = std::max(d[2], 0.f);
    Rgb c = mix(rgb(s.horizon), rgb(s.zenith), 1.f - fifth(1.f - std::min(up, 1.f)));
    const float to_sun = std::max(0.f, d[0] * s.sun[0] + d[1] * s.sun[1] + d[2] * s.sun[2]);
    const float glow = 0.25f * squared<2>(to_sun * to_sun * to_sun) + 0.35f * squared<7>(to_sun);
    c = c + rgb(s.sun_rgb) * (glow * 0.35f * s.disc);
    if (clouds && s.clouds > 0.f && d[2] > 0.01f) {
        const double x = d[0] / (d[2] + 0.12) * 1.7, y = d[1] / (d[2] + 0.12) * 1.7;
        const float puff = noise(x, y) + 0.5f * noise(2.1 * x + 7, 2.1 * y) + 0.25f * noise(4.3 * x, 4.3 * y + 3) +
                           0.12f * noise(9.1 * x, 9.1 * y);
        const float cover = ramp(0.86f - 0.95f * s.clouds, 1.12f - 0.85f * s.clouds, puff + 0.5f) * ramp(0.01f, 0.16f, d[2]);
        const Rgb white = rgb(s.up_rgb) * 1.15f + rgb(s.sun_rgb) * (0.16f + 0.2f * glow);
        c = mix(c, white, cover * 0.85f);
    }
    const float disc = ramp(0.99985f, 0.99993f, to_sun) * s.disc;
    return c + rgb(s.sun_rgb) * (disc * 4.f);
}

// `size`: metres across what a pixel shows of the surface.
inline Rgb grain(const Rgb &base, uint8_t kind, double x, double y, float size) {
    if (kind == kAsphalt) {
        const float fine = 1.f / (1.f + 60.f * size * size), broad = 1.f / (1.f + 0.3f * size * size);
        float f = 1.f + 0.22f * noise(x * 0.31, y * 0.31) * broad + 0.16f * noise(x * 1.7, y * 1.7) * broad;
        if (fine > 0.05f) f += 0.30f * fine * noise(x * 11.0, y * 11.0);
        return base * f;
    }
    if (kind == kGrass) {
        const float fine = 1.f / (1.f + 8.f * size * size), broad = 1.f / (1.f + 0.02f * size * size);
        const float patch = noise(x * 0.045, y * 0.045) + 0.6f * noise(x * 0.16, y * 0.16) * broad;
        float f = 1.f + 0.34f * patch;
        if (fine > 0.05f) f += fine * (0.5f * noise(x * 2.3, y * 2.3) + 0.35f * noise(x * 7.7, y * 7.7));
        return Rgb{base.r * (f + 0.22f * patch), base.g * f, base.b * (f - 0.1f * patch)};
    }
    const float fine = 1.f / (1.f + 20.f * size * size);
    float f = 1.f + 0.12f * noise(x * 0.7, y * 0.7);
    if (fine > 0.05f) {
        f += 0.1f * fine * noise(x * 6.0, y * 6.0);
        const double u = x / 1.2 - std::floor(x / 1.2), v = y / 1.2 - std::floor(y / 1.2);  // slabs
        if (u < 0.025 || v < 0.025) f -= 0.22f * fine;
    }
    return base * f;
}

// Colour of what ray `i` of a packet met; `lit` is the sun's part that arrives.
inline Rgb surface_colour(const Stage &stage, const Sky &s, const std::vector<Light> &lights, const Packet &p, int i,
                          const Hit &hit, float lit, const double *base) {
    const Body &body = stage.bodies[p.instance[i]];
    const Material &m = hit.shape->materials[hit.face];
    const uint8_t kind = hit.shape->kinds[hit.face];
    const float t = p.t[i];
    const float d[3] = {p.d[0][i], p.d[1][i], p.d[2][i]};
    const float at[3] = {p.o[0][i] + d[0] * t, p.o[1][i] + d[1] * t, p.o[2][i] + d[2] * t};
    const float *n = hit.normal;
    const float towards = std::fabs(d[0] * n[0] + d[1] * n[1] + d[2] * n[2]);
    const bool lamp = kind >= kLamp;
    Rgb albedo = lamp ? rgb(m.rgb) * m.paint : mix(rgb(m.rgb), rgb(body.paint), m.paint);
    if (kind == kAsphalt || kind == kGrass || kind == kConcrete)
        albedo = grain(albedo, kind, base[0] + at[0], base[1] + at[1], t * s.pixel / std::max(towards, 0.02f));
    const bool wets = n[2] > 0.7f && (kind == kAsphalt || kind == kConcrete || kind == kPlain);
    if (wets) albedo = albedo * (1.f - 0.45f * s.wet);
    const float facing = std::max(0.f, n[0] * s.sun[0] + n[1] * s.sun[1] + n[2] * s.sun[2]);
    Rgb light = mix(rgb(s.down_rgb), rgb(s.up_rgb), 0.5f + 0.5f * n[2]) + rgb(s.sun_rgb) * (facing * lit);
    for (const Light &beam : lights) {
        const float l[3] = {beam.spot[0] - at[0], beam.spot[1] - at[1], beam.spot[2] - at[2]};
        const float r2 = l[0] * l[0] + l[1] * l[1] + l[2] * l[2], r = std::sqrt(r2) + 1e-6f;
        const float cone = -(l[0] * beam.way[0] + l[1] * beam.way[1] + l[2] * beam.way[2]) / r;
        if (r > 90.f || cone < 0.75f) continue;
        const float face = (l[0] * n[0] + l[1] * n[1] + l[2] * n[2]) / r;
        if (face <= 0.f) continue;
        light = light + rgb(beam.rgb) * (ramp(0.75f, 0.985f, cone) * (0.15f + face) / (0.6f + 0.012f * r2));
    }
    Rgb c = albedo * light;
    const bool gloss = kind == kGlass || kind == kGloss || (wets && s.wet > 0.02f);
    if (gloss) {
        float mirror[3];
        for (int k = 0; k < 3; ++k) mirror[k] = d[k] + 2.f * towards * n[k];
        const float rim = fifth(1.f - std::min(1.f, towards));
        const float share = kind == kGlass ? 0.22f + 0.7f * rim : kind == kGloss ? 0.045f + 0.45f * rim : s.wet * (0.03f + 0.5f * rim);
        Rgb seen = mirror[2] > 0.f ? sky_colour(s, mirror, false) : rgb(s.ground);
        const float spark = std::max(0.f, mirror[0] * s.sun[0] + mirror[1] * s.sun[1] + mirror[2] * s.sun[2]);
        seen = seen + rgb(s.sun_rgb) * (lit * 3.f * squared<9>(spark));
        c = c * (1.f - share) + seen * share;
    }
    if (lamp && (body.lamps >> (kind - kLamp) & 1u)) c = c * 0.2f + rgb(m.rgb) * (1.6f / std::max(s.gain, 0.6f));
    const float clear = std::exp(-s.haze * t - s.fog * std::max(0.f, t - s.fog_start));
    return mix(rgb(s.fog_rgb), c, clear);
}

// Linear light as a screen's bytes; bright things lose their edge, not their colour.
class Screen {
  public:
    explicit Screen(float gain) : gain_(gain) {
        for (int i = 0; i < kSteps; ++i) {
            const float c = (i + 0.5f) / kSteps;
            table_[i] = (uint8_t)(255.f * (c <= 0.0031308f ? 12.92f * c : 1.055f * std::pow(c, 1.f / 2.4f) - 0.055f) + 0.5f);
        }
    }
    uint8_t operator()(float c) const {
        c *= gain_;
        c *= 1.18f / (1.f + 0.18f * c);
        return table_[(int)std::min(kSteps - 1.f, std::max(0.f, c * kSteps))];  // in this order NaN is black
    }

  private:
    static constexpr int kSteps = 8192;
    float gain_;
    uint8_t table_[kSteps];
};

}  // namespace avrec
