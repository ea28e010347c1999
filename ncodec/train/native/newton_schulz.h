// Muon's Newton-Schulz steps.

#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "products.h"
#include "threads.h"

namespace ncodec {

// bfloat16 x = scale * matrix, or scale * matrix^T.
inline void scaled(const float* matrix, int rows, int columns, bool flipped, float scale, bf16* x) {
    const __m512 factor = _mm512_set1_ps(scale);
    for (int r = 0; r < rows; r += T)
        for (int c = 0; c < columns; c += T) {
            __m512i v[T];
            for (int i = 0; i < T; i++)
                v[i] = (__m512i)_mm512_mul_ps(_mm512_loadu_ps(matrix + size_t(r + i) * columns + c), factor);
            if (flipped) transpose(v);
            for (int i = 0; i < T; i++)
                store(flipped ? x + size_t(c + i) * rows + r : x + size_t(r + i) * columns + c, (__m512)v[i]);
        }
}

// The mirror of `scaled` with scale 1.
inline void unscaled(const bf16* x, int rows, int columns, bool flipped, float* matrix) {
    for (int r = 0; r < rows; r += T)
        for (int c = 0; c < columns; c += T) {
            __m512i v[T];
            for (int i = 0; i < T; i++)
                v[i] = (__m512i)load(flipped ? x + size_t(c + i) * rows + r : x + size_t(r + i) * columns + c);
            if (flipped) transpose(v);
            for (int i = 0; i < T; i++) _mm512_storeu_ps(matrix + size_t(r + i) * columns + c, (__m512)v[i]);
        }
}

// A [n, inner] times packed B, a product that is known to be symmetric: half of it is computed and mirrored.
// out bfloat16 [n, n] gets body(16 numbers of the product, their place).
template <class Body>
void multiply_symmetric(const bf16* a, int n, int inner, const bf16* b, bf16* out, Body body) {
    alignas(64) float block[2 * T][2 * T];
    for (int r = 0; r < n; r += 2 * T)
        for (int c = r; c < n; c += 2 * T) {
            multiply_at(r, c, a, inner, b, [&](__m512 v, int i, int k) {
                const size_t place = size_t(i) * n + k;
                v = body(v, place);
                store(out + place, v);
                _mm512_store_ps(&block[i - r][k - c], v);
            });
            for (int i = 0; c > r && i < 2 * T; i += T)
                for (int k = 0; k < 2 * T; k += T) {
                    __m512i v[T];
                    for (int j = 0; j < T; j++) v[j] = _mm512_load_si512(&block[i + j][k]);
                    transpose(v);
                    for (int j = 0; j < T; j++) store(out + size_t(c + k + j) * n + r + i, (__m512)v[j]);
                }
        }
}

// matrix [rows, columns] in place: x / |x|, then `steps` times x = a x + (b s + c s s) x with s = x x^T.
inline void orthogonalise(float* matrix, int rows, int columns, int steps, const float coefficients[3], Arena& arena) {
    const int m = std::min(rows, columns), k = std::max(rows, columns);
    const size_t area = size_t(m) * k, square = size_t(m) * m;
    bf16 *x = arena.take<bf16>(area), *next = arena.take<bf16>(area), *packed = arena.take<bf16>(area);
    bf16 *s = arena.take<bf16>(square), *polynomial = arena.take<bf16>(square);
    const __m512 a = _mm512_set1_ps(coefficients[0]), b = _mm512_set1_ps(coefficients[1]);
    const __m512 c = _mm512_set1_ps(coefficients[2]);
    __m512 sum = _mm512_setzero_ps();
    for (size_t i = 0; i < area; i += T) {
        const __m512 v = _mm512_loadu_ps(matrix + i);
        sum = _mm512_fmadd_ps(v, v, sum);
    }
    scaled(matrix, rows, columns, rows > columns, 1 / (std::sqrt(_mm512_reduce_add_ps(sum)) + 1e-7f), x);
    for (int step = 0; step < steps; step++) {
        pack_transposed(x, m, k, packed);
        multiply_symmetric(x, m, k, packed, s, [](__m512 v, size_t) { return v; });
        pack_rows(s, m, m, packed);
        multiply_symmetric(s, m, m, packed, polynomial, [&](__m512 v, size_t place) {
            return _mm512_fmadd_ps(c, v, _mm512_mul_ps(b, load(s + place)));
        });
        pack_rows(x, m, k, packed);
        multiply(polynomial, m, m, k, packed, [&](__m512 v, int r, int j) {
            const size_t place = size_t(r) * k + j;
            store(next + place, _mm512_fmadd_ps(a, load(x + place), v));
        });
        std::swap(x, next);
    }
    unscaled(x, rows, columns, rows > columns, matrix);
}

}  // namespace ncodec
