// Stage 2: depth-ordered lists of Gaussians per tile, with the blocks of the tile that each one's bounds touch.
#pragma once

#include "state.h"

namespace avrec {

// The ellipse only approximates the footprint. 3DGUT cuts it at tiles; cutting at blocks needs room to look the same.
constexpr float kBlockSlack = 1.4f;

// Blocks of the tile at pixel (x0, y0) whose rectangle of pixel centres comes within the ellipse, exactly: the least
// value of d' conic d over a rectangle is 0 if it holds the centre, else it lies on one of the two edges that face it.
// `b` and the tile are turned over the diagonal where lines are columns, as the blocks are.
inline uint32_t blocks_touched(const Bounds &b, float x0, float y0) {
    uint32_t mask = 0, near = 0;
    for (int group = 0; group < kBlocks / kLanes; ++group) {
        vf left, top;
        for (int l = 0; l < kLanes; ++l) {
            const int block = group * kLanes + l;
            left[l] = (float)(block % kBlocksAcross * kBlockWidth);
            top[l] = (float)(block / kBlocksAcross * kBlockHeight);
        }
        const vf lx = left + (x0 + 0.5f - b.u), ly = top + (y0 + 0.5f - b.v);
        const vf hx = lx + (kBlockWidth - 1), hy = ly + (kBlockHeight - 1);
        // Nearest coordinate to the centre on each axis; 0 where the interval holds it.
        const vf nx = max(min(hx, vf{}), lx), ny = max(min(hy, vf{}), ly);
        // Edge x = nx with the best y, and edge y = ny with the best x.
        const vf y = max(min(-b.b / b.c * nx, hy), ly), x = max(min(-b.b / b.a * ny, hx), lx);
        const vf on_x = b.a * nx * nx + 2.f * b.b * nx * y + b.c * y * y;
        const vf on_y = b.a * x * x + 2.f * b.b * x * ny + b.c * ny * ny;
        const vm zero_x = both(less_equal(lx, vf{}), less_equal(vf{}, hx)), zero_y = both(less_equal(ly, vf{}), less_equal(vf{}, hy));
        // An edge counts only if it faces the centre.
        const vf far = splat(3e38f);
        const vf least = min(select(zero_x, far, on_x), select(zero_y, far, on_y));
        const vm holds_centre = both(zero_x, zero_y);
        near |= bits(either(holds_centre, less_equal(least, splat(b.k2)))) << (group * kLanes);
        mask |= bits(either(holds_centre, less_equal(least, splat(kBlockSlack * b.k2)))) << (group * kLanes);
    }
    return near ? mask : 0;
}

inline void bin_all(Frame &f) {
    const int width = f.view.camera.width, height = f.view.camera.height;
    f.tiles_across = (width + kTile - 1) / kTile;
    f.tiles_down = (height + kTile - 1) / kTile;
    const int tiles = f.tiles(), n = f.visible;
    constexpr int kChunk = 4096;
    const bool columns = f.view.axis == 2;
    const int chunks = (n + kChunk - 1) / kChunk;
    if ((int)f.pieces.size() < chunks) f.pieces.resize(chunks), f.piece_counts.resize(chunks);
    f.slot_start.reserve(n + 1);
    Pool::instance().run(chunks, [&](int c, int) {
        auto &piece = f.pieces[c];
        auto &counts = f.piece_counts[c];
        piece.clear();
        counts.assign(tiles, 0);
        for (int i = c * kChunk; i < std::min(n, (c + 1) * kChunk); ++i) {
            f.slot_start[i] = piece.size();  // relative to the chunk for now
            const Bounds &b = f.bounds[i];
            const Bounds turned = {b.v, b.u, b.c, b.b, b.a, b.k2, b.half_v, b.half_u};
            const auto tile_of = [](float p, int most) { return (int)std::floor(std::min(std::max(p, 0.f), (float)most) / kTile); };
            const int x0 = tile_of(b.u - b.half_u, width - 1), x1 = tile_of(b.u + b.half_u, width - 1);
            const int y0 = tile_of(b.v - b.half_v, height - 1), y1 = tile_of(b.v + b.half_v, height - 1);
            for (int ty = y0; ty <= y1; ++ty)
                for (int tx = x0; tx <= x1; ++tx) {
                    const uint32_t blocks = columns ? blocks_touched(turned, (float)(ty * kTile), (float)(tx * kTile))
                                                    : blocks_touched(b, (float)(tx * kTile), (float)(ty * kTile));
                    if (!blocks) continue;
                    const uint32_t tile = ty * f.tiles_across + tx;
                    piece.push_back({tile, (uint32_t)i, blocks});
                    ++counts[tile];
                }
        }
    });
    uint32_t *start = f.tile_start.reserve(tiles + 1), total = 0;
    for (int t = 0; t < tiles; ++t) {
        start[t] = total;
        for (int c = 0; c < chunks; ++c) {
            const uint32_t k = f.piece_counts[c][t];
            f.piece_counts[c][t] = total;
            total += k;
        }
    }
    start[tiles] = total;
    f.intersections = total;
    f.entries.reserve(total), f.hits.reserve(total);
    std::vector<uint32_t> base(chunks + 1, 0);
    for (int c = 0; c < chunks; ++c) base[c + 1] = base[c] + f.pieces[c].size();
    f.slot_start[n] = total;
    Pool::instance().run(chunks, [&](int c, int) {
        for (int i = c * kChunk; i < std::min(n, (c + 1) * kChunk); ++i) f.slot_start[i] += base[c];
        uint32_t slot = base[c];
        for (const Entry &piece : f.pieces[c])
            f.entries[f.piece_counts[c][piece.gaussian]++] = {piece.slot, slot++, piece.blocks};
    });
}

}  // namespace avrec
