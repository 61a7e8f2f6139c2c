// Python's view of the ray caster. Shapes and types are checked by avrec/mesh/rays.py, which is its only caller.
#include <cstring>
#include <mutex>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include "../../raster/native/pool.h"
#include "look.h"

namespace nb = nanobind;
using namespace avrec;

template <class T> using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T> using Out = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

namespace {

struct Work {
    std::vector<int> flags, chosen, shaded;
};

struct Picture {
    const float *rays;
    int width, height;
    std::vector<Rgb> colour;
    std::vector<uint32_t> key;  // differs where an edge runs
};

constexpr float kFar = 1e9f;
constexpr float kShadows = 250.f;  // metres from the camera within which bodies throw them

class Caster {
  public:
    Caster() = default;
    Caster(const Caster &) = delete;

    int add(const In<double> &vertices, const In<int32_t> &faces, const In<float> &materials, const In<uint8_t> &kinds,
            const In<uint8_t> &labels) {
        const size_t count = faces.shape(0);
        auto shape = std::make_unique<Shape>(Shape{Tree(vertices.data(), vertices.shape(0), faces.data(), count), {}, {}, {}, {}});
        shape->tree.first_face = faces_;
        faces_ += (int)count;
        shape->normals.resize(3 * count);
        for (size_t i = 0; i < count; ++i) {
            const Triangle &t = shape->tree.triangles[i];
            const float x = t.u[1] * t.v[2] - t.u[2] * t.v[1], y = t.u[2] * t.v[0] - t.u[0] * t.v[2], z = t.u[0] * t.v[1] - t.u[1] * t.v[0];
            const float length = std::sqrt(x * x + y * y + z * z) + 1e-30f;
            float *n = &shape->normals[3 * (size_t)shape->tree.ids[i]];
            n[0] = x / length, n[1] = y / length, n[2] = z / length;
        }
        shape->materials.resize(count);
        if (count) std::memcpy(shape->materials.data(), materials.data(), sizeof(Material) * count);
        shape->kinds.assign(kinds.data(), kinds.data() + count);
        shape->labels.assign(labels.data(), labels.data() + count);
        std::lock_guard<std::mutex> alone(busy_);
        stage_.shapes.push_back(std::move(shape));
        return (int)stage_.shapes.size() - 1;
    }

    void place(const In<int32_t> &shapes, const In<double> &poses, const In<float> &paint, const In<uint32_t> &lamps) {
        std::lock_guard<std::mutex> alone(busy_);
        stage_.bodies.resize(shapes.shape(0));
        for (size_t i = 0; i < stage_.bodies.size(); ++i) {
            Body &b = stage_.bodies[i];
            b.shape = shapes.data()[i], b.lamps = lamps.data()[i];
            std::memcpy(b.turn, poses.data() + 12 * i, sizeof b.turn);
            std::memcpy(b.spot, poses.data() + 12 * i + 9, sizeof b.spot);
            std::memcpy(b.paint, paint.data() + 3 * i, sizeof b.paint);
        }
    }

    // Rays from one point; `width` > 0 says that they are rows of a picture, which then go through the tree in tiles.
    void trace(const In<double> &start, const In<float> &ways, int width, float reach, Out<float> &distance, Out<int32_t> &body,
               Out<uint8_t> &label, Out<float> &normal) {
        nb::gil_scoped_release release;
        std::lock_guard<std::mutex> alone(busy_);
        const double *base = start.data();
        const auto balls = stage_.balls(base, reach);
        const int count = (int)ways.shape(0);
        const int height = width ? count / width : 1, columns = width ? width : count;
        const int across = width ? 4 : kPack, down = width ? 4 : 1;
        each_chunk(columns, height, across, down, [&](Work &work, int row, int first, int packets) {
            Packet group[kChunk];
            int index[kChunk][kPack];
            for (int j = 0; j < packets; ++j) {
                for (int i = 0; i < kPack; ++i) {
                    const int u = (first + j) * across + i % across, v = row * down + i / across;
                    index[j][i] = u < columns && v < height ? v * columns + u : -1;
                    const int from = std::min(v, height - 1) * columns + std::min(u, columns - 1);
                    for (int k = 0; k < 3; ++k) group[j].o[k][i] = 0.f, group[j].d[k][i] = ways.data()[3 * (size_t)from + k];
                    group[j].t[i] = reach, group[j].face[i] = group[j].instance[i] = -1;
                }
            }
            search(work, balls, base, group, packets);
            for (int j = 0; j < packets; ++j)
                for (int i = 0; i < kPack; ++i) {
                    const int out = index[j][i];
                    if (out < 0) continue;
                    const bool met = group[j].face[i] >= 0;
                    distance.data()[out] = met ? group[j].t[i] : std::numeric_limits<float>::infinity();
                    body.data()[out] = group[j].instance[i];
                    float *n = normal.data() + 3 * (size_t)out;
                    if (met) {
                        const Hit hit = stage_.hit(group[j], i);
                        label.data()[out] = hit.shape->labels[hit.face];
                        std::memcpy(n, hit.normal, sizeof hit.normal);
                    } else {
                        label.data()[out] = 0;
                        n[0] = n[1] = n[2] = 0.f;
                    }
                }
        });
    }

