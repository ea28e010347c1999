// Vectors of 16 numbers, and tiles of 16 of them: what the other headers are written in.

#pragma once

#include <immintrin.h>

#include <cstdint>

namespace ncodec {

using bf16 = uint16_t;
constexpr int T = 16;            // rows of a tile, and its columns in 32-bit units
constexpr int TILE = 2 * T * T;  // bfloat16 numbers in a tile: 1 KiB

inline __m512 widen(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
inline __m512 load(const bf16* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline void store(bf16* p, __m512 x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh(x));
}
inline __m512 leaky(__m512 x, __m512 slope) { return _mm512_max_ps(x, _mm512_mul_ps(x, slope)); }
// Gradient through the rectifier whose output is `out`.
inline __m512 leaky_back(__m512 grad, const bf16* out, __m512 slope) {
    __mmask16 positive = _mm512_cmp_ps_mask(load(out), _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_mask_mul_ps(_mm512_mul_ps(grad, slope), positive, grad, _mm512_set1_ps(1));
}

inline void transpose(__m512i (&r)[T]) {  // 16 x 16 numbers of 32 bits
    __m512i t[T];
    for (int i = 0; i < T; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < T; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
            r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
        }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 2; j++) {
            t[i + 8 * j] = _mm512_shuffle_i32x4(r[i + 8 * j], r[i + 4 + 8 * j], 0x88);
            t[i + 4 + 8 * j] = _mm512_shuffle_i32x4(r[i + 8 * j], r[i + 4 + 8 * j], 0xdd);
        }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

// Pairs of rows 2i, 2i+1 of 16 columns, interleaved as the second operand of a tile product wants them.
inline __m512i interleave(const bf16* first, const bf16* second) {
    __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(first)));
    __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(second)));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

}  // namespace ncodec
