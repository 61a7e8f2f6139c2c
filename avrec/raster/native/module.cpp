// Python's view of the kernel. Shapes and types are checked by avrec/raster/native/__init__.py, which is its only caller.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include "adam.h"
#include "bin.h"
#include "gradient.h"
#include "loss.h"
#include "sky.h"

namespace nb = nanobind;
using namespace avrec;

using In = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Ints = nb::ndarray<const int32_t, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const uint8_t, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const uint32_t, nb::c_contig, nb::device::cpu>;

template <class T> static nb::object copy_out(const T *from, size_t count) {
    T *data = new T[count ? count : 1];
    if (count) std::memcpy(data, from, sizeof(T) * count);
    nb::capsule owner(data, [](void *p) noexcept { delete[] static_cast<T *>(p); });
    return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {count}, owner));
}

class Rasterizer {
  public:
    // camera: model, width, height, fx, fy, cx, cy, k[6], p[2], s[4], c, d, e, limit, backward, b[6]
    void look(const std::vector<double> &camera, int axis, const In &table, const In &middle, const In &rays,
              const std::vector<float> &tangents) {
        View &v = frame_.view;
        Camera &c = v.camera;
        const double *p = camera.data();
        c.model = (Model)(int)*p++;
        c.width = (int)*p++, c.height = (int)*p++;
        c.fx = *p++, c.fy = *p++, c.cx = *p++, c.cy = *p++;
        for (float &k : c.k) k = *p++;
        for (float &k : c.p) k = *p++;
        for (float &k : c.s) k = *p++;
        c.c = *p++, c.d = *p++, c.e = *p++;
        c.limit = *p++;
        c.backward = *p++ != 0;
        for (float &k : c.b) k = *p++;
        v.axis = axis;
        v.bodies = (int)table.shape(0);
        v.lines = (int)table.shape(1);
        table_.assign(table.data(), table.data() + table.size());
        middle_.assign(middle.data(), middle.data() + middle.size());
        v.table = reinterpret_cast<const Line *>(table_.data());
        v.middle = middle_.data();
        rays_ = rays;
        v.rays = rays_.data();
        tangents_ = tangents;
    }

