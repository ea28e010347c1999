// 3x3 convolutions.

#pragma once

#include <cstring>
#include <vector>

#include "products.h"
#include "threads.h"

namespace ncodec {

struct Plane {                          // one sample of a 3x3 convolution
    int height, width, inner, columns;  // width, inner and columns: multiples of 32
    int area() const { return height * width; }
};

struct Taps {  // the packed weights of nine taps, one after the other
    const bf16* first;
    int size;  // of one
};

// bfloat16 x [height, width, channels] -> [height + 2, width + 2, channels] with zeros around.
inline bf16* padded(const bf16* x, const Plane& p, int channels, Arena& arena) {
    const size_t row = size_t(p.width + 2) * channels, inside = size_t(p.width) * channels * sizeof(bf16);
    bf16* out = arena.take<bf16>(row * (p.height + 2));
    std::memset(out, 0, row * sizeof(bf16));
    std::memset(out + row * (p.height + 1), 0, row * sizeof(bf16));
    for (int i = 0; i < p.height; i++) {
        bf16* to = out + row * (i + 1);
        std::memset(to, 0, channels * sizeof(bf16));
        std::memcpy(to + channels, x + size_t(i) * p.width * channels, inside);
        std::memset(to + row - channels, 0, channels * sizeof(bf16));
    }
    return out;
}

// Padded x times nine packed weights; body(16 numbers, place, column) gets the product.
template <class Body>
void convolve(const bf16* x, const Plane& p, const Taps& taps, Body body) {
    const int steps = p.inner / 32;
    std::vector<int> from(9 * steps), weights(9 * steps);  // offsets of the steps
    for (int i = 0; i < 9 * steps; i++) {
        const int tap = i / steps, k = i % steps;
        from[i] = (tap / 3 * (p.width + 2) + tap % 3) * p.inner + 32 * k;
        weights[i] = tap * taps.size + 2 * TILE * k;
    }
    for (int i = 0; i < p.height; i++)
        for (int j = 0; j < p.width; j += 32)
            for (int c = 0; c < p.columns; c += 32) {
                const bf16* corner = x + (size_t(i) * (p.width + 2) + j) * p.inner;
                const bf16* strip = taps.first + size_t(c / 32) * steps * 2 * TILE;
                product(
                    9 * steps, p.inner, [&](int step) { return corner + from[step]; },
                    [&](int step) { return strip + weights[step]; }, i * p.width + j, c, body);
            }
}

// gradients [9, columns, inner] += those of a sample; x is padded, grad [area, columns] is not.
inline void convolution_gradients(const bf16* x, const bf16* grad, const Plane& p, float* sums, Arena& arena) {
    const int n = p.area(), rows = (p.height + 2) * p.width;
    bf16* left = arena.take<bf16>(size_t(n) * p.columns);
    bf16* right = arena.take<bf16>(size_t(rows) * p.inner);
    pack_columns(grad, n, p.columns, left);
    for (int dj = 0; dj < 3; dj++) {
        for (int c = 0; c < p.inner; c += T)
            for (int i = 0; i < p.height + 2; i++)
                for (int j = 0; j < p.width; j += 32) {
                    const size_t strip = size_t(c / 32) * (rows / 32) + (size_t(i) * p.width + j) / 32;
                    bf16* tile = right + (strip * 2 + (c / T) % 2) * TILE;
                    const bf16* from = x + (size_t(i) * (p.width + 2) + j + dj) * p.inner + c;
                    for (int k = 0; k < T; k++, from += 2 * p.inner)
                        _mm512_store_si512(tile + k * 32, interleave(from, from + p.inner));
                }
        for (int di = 0; di < 3; di++)
            accumulate(left, right + size_t(di) * p.width / 32 * 2 * TILE, p.columns, n, p.inner,
                       sums + size_t(di * 3 + dj) * p.columns * p.inner, rows);
    }
}

}  // namespace ncodec
