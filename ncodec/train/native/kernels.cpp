// Training on a CPU with bfloat16 products: forward and backward pass of 1x1 convolutions, of residual blocks and of DnCNN's 3x3
// convolutions, and Muon's Newton-Schulz steps.
//
// Matrix products take bfloat16 and add up in float32; the residual stream of the blocks stays float32: the arithmetic
// of PyTorch's bfloat16 autocast. The gain is in memory traffic.
//
// Arrays are [rows, channels], rows being the positions of all samples (channels last). Rows of a chunk and all channel
// counts are multiples of 32. `ncodec.train.native` checks that, compiles this file and calls it.

#include <sys/syscall.h>
#include <unistd.h>

#include "block.h"
#include "convolution.h"
#include "newton_schulz.h"

using namespace ncodec;

namespace {

constexpr int LINEAR_ROWS = 256;  // of a chunk

}  // namespace

extern "C" {

// 0 if this process may use what the products were compiled for.
int ncodec_request_tiles() {
#ifdef __AMX_BF16__
    constexpr long request_permission = 0x1023, tile_data = 18;
    return static_cast<int>(syscall(SYS_arch_prctl, request_permission, tile_data));
#else
    return 0;
#endif
}

void* ncodec_context(int threads) { return new Context(threads); }

void ncodec_forward(void* context, const Sizes* sizes, const Weights* weights, const float* x, float* y, bf16* saved) {
    Context& ctx = *static_cast<Context*>(context);
    const Sizes& s = *sizes;
    ctx.shared.reset();
    const Packed packed(s, ctx.shared);
    ctx.pool.run([&](int thread) { pack_forward(s, *weights, packed, thread, ctx.pool.size); });
    ctx.each_chunk(s.samples, s.chunk, [&](int first, int thread) {
        const size_t at = s.place(first);
        forward_chunk(s, *weights, packed, x + at, y + at, Inner(s, saved, at), ctx.arenas[thread]);
    });
}

// `grads`: gradient_count floats in the order of Gradients, overwritten.
void ncodec_backward(void* context, const Sizes* sizes, const Weights* weights, bf16* saved, const float* grad_y,
                     float* grad_x, float* grads) {
    Context& ctx = *static_cast<Context*>(context);
    const Sizes& s = *sizes;
    const int threads = ctx.pool.size;
    const size_t count = gradient_count(s);
    ctx.shared.reset();
    const Packed packed(s, ctx.shared);
    const std::vector<float*> sums = ctx.sums(count, grads);
    ctx.pool.run([&](int thread) {
        std::memset(sums[thread], 0, count * sizeof(float));
        pack_backward(s, *weights, packed, thread, threads);
    });
    ctx.each_chunk(s.samples, s.chunk, [&](int first, int thread) {
        const size_t at = s.place(first);
        const Gradients g = lay_out(sums[thread], s);
        backward_chunk(s, *weights, packed, Inner(s, saved, at), grad_y + at, grad_x + at, g, ctx.arenas[thread]);
    });
    ctx.add_up(count, sums);
}

// x float32 [rows, inner] -> y float32 [rows, columns]; `saved` bfloat16 [rows, inner].
void ncodec_linear_forward(void* context, int rows, int inner, int columns, const float* weight, const float* bias,
                           const float* x, float* y, bf16* saved) {
    Context& ctx = *static_cast<Context*>(context);
    ctx.shared.reset();
    bf16* packed = ctx.shared.take<bf16>(size_t(inner) * columns);
    ctx.pool.run([&](int thread) {
        share(columns, 32, thread, ctx.pool.size,
              [&](int from, int to) { pack_transposed(weight, inner, packed, from, to); });
    });
    ctx.each_chunk(rows, LINEAR_ROWS, [&](int first, int) {
        const int n = std::min(LINEAR_ROWS, rows - first);
        const size_t at = size_t(first) * inner;
        for (size_t i = at; i < at + size_t(n) * inner; i += T) store(saved + i, _mm512_loadu_ps(x + i));
        multiply(saved + at, n, inner, columns, packed, [&](__m512 v, int r, int k) {
            _mm512_storeu_ps(y + size_t(first + r) * columns + k, _mm512_add_ps(v, _mm512_loadu_ps(bias + k)));
        });
    });
}

// `grads`: of the weight [columns, inner], then of the bias, overwritten. `grad_x` may be null.
void ncodec_linear_backward(void* context, int rows, int inner, int columns, const float* weight, const bf16* saved,
                            const float* grad_y, float* grad_x, float* grads) {
    Context& ctx = *static_cast<Context*>(context);
    const size_t weights = size_t(inner) * columns, count = weights + columns;
    ctx.shared.reset();
    bf16* packed = ctx.shared.take<bf16>(weights);
    const std::vector<float*> sums = ctx.sums(count, grads);
    ctx.pool.run([&](int thread) {
        std::memset(sums[thread], 0, count * sizeof(float));
        share(columns, 32, thread, ctx.pool.size,
              [&](int from, int to) { pack_plain(weight, columns, inner, packed, from, to); });
    });
    ctx.each_chunk(rows, LINEAR_ROWS, [&](int first, int thread) {
        const int n = std::min(LINEAR_ROWS, rows - first);
        const float* from = grad_y + size_t(first) * columns;
        Arena& arena = ctx.arenas[thread];
        bf16* grad = arena.take<bf16>(size_t(n) * columns);
        bf16 *left = arena.take<bf16>(size_t(n) * columns), *right = arena.take<bf16>(size_t(n) * inner);
        for (size_t i = 0; i < size_t(n) * columns; i += T) store(grad + i, _mm512_loadu_ps(from + i));
        add_columns(from, n, columns, sums[thread] + weights);
        weight_gradient(grad, columns, saved + size_t(first) * inner, inner, n, left, right, sums[thread]);
        if (!grad_x) return;
        multiply(grad, n, columns, inner, packed,
                 [&](__m512 v, int r, int k) { _mm512_storeu_ps(grad_x + size_t(first + r) * inner + k, v); });
    });
    ctx.add_up(count, sums);
}

// matrices [count, rows, columns], in place.
void ncodec_orthogonalise(void* context, int count, int rows, int columns, int steps, const float* coefficients,
                          float* matrices) {
    Context& ctx = *static_cast<Context*>(context);
    ctx.each_chunk(count, 1, [&](int i, int thread) {
        orthogonalise(matrices + size_t(i) * rows * columns, rows, columns, steps, coefficients, ctx.arenas[thread]);
    });
}

// `depth` 3x3 convolutions with zeros around, each followed by a rectifier: bfloat16 x [samples, height, width,
// channels]
// -> `outputs` [depth, samples, height, width, channels], of all layers, which the backward pass needs.
// weights float32 [depth, 9, channels, channels] (tap, out, in), biases float32 [depth, channels].
void ncodec_stack_forward(void* context, int depth, int samples, int height, int width, int channels,
                          const float* weights, const float* biases, const bf16* x, bf16* outputs) {
    Context& ctx = *static_cast<Context*>(context);
    const Plane plane{height, width, channels, channels};
    const size_t square = size_t(channels) * channels, sample_size = size_t(plane.area()) * channels;
    ctx.shared.reset();
    bf16* packed = ctx.shared.take<bf16>(9 * square * depth);
    ctx.pool.run([&](int thread) {
        for (int i = thread; i < 9 * depth; i += ctx.pool.size)
            pack_transposed(weights + i * square, channels, packed + i * square, 0, channels);
    });
    const __m512 zero = _mm512_setzero_ps();
    ctx.each_chunk(samples, 1, [&](int sample, int thread) {
        const bf16* from = x + sample * sample_size;
        for (int layer = 0; layer < depth; layer++) {
            ctx.arenas[thread].reset();
            bf16* out = outputs + (size_t(layer) * samples + sample) * sample_size;
            const float* bias = biases + size_t(layer) * channels;
            const Taps taps{packed + 9 * square * layer, static_cast<int>(square)};
            convolve(padded(from, plane, channels, ctx.arenas[thread]), plane, taps, [&](__m512 v, int r, int k) {
                v = _mm512_max_ps(_mm512_add_ps(v, _mm512_loadu_ps(bias + k)), zero);
                store(out + size_t(r) * channels + k, v);
            });
            from = out;
        }
    });
}

// `grad` bfloat16, of the last layer's output; `grads`: of all weights, then of all biases, overwritten.
void ncodec_stack_backward(void* context, int depth, int samples, int height, int width, int channels,
                           const float* weights, const bf16* x, const bf16* outputs, const bf16* grad, bf16* grad_x,
                           float* grads) {
    Context& ctx = *static_cast<Context*>(context);
    const Plane plane{height, width, channels, channels};
    const size_t square = size_t(channels) * channels, sample_size = size_t(plane.area()) * channels;
    const size_t count = size_t(depth) * (9 * square + channels);
    ctx.shared.reset();
    bf16* packed = ctx.shared.take<bf16>(9 * square * depth);
    const std::vector<float*> sums = ctx.sums(count, grads);
    ctx.pool.run([&](int thread) {
        std::memset(sums[thread], 0, count * sizeof(float));
        for (int i = thread; i < 9 * depth; i += ctx.pool.size)  // turned round: the transposed convolution
            pack_plain(weights + (i / 9 * 9 + 8 - i % 9) * square, channels, channels, packed + i * square, 0,
                       channels);
    });
    ctx.each_chunk(samples, 1, [&](int sample, int thread) {
        Arena& arena = ctx.arenas[thread];
        bf16* passed = arena.take<bf16>(sample_size);  // the gradient of a layer's output, through its rectifier
        std::memcpy(passed, grad + sample * sample_size, sample_size * sizeof(bf16));
        for (int layer = depth - 1; layer >= 0; layer--) {
            arena.reset();
            arena.take<bf16>(sample_size);
            const bf16* out = outputs + (size_t(layer) * samples + sample) * sample_size;
            const bf16* in = layer ? out - samples * sample_size : x + sample * sample_size;
            for (size_t i = 0; i < sample_size; i += 2 * T) {
                const __m512i value = _mm512_loadu_si512(out + i);
                const __mmask32 positive = _mm512_test_epi16_mask(value, value);  // it is never below zero
                _mm512_storeu_si512(passed + i, _mm512_maskz_mov_epi16(positive, _mm512_loadu_si512(passed + i)));
            }
            float* of_weights = sums[thread] + 9 * square * layer;
            add_columns(passed, plane.area(), channels, sums[thread] + 9 * square * depth + size_t(layer) * channels);
            convolution_gradients(padded(in, plane, channels, arena), passed, plane, of_weights, arena);
            bf16* to = layer ? passed : grad_x + sample * sample_size;
            const Taps taps{packed + 9 * square * layer, static_cast<int>(square)};
            convolve(padded(passed, plane, channels, arena), plane, taps,
                     [&](__m512 v, int r, int k) { store(to + size_t(r) * channels + k, v); });
        }
    });
    ctx.add_up(count, sums);
}
}
