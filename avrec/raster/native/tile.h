// One tile's rays, in blocks of lanes, for the world and for each moving body that the tile sees.
#pragma once

#include <utility>

#include "state.h"

namespace avrec {

struct alignas(64) Rays {
    float d[3][kPixels];    // unit directions in the body's frame
    float delta[3][kTile];  // per line of the tile: ray origin relative to the middle line's camera centre
};

struct alignas(64) RayGradients {
    float d[3][kPixels], o[3][kPixels];
};

// A tile's pixels in blocks of lanes: `along` runs within a shutter line, `line` counts lines of the tile. With lines
// that are columns the tile is turned over its diagonal, so that a block always has kBlockHeight lines.
struct Place {
    int along, line;
};
inline Place place_of(int i) {
    const int block = i / kLanes, lane = i % kLanes;
    return {block % kBlocksAcross * kBlockWidth + lane % kBlockWidth, block / kBlocksAcross * kBlockHeight + lane / kBlockWidth};
}

struct PixelOf {
    int x, y;
};
inline PixelOf pixel_of(int i, bool columns) {
    const Place p = place_of(i);
    return columns ? PixelOf{p.line, p.along} : PixelOf{p.along, p.line};
}

class Tile {
  public:
    void start(const Frame &f, int tile) {
        frame_ = &f;
        x0 = tile % f.tiles_across * kTile, y0 = tile / f.tiles_across * kTile;
        slot_of_.assign(f.view.bodies, -1);
        used_ = 0;
        const View &view = f.view;
        for (int i = 0; i < kPixels; ++i) {
            const auto [x, y] = pixel_of(i, columns());
            const bool inside = x0 + x < view.camera.width && y0 + y < view.camera.height;
            const float *ray = view.rays + 3 * ((size_t)(y0 + y) * view.camera.width + x0 + x);
            for (int j = 0; j < 3; ++j) camera_[j][i] = inside ? ray[j] : 0.f;
        }
    }

    const Rays &rays(int body) { return rays_[slot(body)]; }
    RayGradients &gradients(int body) { return gradients_[slot(body)]; }
    bool has(int body) const { return slot_of_[body] >= 0; }

    bool columns() const { return frame_->view.axis == 2; }

    // Line of the picture behind a line of the tile.
    int line_of(int line) const {
        const int axis = frame_->view.axis;
        return axis ? std::min((axis == 1 ? y0 : x0) + line, frame_->view.lines - 1) : 0;
    }

    // Gradients of all bodies' rays turned into the world and summed over the tile's lines:
    // per line dL/dR (9, world_from_camera) and dL/d origin (3). Blocks of the same lines are summed as vectors first.
    void gather_pose(float *out /* [16][12] */) {
        const View &view = frame_->view;
        std::memset(out, 0, sizeof(float) * 12 * kTile);
        constexpr int kGroup = kPixels / kTile * kBlockHeight;  // pixels in the blocks of the same lines
        for (int body = 0; body < view.bodies; ++body) {
            if (!has(body)) continue;
            const RayGradients &g = gradients_[slot_of_[body]];
            for (int group = 0; group < kTile / kBlockHeight; ++group) {
                vf sum[12] = {};
                for (int i = group * kGroup; i < (group + 1) * kGroup; i += kLanes)
                    for (int r = 0; r < 3; ++r) {
                        const vf d = load(g.d[r] + i);
                        for (int c = 0; c < 3; ++c) sum[3 * r + c] += d * load(camera_[c] + i);
                        sum[9 + r] += load(g.o[r] + i);
                    }
                for (int l = 0; l < kBlockHeight; ++l) {
                    const int at = group * kBlockHeight + l;
                    float total[12];
                    for (int k = 0; k < 12; ++k) {
                        total[k] = 0;
                        for (int x = 0; x < kBlockWidth; ++x) total[k] += sum[k][l * kBlockWidth + x];
                    }
                    if (body) to_world(view, body, line_of(at), total);
                    float *o = out + 12 * (view.axis ? at : 0);
                    for (int k = 0; k < 12; ++k) o[k] += total[k];
                }
            }
        }
    }

    int x0 = 0, y0 = 0;

  private:
    // Left-multiplies dL/dR and dL/d origin by world_from_body = world_from_camera (body_from_camera)^T.
    static void to_world(const View &view, int body, int line, float *v) {
        const float *W = view.table[line].R, *B = view.table[(size_t)body * view.lines + line].R;
        for (int c = 0; c < 4; ++c) {
            float *column = c < 3 ? v + c : v + 9;
            const int step = c < 3 ? 3 : 1;
            float camera[3];
            for (int j = 0; j < 3; ++j) camera[j] = B[j] * column[0] + B[3 + j] * column[step] + B[6 + j] * column[2 * step];
            for (int r = 0; r < 3; ++r) column[r * step] = W[3 * r] * camera[0] + W[3 * r + 1] * camera[1] + W[3 * r + 2] * camera[2];
        }
    }

    int slot(int body) {
        if (slot_of_[body] >= 0) return slot_of_[body];
        const int s = used_++;
        slot_of_[body] = s;
        if ((int)rays_.size() < used_) rays_.resize(used_), gradients_.resize(used_);
        std::memset(&gradients_[s], 0, sizeof(RayGradients));
        const View &view = frame_->view;
        const Line *table = view.table + (size_t)body * view.lines;
        for (int i = 0; i < kPixels; ++i) {
            const Line &line = table[line_of(place_of(i).line)];
            const float X = camera_[0][i], Y = camera_[1][i], Z = camera_[2][i];
            for (int r = 0; r < 3; ++r)
                rays_[s].d[r][i] = line.R[3 * r] * X + line.R[3 * r + 1] * Y + line.R[3 * r + 2] * Z;
        }
        for (int l = 0; l < kTile; ++l)
            for (int r = 0; r < 3; ++r) rays_[s].delta[r][l] = table[line_of(l)].delta[r];
        return s;
    }

    const Frame *frame_ = nullptr;
    alignas(64) float camera_[3][kPixels];
    std::vector<int> slot_of_;
    std::vector<Rays> rays_;
    std::vector<RayGradients> gradients_;
    int used_ = 0;
};

}  // namespace avrec
