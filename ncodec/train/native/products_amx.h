// A block of a matrix product, by AMX's tiles.

#pragma once

#include "tiles.h"

namespace ncodec {

struct alignas(64) TileConfig {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

inline void begin_products() {
    static const TileConfig config;
    _tile_loadconfig(&config);
}

inline void end_products() { _tile_release(); }

// out [32 x 32, rows `width` apart] = (out if `add`) + the sum over `steps` of A [rows 0 to 15 at `a_at(step)`, `stride`
// apart, rows 16 to 31 `below` further on; 32 columns] times packed B [at `b_at(step)`].
template <class First, class Second>
inline void multiply_block(int steps, int stride, int below, First a_at, Second b_at, bool add, float* out, int width) {
    float* lower = out + size_t(T) * width;
    if (add) {
        _tile_loadd(0, out, width * 4);
        _tile_loadd(1, out + T, width * 4);
        _tile_loadd(2, lower, width * 4);
        _tile_loadd(3, lower + T, width * 4);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int i = 0; i < steps; i++) {
        const bf16 *a = a_at(i), *b = b_at(i);
        _tile_loadd(4, a, stride * 2);
        _tile_loadd(6, b, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b + TILE, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a + below, stride * 2);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, width * 4);
    _tile_stored(1, out + T, width * 4);
    _tile_stored(2, lower, width * 4);
    _tile_stored(3, lower + T, width * 4);
}

}  // namespace ncodec
