// Matrix products in tiles.

#pragma once

#include "packing.h"

namespace ncodec {

// Calls body(16 numbers, row, column) for the 32 x 32 block at (row, column) of a product: the sum over `steps` of
// A [32 rows, `stride` apart, 32 columns at `a_at(step)`] times packed B [at `b_at(step)`].
template <class First, class Second, class Body>
inline void product(int steps, int stride, First a_at, Second b_at, int row, int column, Body body) {
    alignas(64) float block[32 * 32];
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int i = 0; i < steps; i++) {
        const bf16 *a = a_at(i), *b = b_at(i);
        _tile_loadd(4, a, stride * 2);
        _tile_loadd(6, b, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b + TILE, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a + T * stride, stride * 2);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, block, 128);
    _tile_stored(1, block + 16, 128);
    _tile_stored(2, block + 512, 128);
    _tile_stored(3, block + 528, 128);
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j += T) body(_mm512_load_ps(block + i * 32 + j), row + i, column + j);
}

// A [rows, inner] times packed B; body(16 numbers, row, column) gets the product.
template <class Body>
void multiply(const bf16* a, int rows, int inner, int columns, const bf16* b, Body body) {
    const int steps = inner / 32;
    for (int r = 0; r < rows; r += 32)
        for (int c = 0; c < columns; c += 32) {
            const bf16 *strip = b + size_t(c / 32) * steps * 2 * TILE, *band = a + size_t(r) * inner;
            product(
                steps, inner, [=](int i) { return band + 32 * i; }, [=](int i) { return strip + 2 * TILE * i; }, r, c,
                body);
        }
}

// sum [m, n] += (columns packed by pack_columns [m, inner]) times (packed B [inner, n]); a strip of 32 columns of B is
// followed by the next one after `strip` rows.
inline void accumulate(const bf16* a, const bf16* b, int m, int inner, int n, float* sum, int strip) {
    for (int c = 0; c < n; c += 32)
        for (int r = 0; r < m; r += 32) {
            float* to = sum + size_t(r) * n + c;
            float* below = to + size_t(T) * n;
            const int stride = n * 4;
            _tile_loadd(0, to, stride);
            _tile_loadd(1, to + T, stride);
            _tile_loadd(2, below, stride);
            _tile_loadd(3, below + T, stride);
            const bf16* at = a + size_t(r / T) * (inner / 32) * TILE;
            const bf16* a_below = at + size_t(inner / 32) * TILE;
            const bf16* bt = b + size_t(c / 32) * (strip / 32) * 2 * TILE;
            for (int k = 0; k < inner; k += 32, at += TILE, a_below += TILE, bt += 2 * TILE) {
                _tile_loadd(4, at, 64);
                _tile_loadd(6, bt, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_loadd(7, bt + TILE, 64);
                _tile_dpbf16ps(1, 4, 7);
                _tile_loadd(5, a_below, 64);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, to, stride);
            _tile_stored(1, to + T, stride);
            _tile_stored(2, below, stride);
            _tile_stored(3, below + T, stride);
        }
}

// sum [columns] += those of x [rows, columns].
template <class Number>
void add_columns(const Number* x, int rows, int columns, float* sum) {
    for (int c = 0; c < columns; c += T) {
        __m512 s0 = _mm512_loadu_ps(sum + c), s1 = _mm512_setzero_ps();
        for (int r = 0; r < rows; r += 2) {
            const Number* at = x + size_t(r) * columns + c;
            if constexpr (sizeof(Number) == 2) {
                s0 = _mm512_add_ps(s0, load(at));
                s1 = _mm512_add_ps(s1, load(at + columns));
            } else {
                s0 = _mm512_add_ps(s0, _mm512_loadu_ps(at));
                s1 = _mm512_add_ps(s1, _mm512_loadu_ps(at + columns));
            }
        }
        _mm512_storeu_ps(sum + c, _mm512_add_ps(s0, s1));
    }
}

// gradient of weights [m, n] += grad^T x
inline void weight_gradient(const bf16* grad, int m, const bf16* x, int n, int rows, bf16* left, bf16* right,
                            float* sum) {
    pack_columns(grad, rows, m, left);
    pack_rows(x, rows, n, right);
    accumulate(left, right, m, rows, n, sum, rows);
}

}  // namespace ncodec
