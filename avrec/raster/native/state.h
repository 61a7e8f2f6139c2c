// What one picture needs from projection to gradients. Buffers are reused from call to call.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "camera.h"
#include "pool.h"

namespace avrec {

constexpr int kTile = 16;                       // pixels
constexpr int kBlockWidth = 4;                  // one vector covers a block of kBlockWidth x kBlockHeight pixels
constexpr int kBlockHeight = kLanes / kBlockWidth;
constexpr int kBlocksAcross = kTile / kBlockWidth;
constexpr int kBlocks = kTile * kTile / kLanes;
constexpr int kPixels = kTile * kTile;
constexpr int kGeometry = 11;                   // mean 3, quaternion 4, log scale 3, logit opacity 1; then SH
constexpr int kMaxColumns = kGeometry + 48;

// Cache-line aligned array that grows and never shrinks; contents are not kept when it grows.
template <class T> class Buffer {
  public:
    T *reserve(size_t count) {
        if (count > capacity_) {
            capacity_ = count + count / 4 + 64;
            data_.reset(static_cast<T *>(std::aligned_alloc(64, (capacity_ * sizeof(T) + 63) / 64 * 64)));
            if (!data_) {
                capacity_ = 0;
                throw std::bad_alloc();
            }
        }
        return data_.get();
    }
    T *get() const { return data_.get(); }
    T &operator[](size_t i) const { return data_.get()[i]; }
    size_t bytes() const { return capacity_ * sizeof(T); }

  private:
    struct Free {
        void operator()(T *p) const { std::free(p); }
    };
    std::unique_ptr<T, Free> data_;
    size_t capacity_ = 0;
};

struct Settings {
    float near_m, far_m;
    float ut_alpha, ut_beta, ut_kappa;
    float bound_sigma, blur_px2, min_alpha, max_alpha, min_transmittance, margin, inflate_bounds;
};

// Pose of the camera in a body's frame at one shutter line.
struct Line {
    float R[9];      // body_from_camera
    float o[3];      // camera centre in the body's frame
    float delta[3];  // the same relative to the middle line's centre
    float pad;
};

struct View {
    Camera camera;
    int axis;   // 0 global, 1 a line per row, 2 a line per column
    int lines;
    int bodies;                // the world is body 0
    const Line *table;         // [bodies][lines]
    const float *middle;       // [bodies][12]: R and o half way through the lines
    const float *rays;         // [height][width][3] unit camera rays; 0 where the model is undefined
    bool rolling() const { return axis != 0; }
};

// Everything the raster loop reads of one Gaussian. N = Q M takes world offsets to the canonical frame of the Gaussian,
// turned so that the camera of the middle line sits at (0, 0, -G) there.
struct alignas(64) Record {
    float N[9];
    float G;
    float log2_opacity;
    float limit;  // largest D^2 that still contributes min_alpha
    float color[3];
    int32_t body;
};

// Bounds in the image: ellipse (mean, conic) and its half sizes.
struct Bounds {
    float u, v, a, b, c, k2, half_u, half_v;
};

struct Entry {
    uint32_t gaussian;  // position in depth order
    uint32_t slot;      // position in Gaussian-major order, where its gradient goes
    uint32_t blocks;    // blocks of the tile that its bounds touch
};

struct Frame {
    View view;
    Settings settings;
    int count = 0;          // Gaussians given
    int columns = 0;        // floats per packed row
    int sh = 0;             // SH coefficients used
    const float *packed = nullptr;
    const int32_t *body = nullptr;  // may be null: all in the world

    int visible = 0;
    Buffer<uint32_t> candidates, ids, order, scratch, keys, keys_scratch;
    Buffer<float> depth;
    Buffer<Bounds> found, bounds;
    Buffer<Record> records;

    int tiles_across = 0, tiles_down = 0;
    size_t intersections = 0;
    Buffer<uint32_t> tile_start;  // [tiles + 1]
    Buffer<Entry> entries;
    Buffer<uint32_t> slot_start;  // [visible + 1]
    Buffer<uint32_t> hits;        // per slot, blocks that were hit
    std::vector<std::vector<Entry>> pieces;   // per chunk of Gaussians; .gaussian holds the tile
    std::vector<std::vector<uint32_t>> piece_counts;

    Buffer<float> final_t;        // [height][width]

    int tiles() const { return tiles_across * tiles_down; }
};

}  // namespace avrec
