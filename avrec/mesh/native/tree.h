// Triangles in a tree of boxes, and packets of rays that go through it together.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace avrec {

constexpr int kPack = 16;
constexpr int kLeaf = 4;
constexpr int kBins = 12;
constexpr float kNearest = 1e-3f;  // metres: a ray does not meet the surface that it leaves
constexpr float kSlack = 1e-5f;    // of barycentric coordinates, so that no ray slips between two triangles

// A leaf holds `count` triangles from `first`; an inner node (count 0) has its children at `first` and `first + 1`.
struct Node {
    float low[3];
    int32_t first;
    float high[3];
    int32_t count;
};

struct Triangle {
    float corner[3], u[3], v[3];
};

struct Packet {
    alignas(64) float o[3][kPack], d[3][kPack], inv[3][kPack], t[kPack];
    alignas(64) int32_t face[kPack], instance[kPack];

    void invert() {
        for (int axis = 0; axis < 3; ++axis)
            for (int i = 0; i < kPack; ++i) {
                const float way = d[axis][i];
                inv[axis][i] = 1.f / (std::fabs(way) < 1e-20f ? 1e-20f : way);
            }
    }
};

struct Box {
    float low[3] = {1e30f, 1e30f, 1e30f}, high[3] = {-1e30f, -1e30f, -1e30f};
    void add(const float *p) {
        for (int k = 0; k < 3; ++k) low[k] = std::min(low[k], p[k]), high[k] = std::max(high[k], p[k]);
    }
    void add(const Box &b) { add(b.low), add(b.high); }
    float area() const {
        const float x = high[0] - low[0], y = high[1] - low[1], z = high[2] - low[2];
        return x < 0.f ? 0.f : x * y + y * z + z * x;
    }
};

class Tree {
  public:
    double centre[3] = {0, 0, 0};
    float radius = 0.f;
    int first_face = 0;  // number of the first face among those of all trees
    std::vector<Node> nodes;
    std::vector<Triangle> triangles;
    std::vector<int32_t> ids;  // face of each triangle

    Tree(const double *vertices, size_t vertex_count, const int32_t *faces, size_t count) {
        middle(vertices, vertex_count);
        std::vector<Box> boxes(count);
        std::vector<float> points(9 * count);
        for (size_t f = 0; f < count; ++f)
            for (int corner = 0; corner < 3; ++corner) {
                float *p = &points[9 * f + 3 * corner];
                for (int k = 0; k < 3; ++k) p[k] = (float)(vertices[3 * (size_t)faces[3 * f + corner] + k] - centre[k]);
                boxes[f].add(p);
            }
        ids.resize(count);
        std::iota(ids.begin(), ids.end(), 0);
        if (count) build(boxes);
        triangles.resize(count);
        for (size_t i = 0; i < count; ++i) {
            const float *p = &points[9 * (size_t)ids[i]];
            for (int k = 0; k < 3; ++k)
                triangles[i].corner[k] = p[k], triangles[i].u[k] = p[3 + k] - p[k], triangles[i].v[k] = p[6 + k] - p[k];
        }
    }

    // Shortens the rays' t to the nearest hit; with kAny the first hit found ends a ray (t = -1).
    template <bool kAny> void meet(Packet &p, int instance) const {
        if (nodes.empty()) return;
        int32_t stack[96];
        int top = 0;
        stack[top++] = 0;
        while (top) {
            const Node &node = nodes[stack[--top]];
            if (!reaches(node, p)) continue;
            if (node.count) {
                for (int k = node.first; k < node.first + node.count; ++k) hit<kAny>(k, p, instance);
                if (kAny && over(p)) return;
                continue;
            }
            const Node &a = nodes[node.first], &b = nodes[node.first + 1];
            float ahead = 0.f;  // of b before a, along the packet's first ray
            for (int k = 0; k < 3; ++k) ahead += (b.low[k] + b.high[k] - a.low[k] - a.high[k]) * p.d[k][0];
            stack[top++] = node.first + (ahead > 0.f), stack[top++] = node.first + (ahead <= 0.f);
        }
    }

  private:
    void middle(const double *vertices, size_t count) {
        double low[3] = {1e300, 1e300, 1e300}, high[3] = {-1e300, -1e300, -1e300}, far = 0;
        for (size_t i = 0; i < count; ++i)
            for (int k = 0; k < 3; ++k)
                low[k] = std::min(low[k], vertices[3 * i + k]), high[k] = std::max(high[k], vertices[3 * i + k]);
        for (int k = 0; k < 3 && count; ++k) centre[k] = (low[k] + high[k]) / 2;
        for (size_t i = 0; i < count; ++i) {
            double sum = 0;
            for (int k = 0; k < 3; ++k) sum += (vertices[3 * i + k] - centre[k]) * (vertices[3 * i + k] - centre[k]);
            far = std::max(far, sum);
        }
        radius = (float)std::sqrt(far) * 1.0001f;
    }