    // A picture in BGRA; pixels at edges are the mean of four rays.
    void picture(const In<double> &start, const In<float> &rays, const std::vector<float> &sky, const In<float> &lamps, Out<uint8_t> &out) {
        nb::gil_scoped_release release;
        std::lock_guard<std::mutex> alone(busy_);
        Sky s;
        std::memcpy(&s, sky.data(), sizeof s);
        std::vector<Light> lights(lamps.shape(0));
        if (!lights.empty()) std::memcpy(lights.data(), lamps.data(), sizeof(Light) * lights.size());
        const double *base = start.data();
        const auto balls = stage_.balls(base, kFar), close = stage_.balls(base, kShadows);
        Picture pic = {rays.data(), (int)rays.shape(1), (int)rays.shape(0), {}, {}};
        const size_t pixels = (size_t)pic.width * pic.height;
        pic.colour.resize(pixels), pic.key.resize(pixels);
        const Screen screen(s.gain);
        each_chunk(pic.width, pic.height, 4, 4, [&](Work &work, int row, int first, int packets) {
            Packet group[kChunk];
            for (int j = 0; j < packets; ++j)
                for (int i = 0; i < kPack; ++i) {
                    const int u = std::min((first + j) * 4 + i % 4, pic.width - 1), v = std::min(row * 4 + i / 4, pic.height - 1);
                    const float *way = pic.rays + 3 * ((size_t)v * pic.width + u);
                    for (int k = 0; k < 3; ++k) group[j].o[k][i] = 0.f, group[j].d[k][i] = way[k];
                    group[j].t[i] = kFar, group[j].face[i] = group[j].instance[i] = -1;
                }
            search(work, balls, base, group, packets);
            for (int j = 0; j < packets; ++j) {
                Rgb colour[kPack];
                uint32_t key[kPack];
                shade(work, close, base, s, lights, group[j], colour, key);
                for (int i = 0; i < kPack; ++i) {
                    const int u = (first + j) * 4 + i % 4, v = row * 4 + i / 4;
                    if (u >= pic.width || v >= pic.height) continue;
                    pic.colour[(size_t)v * pic.width + u] = colour[i], pic.key[(size_t)v * pic.width + u] = key[i];
                }
            }
        });
        Pool::instance().run(pic.height, [&](int v, int) {
            Work work;
            smooth_row(work, balls, close, base, s, lights, screen, pic, v, out.data());
        });
    }

  private:
    template <class Task> void each_chunk(int columns, int height, int across, int down, const Task &task) {
        const int packets = (columns + across - 1) / across, chunks = (packets + kChunk - 1) / kChunk;
        const int rows = (height + down - 1) / down;
        Pool::instance().run(rows * chunks, [&](int number, int) {
            Work work;
            const int first = number % chunks * kChunk;
            task(work, number / chunks, first, std::min(kChunk, packets - first));
        });
    }

    void search(Work &work, const Stage::Balls &balls, const double *base, Packet *group, int count) const {
        const float here[3] = {0.f, 0.f, 0.f};
        float axis[3];
        const float spread = cone(group, count, axis);
        stage_.near(balls, here, 0.f, axis, spread, work.flags, work.chosen);
        for (int j = 0; j < count; ++j) stage_.meet<false>(group[j], base, work.chosen);
    }

    // Colours of a packet after its search, and a number for each ray that tells what it met.
    void shade(Work &work, const Stage::Balls &close, const double *base, const Sky &s, const std::vector<Light> &lights,
               const Packet &p, Rgb *colour, uint32_t *key) const {
        Hit hits[kPack];
        Packet sun;
        float low[3] = {kFar, kFar, kFar}, high[3] = {-kFar, -kFar, -kFar};
        int wanted = 0;
        const bool shines = s.sun_rgb[0] + s.sun_rgb[1] + s.sun_rgb[2] > 1e-3f;
        for (int i = 0; i < kPack; ++i) {
            sun.t[i] = -1.f, sun.face[i] = sun.instance[i] = -1;
            for (int k = 0; k < 3; ++k) sun.o[k][i] = 0.f, sun.d[k][i] = s.sun[k];
            if (p.face[i] < 0) continue;
            hits[i] = stage_.hit(p, i);
            const float *n = hits[i].normal;
            if (!shines || n[0] * s.sun[0] + n[1] * s.sun[1] + n[2] * s.sun[2] <= 0.f) continue;
            if (p.t[i] > kShadows) continue;
            for (int k = 0; k < 3; ++k) {
                const float at = p.o[k][i] + p.d[k][i] * p.t[i] + n[k] * (0.02f + 2e-4f * p.t[i]);
                sun.o[k][i] = at, low[k] = std::min(low[k], at), high[k] = std::max(high[k], at);
            }
            sun.t[i] = kShadows, wanted |= 1 << i;
        }
        if (wanted) {
            float middle[3], radius = 0.f;
            for (int k = 0; k < 3; ++k) middle[k] = (low[k] + high[k]) / 2, radius += (high[k] - low[k]) * (high[k] - low[k]) / 4;
            stage_.near(close, middle, std::sqrt(radius), s.sun, 1.f, work.flags, work.shaded);
            stage_.meet<true>(sun, base, work.shaded);
        }
        for (int i = 0; i < kPack; ++i) {
            if (p.face[i] < 0) {
                const float d[3] = {p.d[0][i], p.d[1][i], p.d[2][i]};
                colour[i] = mix(sky_colour(s, d, true), rgb(s.fog_rgb), std::min(1.f, s.fog * 900.f) * (1.f - ramp(0.f, 0.5f, d[2])));
                key[i] = 0;
                continue;
            }
            const bool dark = (wanted >> i & 1) && sun.t[i] < 0.f;
            colour[i] = surface_colour(stage_, s, lights, p, i, hits[i], dark ? 0.f : 1.f, base);
            const Material &m = hits[i].shape->materials[hits[i].face];
            uint32_t bits[4];
            std::memcpy(bits, &m, sizeof bits);
            const float *n = hits[i].normal;
            const int turn = p.instance[i] ? (int)(n[0] * 5.f + 8.f) * 289 + (int)(n[1] * 5.f + 8.f) * 17 + (int)(n[2] * 5.f + 8.f) : 0;
            key[i] = ((bits[0] * 3u ^ bits[1] * 7u ^ bits[2] * 31u) + (uint32_t)p.instance[i] * 2654435761u + (uint32_t)turn * 40503u) * 2u + 2u + dark;
        }
    }