    int project(const In &packed, const std::optional<Ints> &body, int sh, const std::vector<float> &s) {
        frame_.settings = {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11]};
        frame_.count = (int)packed.shape(0), frame_.columns = (int)packed.shape(1), frame_.sh = sh;
        packed_ = packed, body_ = body;
        frame_.packed = packed_.data();
        frame_.body = body_ ? body_->data() : nullptr;
        nb::gil_scoped_release release;
        project_all(frame_, tangents_.data());
        bin_all(frame_);
        return frame_.visible;
    }

    void set_colors(const In &colors) {
        for (int i = 0; i < frame_.visible; ++i)
            std::memcpy(frame_.records[i].color, colors.data() + 3 * (size_t)frame_.ids[frame_.order[i]], 12);
    }

    void forward(const In &background, Out &rgb, Out &alpha, std::optional<Out> &depth, std::optional<Out> &median) {
        const Images out = {background.data(), background.ndim() == 3, rgb.data(), alpha.data(),
                            depth ? depth->data() : nullptr, median ? median->data() : nullptr};
        frame_.final_t.reserve((size_t)frame_.view.camera.width * frame_.view.camera.height);
        nb::gil_scoped_release release;
        if (frame_.view.rolling())
            depth ? forward_all<true, true>(out) : forward_all<true, false>(out);
        else
            depth ? forward_all<false, true>(out) : forward_all<false, false>(out);
    }

    void backward(const In &v_rgb, const std::optional<In> &v_alpha, const std::optional<In> &v_depth, const In &rgb,
                  const std::optional<In> &depth, Out &gradients, std::optional<Out> &pose) {
        float *records = record_gradients_.reserve(frame_.intersections * 16 + 16);
        float *tile_pose = pose ? tile_pose_.reserve((size_t)frame_.tiles() * kTile * 12) : nullptr;
        const Gradients in = {v_rgb.data(), v_alpha ? v_alpha->data() : nullptr, v_depth ? v_depth->data() : nullptr,
                              records, tile_pose, rgb.data(), depth ? depth->data() : nullptr};
        nb::gil_scoped_release release;
        const int kind = 4 * frame_.view.rolling() + 2 * (v_depth.has_value()) + pose.has_value();
        switch (kind) {
            case 0: backward_all<false, false, false>(in); break;
            case 1: backward_all<false, false, true>(in); break;
            case 2: backward_all<false, true, false>(in); break;
            case 3: backward_all<false, true, true>(in); break;
            case 4: backward_all<true, false, false>(in); break;
            case 5: backward_all<true, false, true>(in); break;
            case 6: backward_all<true, true, false>(in); break;
            default: backward_all<true, true, true>(in);
        }
        constexpr int kChunk = 1024;
        const int n = frame_.visible, chunks = (n + kChunk - 1) / kChunk, bodies = frame_.view.bodies;
        std::vector<std::vector<double>> origins(chunks, std::vector<double>(3 * bodies, 0.0));
        Pool::instance().run(chunks, [&](int c, int) {
            finish_gradients(frame_, records, c * kChunk, std::min(n, (c + 1) * kChunk), gradients.data(), origins[c].data());
        });
        if (!pose) return;
        std::vector<double> origin(3 * bodies, 0.0);
        for (const auto &part : origins)
            for (int i = 0; i < 3 * bodies; ++i) origin[i] += part[i];
        sum_pose(frame_, tile_pose, origin, pose->data());
    }

    void sky(const In &texture, Out &background) {
        nb::gil_scoped_release release;
        sky_forward(frame_.view, texture.data(), (int)texture.shape(1), background.data());
    }

    void sky_gradient(const In &v_rgb, Out &v_texture) {
        nb::gil_scoped_release release;
        std::memset(v_texture.data(), 0, sizeof(float) * v_texture.size());
        sky_backward(frame_.view, frame_.final_t.get(), v_rgb.data(), (int)v_texture.shape(1), v_texture.data());
    }

    nb::object ids() const { return copy_out(frame_.ids.get(), frame_.visible); }

    // Depth-ordered Gaussian ids per tile and where each tile's list starts.
    nb::tuple tile_lists() const {
        std::vector<uint32_t> gaussians(frame_.intersections);
        for (size_t i = 0; i < frame_.intersections; ++i) gaussians[i] = frame_.ids[frame_.order[frame_.entries[i].gaussian]];
        return nb::make_tuple(copy_out(frame_.tile_start.get(), frame_.tiles() + 1), copy_out(gaussians.data(), gaussians.size()));
    }

    // Bounds of the visible Gaussians in the order of ids: u, v, conic a b c, k^2, half sizes.
    nb::object bounds() const { return copy_out(reinterpret_cast<const float *>(frame_.found.get()), 8 * (size_t)frame_.visible); }

    size_t intersections() const { return frame_.intersections; }

  private:
    template <bool kRolling, bool kDepth> void forward_all(const Images &out) {
        constexpr int kBatch = 4;
        std::vector<std::unique_ptr<std::pair<Tile, Accumulators>>> &work = forward_work_;
        work.resize(std::max((size_t)Pool::instance().size(), work.size()));
        const int tiles = frame_.tiles();
        Pool::instance().run((tiles + kBatch - 1) / kBatch, [&](int batch, int worker) {
            if (!work[worker]) work[worker] = std::make_unique<std::pair<Tile, Accumulators>>();
            for (int t = batch * kBatch; t < std::min(tiles, (batch + 1) * kBatch); ++t)
                forward_tile<kRolling, kDepth>(frame_, work[worker]->first, work[worker]->second, t, out);
        });
    }

    template <bool kRolling, bool kDepth, bool kPose> void backward_all(const Gradients &in) {
        constexpr int kBatch = 4;
        auto &work = backward_work_;
        work.resize(std::max((size_t)Pool::instance().size(), work.size()));
        const int tiles = frame_.tiles();
        Pool::instance().run((tiles + kBatch - 1) / kBatch, [&](int batch, int worker) {
            if (!work[worker]) work[worker] = std::make_unique<std::pair<Tile, Upstream>>();
            for (int t = batch * kBatch; t < std::min(tiles, (batch + 1) * kBatch); ++t)
                backward_tile<kRolling, kDepth, kPose>(frame_, work[worker]->first, work[worker]->second, t, in);
        });
    }

    Frame frame_;
    std::vector<float> table_, middle_, tangents_;
    In rays_, packed_;
    std::optional<Ints> body_;
    Buffer<float> record_gradients_, tile_pose_;
    std::vector<std::unique_ptr<std::pair<Tile, Accumulators>>> forward_work_;
    std::vector<std::unique_ptr<std::pair<Tile, Upstream>>> backward_work_;
};

