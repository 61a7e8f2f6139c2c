// Trees at their places in the world, and what rays from anywhere meet there.
#pragma once

#include <memory>

#include "tree.h"

namespace avrec {

constexpr int kChunk = 16;  // packets that share one look at which bodies may be in their way

struct Material {
    float rgb[3], paint;  // linear; `paint`: share that takes the body's own colour, of lamps what is left when off
};

static_assert(sizeof(Material) == 4 * sizeof(float), "as avrec/mesh/rays.py writes them");

struct Shape {
    Tree tree;
    std::vector<float> normals;  // [F, 3]
    std::vector<Material> materials;
    std::vector<uint8_t> kinds, labels;
};

struct Body {
    int shape;
    double turn[9], spot[3];  // world_from_body
    float paint[3];
    uint32_t lamps;
};

struct Hit {
    const Shape *shape;
    int face;
    float normal[3];  // in the world, towards the ray's start
};

class Stage {
  public:
    std::vector<std::unique_ptr<Shape>> shapes;
    std::vector<Body> bodies;

    // The bodies' balls around their middles, as seen from `base`.
    struct Balls {
        std::vector<float> x, y, z, r;
        std::vector<int> body;
    };

    Balls balls(const double *base, float reach) const {
        Balls found;
        for (size_t i = 0; i < bodies.size(); ++i) {
            const Body &b = bodies[i];
            const Tree &tree = shapes[b.shape]->tree;
            double m[3], far = 0;
            for (int k = 0; k < 3; ++k) {
                m[k] = b.spot[k] - base[k];
                for (int j = 0; j < 3; ++j) m[k] += b.turn[3 * k + j] * tree.centre[j];
                far += m[k] * m[k];
            }
            if (std::sqrt(far) > reach + tree.radius) continue;
            found.x.push_back((float)m[0]), found.y.push_back((float)m[1]), found.z.push_back((float)m[2]);
            found.r.push_back(tree.radius), found.body.push_back((int)i);
        }
        return found;
    }

    // Bodies whose balls rays from a ball (middle, radius) within a cone may meet.
    void near(const Balls &all, const float *middle, float radius, const float *axis, float cos_angle,
              std::vector<int> &flags, std::vector<int> &found) const {
        const int count = (int)all.body.size();
        flags.resize(count);
        const float sin_angle = std::sqrt(std::max(0.f, 1.f - cos_angle * cos_angle));
        for (int i = 0; i < count; ++i) {
            const float x = all.x[i] - middle[0], y = all.y[i] - middle[1], z = all.z[i] - middle[2];
            const float d2 = x * x + y * y + z * z, r = all.r[i] + radius;
            const float along = x * axis[0] + y * axis[1] + z * axis[2];
            const float aside = std::sqrt(std::max(0.f, d2 - along * along));
            // Distance of the ball's middle to the cone's side.
            flags[i] = (d2 <= r * r) | ((aside * cos_angle - along * sin_angle <= r) & (along > -r));
        }
        found.clear();
        for (int i = 0; i < count; ++i)
            if (flags[i]) found.push_back(all.body[i]);
    }

    // `p` in the world relative to `base`.
    template <bool kAny> void meet(Packet &p, const double *base, const std::vector<int> &candidates) const {
        Packet own;
        for (int number : candidates) {
            const Body &b = bodies[number];
            const Tree &tree = shapes[b.shape]->tree;
            float turn[9], start[3];
            for (int k = 0; k < 3; ++k) {
                double sum = -tree.centre[k];
                for (int j = 0; j < 3; ++j) sum += b.turn[3 * j + k] * (base[j] - b.spot[j]);
                start[k] = (float)sum;
            }
            for (int k = 0; k < 9; ++k) turn[k] = (float)b.turn[k];
            for (int k = 0; k < 3; ++k)
                for (int i = 0; i < kPack; ++i) {
                    own.o[k][i] = start[k] + turn[k] * p.o[0][i] + turn[3 + k] * p.o[1][i] + turn[6 + k] * p.o[2][i];
                    own.d[k][i] = turn[k] * p.d[0][i] + turn[3 + k] * p.d[1][i] + turn[6 + k] * p.d[2][i];
                }
            own.invert();
            std::copy(p.t, p.t + kPack, own.t), std::copy(p.face, p.face + kPack, own.face);
            std::copy(p.instance, p.instance + kPack, own.instance);
            tree.meet<kAny>(own, number);
            std::copy(own.t, own.t + kPack, p.t), std::copy(own.face, own.face + kPack, p.face);
            std::copy(own.instance, own.instance + kPack, p.instance);
        }
    }

    Hit hit(const Packet &p, int i) const {
        const Body &b = bodies[p.instance[i]];
        const Shape &shape = *shapes[b.shape];
        Hit found = {&shape, p.face[i] - shape.tree.first_face, {}};
        const float *n = &shape.normals[3 * (size_t)found.face];
        float facing = 0.f;
        for (int k = 0; k < 3; ++k) {
            found.normal[k] = (float)(b.turn[3 * k] * n[0] + b.turn[3 * k + 1] * n[1] + b.turn[3 * k + 2] * n[2]);
            facing += found.normal[k] * p.d[k][i];
        }
        if (facing > 0.f)
            for (float &each : found.normal) each = -each;
        return found;
    }
};

// Mean direction of packets and the least cosine to it.
inline float cone(const Packet *packets, int count, float *axis) {
    double sum[3] = {0, 0, 0};
    for (int j = 0; j < count; ++j)
        for (int i = 0; i < kPack; ++i)
            for (int k = 0; k < 3; ++k) sum[k] += packets[j].d[k][i];
    const double length = std::sqrt(sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]);
    for (int k = 0; k < 3; ++k) axis[k] = length > 1e-9 ? (float)(sum[k] / length) : (k == 0);
    float least = 1.f;
    for (int j = 0; j < count; ++j)
        for (int i = 0; i < kPack; ++i)
            least = std::min(least, packets[j].d[0][i] * axis[0] + packets[j].d[1][i] * axis[1] + packets[j].d[2][i] * axis[2]);
    return std::max(-1.f, least - 1e-5f);
}

}  // namespace avrec