    void smooth_row(Work &work, const Stage::Balls &balls, const Stage::Balls &close, const double *base, const Sky &s,
                    const std::vector<Light> &lights, const Screen &screen, const Picture &pic, int v, uint8_t *out) const {
        const int w = pic.width, h = pic.height;
        const size_t row = (size_t)v * w;
        const auto key = [&](int y, int x) { return pic.key[(size_t)std::min(std::max(y, 0), h - 1) * w + std::min(std::max(x, 0), w - 1)]; };
        const auto put = [&](int u, const Rgb &c) {
            uint8_t *to = out + 4 * (row + u);
            to[0] = screen(c.b), to[1] = screen(c.g), to[2] = screen(c.r), to[3] = 255;
        };
        static const float kSide[4] = {-0.375f, -0.125f, 0.125f, 0.375f}, kUp[4] = {0.125f, -0.375f, 0.375f, -0.125f};
        std::vector<int> edges;
        for (int u = 0; u < w; ++u) {
            const uint32_t own = pic.key[row + u];
            if (own != key(v, u - 1) || own != key(v, u + 1) || own != key(v - 1, u) || own != key(v + 1, u))
                edges.push_back(u);
            else
                put(u, pic.colour[row + u]);
        }
        for (size_t start = 0; start < edges.size(); start += 4) {
            Packet p;
            for (int i = 0; i < kPack; ++i) {
                const int u = edges[std::min(start + i / 4, edges.size() - 1)];
                const float *at = pic.rays + 3 * (row + u);
                const float *right = pic.rays + 3 * (row + (u + 1 < w ? u + 1 : u - 1 >= 0 ? u - 1 : u));
                const float *below = pic.rays + 3 * ((size_t)(v + 1 < h ? v + 1 : v - 1 >= 0 ? v - 1 : v) * w + u);
                const float du = u + 1 < w ? kSide[i % 4] : -kSide[i % 4], dv = v + 1 < h ? kUp[i % 4] : -kUp[i % 4];
                float way[3], sum = 0.f;
                for (int k = 0; k < 3; ++k) way[k] = at[k] + du * (right[k] - at[k]) + dv * (below[k] - at[k]), sum += way[k] * way[k];
                sum = 1.f / std::sqrt(sum);
                for (int k = 0; k < 3; ++k) p.o[k][i] = 0.f, p.d[k][i] = way[k] * sum;
                p.t[i] = kFar, p.face[i] = p.instance[i] = -1;
            }
            search(work, balls, base, &p, 1);
            Rgb colour[kPack];
            uint32_t keys[kPack];
            shade(work, close, base, s, lights, p, colour, keys);
            for (size_t j = 0; j < 4 && start + j < edges.size(); ++j)
                put(edges[start + j], (colour[4 * j] + colour[4 * j + 1] + colour[4 * j + 2] + colour[4 * j + 3]) * 0.25f);
        }
    }

    Stage stage_;
    int faces_ = 0;
    std::mutex busy_;  // rays fly without Python's lock, so another thread may want to place bodies meanwhile
};

int level() {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) return 4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 3;
#endif
    return 2;
}

}  // namespace

NB_MODULE(AVREC_MODULE, m) {
    nb::class_<Caster>(m, "Caster")
        .def(nb::init<>())
        .def("add", &Caster::add)
        .def("place", &Caster::place)
        .def("trace", &Caster::trace)
        .def("picture", &Caster::picture);
    m.def("level", &level);
    m.def("set_threads", [](int threads) { Pool::instance().resize(threads); });
}
