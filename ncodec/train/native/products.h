// Matrix products, in blocks of 32 x 32.

#pragma once

#include "packing.h"
#ifdef __AMX_BF16__
#include "products_amx.h"
#else
#include "products_avx512.h"
#endif

namespace ncodec {

// Calls body(16 numbers, row, column) for the 32 x 32 block at (row, column) of a product: the sum over `steps` of
// A [32 rows, `stride` apart, 32 columns at `a_at(step)`] times packed B [at `b_at(step)`].
template <class First, class Second, class Body>
inline void product(int steps, int stride, First a_at, Second b_at, int row, int column, Body body) {
    alignas(64) float block[32 * 32];
    multiply_block(steps, stride, T * stride, a_at, b_at, false, block, 32);
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j += T) body(_mm512_load_ps(block + i * 32 + j), row + i, column + j);
}

// The block at (row, column) of A [rows, inner] times packed B.
template <class Body>
void multiply_at(int row, int column, const bf16* a, int inner, const bf16* b, Body body) {
    const int steps = inner / 32;
    const bf16 *strip = b + size_t(column / 32) * steps * 2 * TILE, *band = a + size_t(row) * inner;
    product(
        steps, inner, [=](int i) { return band + 32 * i; }, [=](int i) { return strip + 2 * TILE * i; }, row, column,
        body);
}

// A [rows, inner] times packed B; body(16 numbers, row, column) gets the product.
template <class Body>
void multiply(const bf16* a, int rows, int inner, int columns, const bf16* b, Body body) {
    for (int r = 0; r < rows; r += 32)
        for (int c = 0; c < columns; c += 32) multiply_at(r, c, a, inner, b, body);
}

// sum [m, n] += (columns packed by pack_columns [m, inner]) times (packed B [inner, n]); a strip of 32 columns of B is
// followed by the next one after `strip` rows.
inline void accumulate(const bf16* a, const bf16* b, int m, int inner, int n, float* sum, int strip) {
    for (int c = 0; c < n; c += 32)
        for (int r = 0; r < m; r += 32) {
            const bf16* at = a + size_t(r / T) * (inner / 32) * TILE;
            const bf16* bt = b + size_t(c / 32) * (strip / 32) * 2 * TILE;
            multiply_block(
                inner / 32, 32, inner / 32 * TILE, [=](int i) { return at + TILE * i; },
                [=](int i) { return bt + 2 * TILE * i; }, true, sum + size_t(r) * n + c, n);
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
