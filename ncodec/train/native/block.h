// Residual blocks (ncodec.nets.layers.Block):
//
//   x2 = x  + b(depthwise(leaky(a(x))))        a, b: 1x1, depthwise: 3x3, zero padding
//   y  = x2 + v(leaky(u(x2)))                  u, v: 1x1, width -> expanded -> width
//
// A chunk of a few samples goes through the whole block while it lies in the second-level cache, where PyTorch writes
// every intermediate result of the whole batch to memory.

#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "depthwise.h"
#include "products.h"
#include "threads.h"

namespace ncodec {

struct Sizes {
    int samples, height, width, channels, expanded, chunk;  // chunk: samples that go through the block together
    float slope_spatial, slope_channel;
    int rows() const { return chunk * height * width; }
    Field field() const { return {chunk, height, width, channels}; }
    size_t place(int sample) const { return size_t(sample) * height * width * channels; }
};

struct Weights {  // float32: 1x1 [out, in], depthwise [9, channels]
    const float *a, *a_bias, *d, *d_bias, *b, *b_bias, *u, *u_bias, *v, *v_bias;
};

struct Gradients {  // of the same shapes
    float *a, *a_bias, *d, *d_bias, *b, *b_bias, *u, *u_bias, *v, *v_bias;
};

struct Packed {  // the 1x1 weights as second operands
    bf16 *a, *b, *u, *v;
    Packed(const Sizes& s, Arena& arena) {
        const size_t square = size_t(s.channels) * s.channels, wide = size_t(s.channels) * s.expanded;
        a = arena.take<bf16>(square), b = arena.take<bf16>(square);
        u = arena.take<bf16>(wide), v = arena.take<bf16>(wide);
    }
};

struct Inner {  // what the backward pass needs of the forward pass: bfloat16 [rows, channels], u [rows, expanded]
    bf16 *x, *a, *d, *x2, *u;
    // The part of a chunk, whose first number is number `at` of an array [rows, channels], in memory for all samples.
    Inner(const Sizes& s, bf16* base, size_t at) {
        const size_t plane = size_t(s.samples) * s.height * s.width * s.channels;
        x = base + at, a = x + plane, d = a + plane, x2 = d + plane;
        u = base + 4 * plane + at / s.channels * s.expanded;
    }
    Inner from(int row, const Sizes& s) const {
        Inner part = *this;
        const size_t at = size_t(row) * s.channels;
        part.x += at, part.a += at, part.d += at, part.x2 += at, part.u += size_t(row) * s.expanded;
        return part;
    }
};

constexpr int PART_ROWS = 256;  // of what goes through the 1x1 convolutions together: it stays in the cache

// body(first row, rows) for all parts of a chunk.
template <class Body>
void each_part(int rows, Body body) {
    for (int first = 0; first < rows; first += PART_ROWS) body(first, std::min(PART_ROWS, rows - first));
}

// What follows the depthwise convolution, on `n` rows.
inline void forward_part(const Sizes& s, const Weights& w, const Packed& packed, int n, const float* x, float* y,
                         const Inner& inner, float* middle) {
    const int c = s.channels, e = s.expanded;
    const __m512 channel = _mm512_set1_ps(s.slope_channel);
    multiply(inner.d, n, c, c, packed.b, [&](__m512 v, int r, int k) {
        const size_t place = size_t(r) * c + k;
        v = _mm512_add_ps(_mm512_add_ps(v, _mm512_loadu_ps(w.b_bias + k)), _mm512_loadu_ps(x + place));
        _mm512_storeu_ps(middle + place, v);
        store(inner.x2 + place, v);
    });
    multiply(inner.x2, n, c, e, packed.u, [&](__m512 v, int r, int k) {
        store(inner.u + size_t(r) * e + k, leaky(_mm512_add_ps(v, _mm512_loadu_ps(w.u_bias + k)), channel));
    });
    multiply(inner.u, n, e, c, packed.v, [&](__m512 v, int r, int k) {
        const size_t place = size_t(r) * c + k;
        v = _mm512_add_ps(_mm512_add_ps(v, _mm512_loadu_ps(w.v_bias + k)), _mm512_loadu_ps(middle + place));
        _mm512_storeu_ps(y + place, v);
    });
}

inline void forward_chunk(const Sizes& s, const Weights& w, const Packed& packed, const float* x, float* y,
                          const Inner& inner, Arena& arena) {
    const int c = s.channels;
    float* middle = arena.take<float>(size_t(PART_ROWS) * c);
    const __m512 spatial = _mm512_set1_ps(s.slope_spatial);
    each_part(s.rows(), [&](int first, int n) {
        const size_t at = size_t(first) * c;
        for (size_t i = at; i < at + size_t(n) * c; i += T) store(inner.x + i, _mm512_loadu_ps(x + i));
        multiply(inner.x + at, n, c, c, packed.a, [&](__m512 v, int r, int k) {
            store(inner.a + at + size_t(r) * c + k, leaky(_mm512_add_ps(v, _mm512_loadu_ps(w.a_bias + k)), spatial));
        });
    });
    depthwise_forward(s.field(), w.d, w.d_bias, inner.a, inner.d);
    each_part(s.rows(), [&](int first, int n) {
        const size_t at = size_t(first) * c;
        forward_part(s, w, packed, n, x + at, y + at, inner.from(first, s), middle);
    });
}

struct Scratch {  // of a backward pass: operands of the weights' gradients, and gradients of a part
    bf16 *left, *right, *grad, *grad_u;
    Scratch(const Sizes& s, Arena& arena) {
        const size_t wide = size_t(PART_ROWS) * s.expanded;
        left = arena.take<bf16>(wide), right = arena.take<bf16>(wide);
        grad = arena.take<bf16>(size_t(PART_ROWS) * s.channels), grad_u = arena.take<bf16>(wide);
    }
};

// From the gradient of y to those of x2 (in grad_x) and d, on `n` rows.
inline void backward_part(const Sizes& s, const Packed& packed, int n, const Inner& inner, const float* grad_y,
                          float* grad_x, bf16* grad_d, const Gradients& g, const Scratch& scratch) {
    const int c = s.channels, e = s.expanded;
    const auto [left, right, grad, grad_u] = scratch;
    bf16* const of_u = grad_u;
    bf16* const of_x2 = grad;
    const __m512 channel = _mm512_set1_ps(s.slope_channel);
    for (size_t i = 0; i < size_t(n) * c; i += T) store(grad + i, _mm512_loadu_ps(grad_y + i));
    add_columns(grad_y, n, c, g.v_bias);
    weight_gradient(grad, c, inner.u, e, n, left, right, g.v);
    multiply(grad, n, c, e, packed.v, [&](__m512 v, int r, int k) {
        const size_t place = size_t(r) * e + k;
        store(of_u + place, leaky_back(v, inner.u + place, channel));
    });
    add_columns(grad_u, n, e, g.u_bias);
    weight_gradient(grad_u, e, inner.x2, c, n, left, right, g.u);
    multiply(grad_u, n, e, c, packed.u, [&](__m512 v, int r, int k) {
        const size_t place = size_t(r) * c + k;
        v = _mm512_add_ps(v, _mm512_loadu_ps(grad_y + place));
        _mm512_storeu_ps(grad_x + place, v);
        store(of_x2 + place, v);
    });
    add_columns(grad_x, n, c, g.b_bias);
    weight_gradient(grad, c, inner.d, c, n, left, right, g.b);
    multiply(grad, n, c, c, packed.b, [&](__m512 v, int r, int k) { store(grad_d + size_t(r) * c + k, v); });
}

inline void backward_chunk(const Sizes& s, const Weights& w, const Packed& packed, const Inner& inner,
                           const float* grad_y, float* grad_x, const Gradients& g, Arena& arena) {
    const int c = s.channels;
    const Scratch scratch(s, arena);
    const size_t size = size_t(s.rows()) * c;
    bf16 *grad_d = arena.take<bf16>(size), *grad_a = arena.take<bf16>(size);
    each_part(s.rows(), [&](int first, int n) {
        const size_t at = size_t(first) * c;
        const Inner part = inner.from(first, s);
        backward_part(s, packed, n, part, grad_y + at, grad_x + at, grad_d + at, g, scratch);
    });
    depthwise_backward(s.field(), w.d, s.slope_spatial, inner.a, grad_d, g.d, g.d_bias, grad_a);
    add_columns(grad_a, s.rows(), c, g.a_bias);
    each_part(s.rows(), [&](int first, int n) {
        const size_t at = size_t(first) * c;
        weight_gradient(grad_a + at, c, inner.x + at, c, n, scratch.left, scratch.right, g.a);
        multiply(grad_a + at, n, c, c, packed.a, [&](__m512 v, int r, int k) {
            float* to = grad_x + at + size_t(r) * c + k;
            _mm512_storeu_ps(to, _mm512_add_ps(v, _mm512_loadu_ps(to)));
        });
    });
}

inline void pack_forward(const Sizes& s, const Weights& w, const Packed& out, int thread, int threads) {
    const int c = s.channels, e = s.expanded;
    share(c, 32, thread, threads, [&](int from, int to) {
        pack_transposed(w.a, c, out.a, from, to);
        pack_transposed(w.b, c, out.b, from, to);
        pack_transposed(w.v, e, out.v, from, to);
    });
    share(e, 32, thread, threads, [&](int from, int to) { pack_transposed(w.u, c, out.u, from, to); });
}

inline void pack_backward(const Sizes& s, const Weights& w, const Packed& out, int thread, int threads) {
    const int c = s.channels, e = s.expanded;
    share(c, 32, thread, threads, [&](int from, int to) {
        pack_plain(w.a, c, c, out.a, from, to);
        pack_plain(w.b, c, c, out.b, from, to);
        pack_plain(w.v, c, e, out.v, from, to);
    });
    share(e, 32, thread, threads, [&](int from, int to) { pack_plain(w.u, e, c, out.u, from, to); });
}

inline size_t gradient_count(const Sizes& s) {
    return size_t(2) * s.channels * s.channels + size_t(2) * s.channels * s.expanded + 13 * s.channels + s.expanded;
}

inline Gradients lay_out(float* base, const Sizes& s) {  // in the order of Gradients
    const size_t c = s.channels, e = s.expanded;
    Gradients g;
    g.a = base, g.a_bias = g.a + c * c, g.d = g.a_bias + c, g.d_bias = g.d + 9 * c, g.b = g.d_bias + c;
    g.b_bias = g.b + c * c, g.u = g.b_bias + c, g.u_bias = g.u + e * c, g.v = g.u_bias + e, g.v_bias = g.v + c * e;
    return g;
}

}  // namespace ncodec
