// Operands as the tiles want them.

#pragma once

#include "tiles.h"

namespace ncodec {

// A second operand B [inner, columns] lies as tiles [columns / 32][inner / 32][2][16 pairs of inner][16 columns][2].

// B = w^T, w [columns, inner]; rows `from` to `to` of w.
inline void pack_transposed(const float* w, int inner, bf16* out, int from, int to) {
    for (int c = from; c < to; c += T)
        for (int k = 0; k < inner; k += 2 * T) {
            __m512i r[T];
            for (int i = 0; i < T; i++) {
                const float* row = w + size_t(c + i) * inner + k;
                r[i] = (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(row + T), _mm512_loadu_ps(row));
            }
            transpose(r);
            bf16* tile = out + ((size_t(c / 32) * (inner / 32) + k / 32) * 2 + (c / T) % 2) * TILE;
            for (int i = 0; i < T; i++) _mm512_store_si512(tile + i * 32, r[i]);
        }
}

// B = w [inner, columns]; rows `from` to `to` of w.
inline void pack_plain(const float* w, int inner, int columns, bf16* out, int from, int to) {
    for (int k = from; k < to; k += 2 * T)
        for (int c = 0; c < columns; c += T) {
            bf16* tile = out + ((size_t(c / 32) * (inner / 32) + k / 32) * 2 + (c / T) % 2) * TILE;
            for (int i = 0; i < T; i++) {
                bf16 pair[2][T];
                store(pair[0], _mm512_loadu_ps(w + size_t(k + 2 * i) * columns + c));
                store(pair[1], _mm512_loadu_ps(w + size_t(k + 2 * i + 1) * columns + c));
                _mm512_store_si512(tile + i * 32, interleave(pair[0], pair[1]));
            }
        }
}

// B = x [rows, columns].
inline void pack_rows(const bf16* x, int rows, int columns, bf16* out) {
    for (int k = 0; k < rows; k += 2 * T)
        for (int c = 0; c < columns; c += T) {
            bf16* tile = out + ((size_t(c / 32) * (rows / 32) + k / 32) * 2 + (c / T) % 2) * TILE;
            const bf16* from = x + size_t(k) * columns + c;
            for (int i = 0; i < T; i++, from += 2 * columns)
                _mm512_store_si512(tile + i * 32, interleave(from, from + columns));
        }
}

// B = x^T, x [columns, inner].
inline void pack_transposed(const bf16* x, int columns, int inner, bf16* out) {
    for (int c = 0; c < columns; c += T)
        for (int k = 0; k < inner; k += 2 * T) {
            __m512i r[T];
            for (int i = 0; i < T; i++) r[i] = _mm512_loadu_si512(x + size_t(c + i) * inner + k);
            transpose(r);
            bf16* tile = out + ((size_t(c / 32) * (inner / 32) + k / 32) * 2 + (c / T) % 2) * TILE;
            for (int i = 0; i < T; i++) _mm512_store_si512(tile + i * 32, r[i]);
        }
}

// A first operand x^T [columns, rows] as tiles [columns / 16][rows / 32][16][32].
inline void pack_columns(const bf16* x, int rows, int columns, bf16* out) {
    for (int c = 0; c < columns; c += T)
        for (int k = 0; k < rows; k += 2 * T) {
            __m512i r[T];
            const bf16* from = x + size_t(k) * columns + c;
            for (int i = 0; i < T; i++, from += 2 * columns) r[i] = interleave(from, from + columns);
            transpose(r);
            bf16* tile = out + (size_t(c / T) * (rows / 32) + k / 32) * TILE;
            for (int i = 0; i < T; i++) _mm512_store_si512(tile + i * 32, r[i]);
        }
}

}  // namespace ncodec