    void build(const std::vector<Box> &boxes) {
        struct Part {
            int node, begin, end, depth;
        };
        nodes.reserve(boxes.size());
        nodes.emplace_back();
        std::vector<Part> parts = {{0, 0, (int)ids.size(), 0}};
        while (!parts.empty()) {
            const Part part = parts.back();
            parts.pop_back();
            Box box, middles;
            for (int i = part.begin; i < part.end; ++i) {
                const Box &b = boxes[ids[i]];
                box.add(b);
                const float m[3] = {b.low[0] + b.high[0], b.low[1] + b.high[1], b.low[2] + b.high[2]};
                middles.add(m);
            }
            Node &node = nodes[part.node];
            for (int k = 0; k < 3; ++k) node.low[k] = box.low[k], node.high[k] = box.high[k];
            node.first = part.begin, node.count = part.end - part.begin;
            if (node.count <= kLeaf) continue;
            const int cut = split(boxes, middles, part.begin, part.end, part.depth);
            node.first = (int)nodes.size(), node.count = 0;
            const int child = node.first;
            nodes.emplace_back();  // may move `node`
            nodes.emplace_back();
            parts.push_back({child, part.begin, cut, part.depth + 1});
            parts.push_back({child + 1, cut, part.end, part.depth + 1});
        }
    }

    // Where the surface area heuristic would cut, in bins; halves where that says nothing, or the tree grows deep.
    int split(const std::vector<Box> &boxes, const Box &middles, int begin, int end, int depth) {
        int axis = 0;
        float span[3];
        for (int k = 0; k < 3; ++k) {
            span[k] = middles.high[k] - middles.low[k];
            if (span[k] > span[axis]) axis = k;
        }
        const auto place = [&](int id) { return boxes[id].low[axis] + boxes[id].high[axis]; };
        if (span[axis] > 1e-9f && depth < 40) {
            const float low = middles.low[axis], scale = kBins / span[axis];
            const auto bin = [&](int id) { return std::min(kBins - 1, std::max(0, (int)((place(id) - low) * scale))); };
            Box bins[kBins];
            int counts[kBins] = {};
            for (int i = begin; i < end; ++i) bins[bin(ids[i])].add(boxes[ids[i]]), ++counts[bin(ids[i])];
            float right[kBins], best = std::numeric_limits<float>::max();
            Box box;
            int count = 0, cut = -1;
            for (int k = kBins - 1; k > 0; --k) {
                if (counts[k]) box.add(bins[k]);
                count += counts[k];
                right[k] = count ? box.area() * count : 0.f;
            }
            box = Box(), count = 0;
            for (int k = 0; k < kBins - 1; ++k) {
                if (counts[k]) box.add(bins[k]);
                count += counts[k];
                if (!count || count == end - begin) continue;
                const float cost = box.area() * count + right[k + 1];
                if (cost < best) best = cost, cut = k;
            }
            if (cut >= 0)
                return (int)(std::stable_partition(ids.begin() + begin, ids.begin() + end,
                                                   [&](int id) { return bin(id) <= cut; }) -
                             ids.begin());
        }
        const int half = (begin + end) / 2;
        std::nth_element(ids.begin() + begin, ids.begin() + half, ids.begin() + end,
                         [&](int a, int b) { return place(a) != place(b) ? place(a) < place(b) : a < b; });
        return half;
    }

    static bool reaches(const Node &n, const Packet &p) {
        int any = 0;
        for (int i = 0; i < kPack; ++i) {
            const float x0 = (n.low[0] - p.o[0][i]) * p.inv[0][i], x1 = (n.high[0] - p.o[0][i]) * p.inv[0][i];
            const float y0 = (n.low[1] - p.o[1][i]) * p.inv[1][i], y1 = (n.high[1] - p.o[1][i]) * p.inv[1][i];
            const float z0 = (n.low[2] - p.o[2][i]) * p.inv[2][i], z1 = (n.high[2] - p.o[2][i]) * p.inv[2][i];
            const float near = std::max(std::max(std::min(x0, x1), std::min(y0, y1)), std::max(std::min(z0, z1), 0.f));
            const float far = std::min(std::min(std::max(x0, x1), std::max(y0, y1)), std::max(z0, z1));
            any |= (near <= far * 1.00001f + 1e-6f) & (near <= p.t[i]);
        }
        return any != 0;
    }

    static bool over(const Packet &p) {
        int open = 0;
        for (int i = 0; i < kPack; ++i) open |= p.t[i] > 0.f;
        return !open;
    }

    // Möller and Trumbore's test, both sides.
    template <bool kAny> void hit(int k, Packet &p, int instance) const {
        const Triangle &s = triangles[k];
        const int32_t id = first_face + ids[k];
        for (int i = 0; i < kPack; ++i) {
            const float dx = p.d[0][i], dy = p.d[1][i], dz = p.d[2][i];
            const float px = dy * s.v[2] - dz * s.v[1], py = dz * s.v[0] - dx * s.v[2], pz = dx * s.v[1] - dy * s.v[0];
            const float inv = 1.f / (s.u[0] * px + s.u[1] * py + s.u[2] * pz);
            const float sx = p.o[0][i] - s.corner[0], sy = p.o[1][i] - s.corner[1], sz = p.o[2][i] - s.corner[2];
            const float b = (sx * px + sy * py + sz * pz) * inv;
            const float qx = sy * s.u[2] - sz * s.u[1], qy = sz * s.u[0] - sx * s.u[2], qz = sx * s.u[1] - sy * s.u[0];
            const float c = (dx * qx + dy * qy + dz * qz) * inv;
            const float t = (s.v[0] * qx + s.v[1] * qy + s.v[2] * qz) * inv;
            const bool ok = (b >= -kSlack) & (c >= -kSlack) & (b + c <= 1.f + kSlack) & (t > kNearest) & (t < p.t[i]);
            p.t[i] = ok ? (kAny ? -1.f : t) : p.t[i];
            p.face[i] = ok ? id : p.face[i];
            p.instance[i] = ok ? instance : p.instance[i];
        }
    }
};

}  // namespace avrec
