// 3x3 depthwise convolutions, 16 channels at a time.

#pragma once

#include <cstddef>

#include "tiles.h"

namespace ncodec {

// Slides a 3x3 window over one sample: body(window[9], place) for every position, zeros outside.
template <class Body>
void slide(const bf16* x, int height, int width, int channels, Body body) {
    const __m512 zero = _mm512_setzero_ps();
    for (int i = 0; i < height; i++) {
        const bf16* rows[3];
        for (int d = 0; d < 3; d++) rows[d] = x + ptrdiff_t(i + d - 1) * width * channels;
        const bool above = i > 0, below = i + 1 < height;
        auto column = [&](int j, __m512& top, __m512& middle, __m512& bottom) {
            top = above ? load(rows[0] + size_t(j) * channels) : zero;
            middle = load(rows[1] + size_t(j) * channels);
            bottom = below ? load(rows[2] + size_t(j) * channels) : zero;
        };
        __m512 w[9];
        w[1] = w[4] = w[7] = zero;
        column(0, w[2], w[5], w[8]);
        for (int j = 0; j < width; j++) {
            for (int d = 0; d < 9; d += 3) {
                w[d] = w[d + 1];
                w[d + 1] = w[d + 2];
            }
            if (j + 1 < width)
                column(j + 1, w[2], w[5], w[8]);
            else
                w[2] = w[5] = w[8] = zero;
            body(w, (size_t(i) * width + j) * channels);
        }
    }
}

struct Field {
    int samples, height, width, channels;
};

// x bfloat16 [samples, height, width, channels], weights [9, channels] -> out, of the shape of x.
inline void depthwise_forward(const Field& f, const float* weights, const float* biases, const bf16* x, bf16* out) {
    const int c = f.channels, area = f.height * f.width;
    for (int sample = 0; sample < f.samples; sample++)
        for (int k = 0; k < c; k += T) {
            __m512 taps[9], bias = _mm512_loadu_ps(biases + k);
            for (int i = 0; i < 9; i++) taps[i] = _mm512_loadu_ps(weights + i * c + k);
            const size_t base = size_t(sample) * area * c + k;
            slide(x + base, f.height, f.width, c, [&](const __m512* window, size_t place) {
                __m512 s0 = bias, s1 = _mm512_mul_ps(window[0], taps[0]), s2 = _mm512_mul_ps(window[1], taps[1]);
                for (int i = 2; i < 8; i += 3) {
                    s0 = _mm512_fmadd_ps(window[i], taps[i], s0);
                    s1 = _mm512_fmadd_ps(window[i + 1], taps[i + 1], s1);
                    s2 = _mm512_fmadd_ps(window[i + 2], taps[i + 2], s2);
                }
                s0 = _mm512_fmadd_ps(window[8], taps[8], s0);
                store(out + base + place, _mm512_add_ps(s0, _mm512_add_ps(s1, s2)));
            });
        }
}

// Adds to the gradients of weights and biases; `grad_x` is that of x through the rectifier whose output x is.
inline void depthwise_backward(const Field& f, const float* weights, float slope, const bf16* x, const bf16* grad,
                               float* grad_weights, float* grad_biases, bf16* grad_x) {
    const int c = f.channels, area = f.height * f.width;
    const __m512 through = _mm512_set1_ps(slope);
    for (int k = 0; k < c; k += T) {
        __m512 taps[9], sums[9], bias = _mm512_loadu_ps(grad_biases + k);
        for (int i = 0; i < 9; i++) {
            taps[i] = _mm512_loadu_ps(weights + (8 - i) * c + k);
            sums[i] = _mm512_loadu_ps(grad_weights + i * c + k);
        }
        for (int sample = 0; sample < f.samples; sample++) {
            const size_t base = size_t(sample) * area * c + k;
            slide(x + base, f.height, f.width, c, [&](const __m512* window, size_t place) {
                const __m512 here = load(grad + base + place);
                bias = _mm512_add_ps(bias, here);
                for (int i = 0; i < 9; i++) sums[i] = _mm512_fmadd_ps(window[i], here, sums[i]);
            });
            slide(grad + base, f.height, f.width, c, [&](const __m512* window, size_t place) {
                __m512 s0 = _mm512_mul_ps(window[0], taps[0]), s1 = _mm512_mul_ps(window[1], taps[1]);
                __m512 s2 = _mm512_mul_ps(window[2], taps[2]);
                for (int i = 3; i < 9; i += 3) {
                    s0 = _mm512_fmadd_ps(window[i], taps[i], s0);
                    s1 = _mm512_fmadd_ps(window[i + 1], taps[i + 1], s1);
                    s2 = _mm512_fmadd_ps(window[i + 2], taps[i + 2], s2);
                }
                s0 = _mm512_add_ps(s0, _mm512_add_ps(s1, s2));
                store(grad_x + base + place, leaky_back(s0, x + base + place, through));
            });
        }
        _mm512_storeu_ps(grad_biases + k, bias);
        for (int i = 0; i < 9; i++) _mm512_storeu_ps(grad_weights + i * c + k, sums[i]);
    }
}

}  // namespace ncodec
