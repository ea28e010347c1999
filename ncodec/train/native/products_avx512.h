// A block of a matrix product, by AVX-512's products of pairs of bfloat16 numbers (AVX512_BF16).

#pragma once

#include <cstring>

#include "tiles.h"

namespace ncodec {

inline void begin_products() {}
inline void end_products() {}

// Two neighbouring numbers, for all 16 columns.
inline __m512bh pair_of(const bf16* p) {
    int both;
    std::memcpy(&both, p, sizeof both);
    return (__m512bh)_mm512_set1_epi32(both);
}

// out [32 x 32, rows `width` apart] = (out if `add`) + the sum over `steps` of A [rows 0 to 15 at `a_at(step)`, `stride`
// apart, rows 16 to 31 `below` further on; 32 columns] times packed B [at `b_at(step)`].
template <class First, class Second>
inline void multiply_block(int steps, int stride, int below, First a_at, Second b_at, bool add, float* out, int width) {
    constexpr int ROWS = 8;  // whose sums stay in registers
    for (int r = 0; r < 2 * T; r += ROWS) {
        const int from = r / T * below + r % T * stride;
        float* to = out + size_t(r) * width;
        __m512 left[ROWS], right[ROWS];
        for (int i = 0; i < ROWS; i++) {
            left[i] = add ? _mm512_loadu_ps(to + size_t(i) * width) : _mm512_setzero_ps();
            right[i] = add ? _mm512_loadu_ps(to + size_t(i) * width + T) : _mm512_setzero_ps();
        }
        for (int step = 0; step < steps; step++) {
            const bf16 *a = a_at(step) + from, *b = b_at(step);
            for (int k = 0; k < T; k++) {
                const __m512bh near = (__m512bh)_mm512_load_si512(b + 2 * T * k);
                const __m512bh far = (__m512bh)_mm512_load_si512(b + 2 * T * k + TILE);
#pragma GCC unroll 8
                for (int i = 0; i < ROWS; i++) {
                    const __m512bh both = pair_of(a + size_t(i) * stride + 2 * k);
                    left[i] = _mm512_dpbf16_ps(left[i], both, near);
                    right[i] = _mm512_dpbf16_ps(right[i], both, far);
                }
            }
        }
        for (int i = 0; i < ROWS; i++) {
            _mm512_storeu_ps(to + size_t(i) * width, left[i]);
            _mm512_storeu_ps(to + size_t(i) * width + T, right[i]);
        }
    }
}

}  // namespace ncodec