class Loss {
  public:
    nb::tuple run(const In &rgb, const Bytes &target, const std::optional<In> &weight, const In &affine, float ssim_weight, Out &v_rgb) {
        std::vector<double> v_affine(12);
        double value;
        {
            nb::gil_scoped_release release;
            value = loss_.run((int)rgb.shape(0), (int)rgb.shape(1), rgb.data(), target.data(),
                              weight ? weight->data() : nullptr, affine.data(), ssim_weight, v_rgb.data(), v_affine.data());
        }
        return nb::make_tuple(value, v_affine);
    }

  private:
    PhotometricLoss loss_;
};

NB_MODULE(AVREC_MODULE, m) {
    nb::class_<Rasterizer>(m, "Rasterizer")
        .def(nb::init<>())
        .def("look", &Rasterizer::look)
        .def("project", &Rasterizer::project, nb::arg("packed"), nb::arg("body").none(), nb::arg("sh"), nb::arg("settings"))
        .def("set_colors", &Rasterizer::set_colors)
        .def("forward", &Rasterizer::forward, nb::arg("background"), nb::arg("rgb"), nb::arg("alpha"), nb::arg("depth").none(),
             nb::arg("median").none())
        .def("backward", &Rasterizer::backward, nb::arg("v_rgb"), nb::arg("v_alpha").none(), nb::arg("v_depth").none(),
             nb::arg("rgb"), nb::arg("depth").none(), nb::arg("gradients"), nb::arg("pose").none())
        .def("sky", &Rasterizer::sky)
        .def("sky_gradient", &Rasterizer::sky_gradient)
        .def("ids", &Rasterizer::ids)
        .def("bounds", &Rasterizer::bounds)
        .def("tile_lists", &Rasterizer::tile_lists)
        .def_prop_ro("intersections", &Rasterizer::intersections);
    nb::class_<Loss>(m, "Loss").def(nb::init<>()).def("run", &Loss::run, nb::arg("rgb"), nb::arg("target"), nb::arg("weight").none(),
                                                      nb::arg("affine"), nb::arg("ssim_weight"), nb::arg("v_rgb"));
    m.def("adam", [](Out &parameters, Out &first, Out &second, const Ids &ids, const In &gradients, const In &rates,
                     const std::vector<float> &s) {
        nb::gil_scoped_release release;
        adam_rows(parameters.data(), first.data(), second.data(), (int)parameters.shape(1), ids.data(), (int)ids.shape(0),
                  gradients.data(), rates.data(), {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]});
    });
    m.def("adam_dense", [](Out &parameters, Out &first, Out &second, const In &gradients, float rate, const std::vector<float> &s) {
        nb::gil_scoped_release release;
        adam_dense(parameters.data(), first.data(), second.data(), gradients.data(), parameters.size(), rate,
                   {s[0], s[1], s[2], s[3], s[4], 0.f, 0.f, 0.f});
    });
    m.def("set_threads", [](int threads) { Pool::instance().resize(threads); });
    m.def("threads", [] { return Pool::instance().size(); });
    m.attr("lanes") = kLanes;
}
