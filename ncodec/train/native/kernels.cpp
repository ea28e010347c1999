// Forward and backward pass of 1x1 convolutions, of residual blocks (ncodec.nets.layers.Block) and of DnCNN's 3x3
// convolutions, and Muon's Newton-Schulz steps, for training on a CPU with AMX. A block is
//
//   x2 = x  + b(depthwise(leaky(a(x))))        a, b: 1x1, depthwise: 3x3, zero padding
//   y  = x2 + v(leaky(u(x2)))                  u, v: 1x1, width -> expanded -> width
//
// Matrix products take bfloat16 and add up in float32; the residual stream x, x2, y stays float32: the arithmetic of
// PyTorch's bfloat16 autocast. The gain is in memory: a chunk of a few samples goes through the whole block while it
// lies in the second-level cache, where PyTorch writes every intermediate result of the whole batch to memory.
//
// Arrays are [rows, channels], rows being the positions of all samples (channels last). Rows of a chunk and all channel
// counts are multiples of 32. `ncodec.train.native` checks that, compiles this file and calls it.

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using bf16 = uint16_t;
constexpr int T = 16;         // rows of a tile, and its columns in 32-bit units
constexpr int TILE = 2 * T * T;  // bfloat16 numbers in a tile: 1 KiB

// ---------------------------------------------------------------------------------------------------- tiles, threads

struct alignas(64) TileConfig {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void configure_tiles() {
    static const TileConfig config;
    _tile_loadconfig(&config);
}

// Threads that wait without spinning, so that a neighbour's work is not disturbed. Thread 0 is the caller.
class Pool {
   public:
    explicit Pool(int threads) : size(threads) {
        for (int i = 1; i < threads; i++) workers.emplace_back([this, i] { work(i); });
    }
    ~Pool() {
        {
            std::lock_guard<std::mutex> lock(mutex);
            stopping = true;
        }
        wake.notify_all();
        for (auto& worker : workers) worker.join();
    }
    // Calls job(thread) once on every thread and waits for all.
    void run(const std::function<void(int)>& next) {
        {
            std::lock_guard<std::mutex> lock(mutex);
            job = &next;
            running = size - 1;
            round++;
        }
        wake.notify_all();
        next(0);
        std::unique_lock<std::mutex> lock(mutex);
        done.wait(lock, [this] { return running == 0; });
    }
    const int size;

   private:
    void work(int index) {
        for (int seen = 0;;) {
            const std::function<void(int)>* mine;
            {
                std::unique_lock<std::mutex> lock(mutex);
                wake.wait(lock, [&] { return stopping || round != seen; });
                if (stopping) return;
                seen = round;
                mine = job;
            }
            (*mine)(index);
            std::lock_guard<std::mutex> lock(mutex);
            if (--running == 0) done.notify_one();
        }
    }
    std::vector<std::thread> workers;
    std::mutex mutex;
    std::condition_variable wake, done;
    const std::function<void(int)>* job = nullptr;
    int running = 0, round = 0;
    bool stopping = false;
};

// Memory that is kept from call to call, since fresh pages are dear.
class Arena {
   public:
    template <class Number>
    Number* take(size_t count) {
        size_t bytes = (count * sizeof(Number) + 127) / 64 * 64;
        if (used == blocks.size()) blocks.emplace_back();
        Block& block = blocks[used++];
        if (block.bytes < bytes) {
            block.memory.reset(static_cast<char*>(std::aligned_alloc(64, bytes)));
            block.bytes = bytes;
        }
        return reinterpret_cast<Number*>(block.memory.get());
    }
    void reset() { used = 0; }

   private:
    struct Free {
        void operator()(char* memory) const { std::free(memory); }
    };
    struct Block {
        std::unique_ptr<char, Free> memory;
        size_t bytes = 0;
    };
    std::vector<Block> blocks;
    size_t used = 0;
};

// ------------------------------------------------------------------------------------------------------- conversions

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

void transpose(__m512i (&r)[T]) {  // 16 x 16 numbers of 32 bits
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

// ------------------------------------------------------------------------------------------------- packed operands
// A second operand B [inner, columns] lies as tiles [columns / 32][inner / 32][2][16 pairs of inner][16 columns][2].

// B = w^T, w [columns, inner]; rows `from` to `to` of w.
void pack_transposed(const float* w, int inner, bf16* out, int from, int to) {
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
void pack_plain(const float* w, int inner, int columns, bf16* out, int from, int to) {
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
void pack_rows(const bf16* x, int rows, int columns, bf16* out) {
    for (int k = 0; k < rows; k += 2 * T)
        for (int c = 0; c < columns; c += T) {
            bf16* tile = out + ((size_t(c / 32) * (rows / 32) + k / 32) * 2 + (c / T) % 2) * TILE;
            const bf16* from = x + size_t(k) * columns + c;
            for (int i = 0; i < T; i++, from += 2 * columns)
                _mm512_store_si512(tile + i * 32, interleave(from, from + columns));
        }
}

// B = x^T, x [columns, inner].
void pack_transposed(const bf16* x, int columns, int inner, bf16* out) {
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
void pack_columns(const bf16* x, int rows, int columns, bf16* out) {
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

// --------------------------------------------------------------------------------------------------- matrix products

// A [rows, inner] times packed B; `finish(row, column, float[32][32])` gets every 32 x 32 block of the product.
template <class Finish>
void multiply(const bf16* a, int rows, int inner, int columns, const bf16* b, Finish finish) {
    alignas(64) float block[32 * 32];
    const int stride = inner * 2, step = T * inner;
    for (int r = 0; r < rows; r += 32) {
        for (int c = 0; c < columns; c += 32) {
            const bf16* strip = b + size_t(c / 32) * (inner / 32) * 2 * TILE;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            const bf16* at = a + size_t(r) * inner;
            const bf16* bt = strip;
            for (int k = 0; k < inner; k += 32, at += 32, bt += 2 * TILE) {
                _tile_loadd(4, at, stride);
                _tile_loadd(6, bt, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_loadd(7, bt + TILE, 64);
                _tile_dpbf16ps(1, 4, 7);
                _tile_loadd(5, at + step, stride);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, block, 128);
            _tile_stored(1, block + 16, 128);
            _tile_stored(2, block + 512, 128);
            _tile_stored(3, block + 528, 128);
            finish(r, c, block);
        }
    }
}

// sum [m, n] += (columns packed by pack_columns [m, inner]) times (packed B [inner, n]); a strip of 32 columns of B is
// followed by the next one after `strip` rows.
void accumulate(const bf16* a, const bf16* b, int m, int inner, int n, float* sum, int strip) {
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

// Calls body(place of 16 numbers in the block, row, column) for a 32 x 32 block.
template <class Body>
inline void each16(int row, int column, const float* block, Body body) {
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j += T) body(_mm512_load_ps(block + i * 32 + j), row + i, column + j);
}

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

// ------------------------------------------------------------------------------------------- depthwise 3x3, 16 channels

// Slides a 3x3 window over one sample: body(window[9], place) for every position, zeros outside.
template <class Body>
inline void slide(const bf16* x, int height, int width, int channels, Body body) {
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

// ------------------------------------------------------------------------------------------------------------- block

struct Sizes {
    int samples, height, width, channels, expanded, chunk;  // chunk: samples that go through the block together
    float slope_spatial, slope_channel;
    int rows() const { return chunk * height * width; }
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

void depthwise_forward(const Sizes& s, const Weights& w, const bf16* a, bf16* d) {
    const int c = s.channels, area = s.height * s.width;
    for (int sample = 0; sample < s.chunk; sample++)
        for (int k = 0; k < c; k += T) {
            __m512 taps[9], bias = _mm512_loadu_ps(w.d_bias + k);
            for (int i = 0; i < 9; i++) taps[i] = _mm512_loadu_ps(w.d + i * c + k);
            const size_t base = size_t(sample) * area * c + k;
            slide(a + base, s.height, s.width, c, [&](const __m512* window, size_t place) {
                __m512 s0 = bias, s1 = _mm512_mul_ps(window[0], taps[0]), s2 = _mm512_mul_ps(window[1], taps[1]);
                for (int i = 2; i < 8; i += 3) {
                    s0 = _mm512_fmadd_ps(window[i], taps[i], s0);
                    s1 = _mm512_fmadd_ps(window[i + 1], taps[i + 1], s1);
                    s2 = _mm512_fmadd_ps(window[i + 2], taps[i + 2], s2);
                }
                s0 = _mm512_fmadd_ps(window[8], taps[8], s0);
                store(d + base + place, _mm512_add_ps(s0, _mm512_add_ps(s1, s2)));
            });
        }
}

// What follows the depthwise convolution, on `n` rows.
void forward_part(const Sizes& s, const Weights& w, const Packed& packed, int n, const float* x, float* y,
                  const Inner& inner, float* middle) {
    const int c = s.channels, e = s.expanded;
    const __m512 channel = _mm512_set1_ps(s.slope_channel);
    multiply(inner.d, n, c, c, packed.b, [&](int row, int column, const float* block) {
        each16(row, column, block, [&](__m512 v, int r, int k) {
            const size_t place = size_t(r) * c + k;
            v = _mm512_add_ps(_mm512_add_ps(v, _mm512_loadu_ps(w.b_bias + k)), _mm512_loadu_ps(x + place));
            _mm512_storeu_ps(middle + place, v);
            store(inner.x2 + place, v);
        });
    });
    multiply(inner.x2, n, c, e, packed.u, [&](int row, int column, const float* block) {
        each16(row, column, block, [&](__m512 v, int r, int k) {
            store(inner.u + size_t(r) * e + k, leaky(_mm512_add_ps(v, _mm512_loadu_ps(w.u_bias + k)), channel));
        });
    });
    multiply(inner.u, n, e, c, packed.v, [&](int row, int column, const float* block) {
        each16(row, column, block, [&](__m512 v, int r, int k) {
            const size_t place = size_t(r) * c + k;
            v = _mm512_add_ps(_mm512_add_ps(v, _mm512_loadu_ps(w.v_bias + k)), _mm512_loadu_ps(middle + place));
            _mm512_storeu_ps(y + place, v);
        });
    });
}

void forward_chunk(const Sizes& s, const Weights& w, const Packed& packed, const float* x, float* y, const Inner& inner,
                   Arena& arena) {
    const int c = s.channels;
    float* middle = arena.take<float>(size_t(PART_ROWS) * c);
    const __m512 spatial = _mm512_set1_ps(s.slope_spatial);
    each_part(s.rows(), [&](int first, int n) {
        const size_t at = size_t(first) * c;
        for (size_t i = at; i < at + size_t(n) * c; i += T) store(inner.x + i, _mm512_loadu_ps(x + i));
        multiply(inner.x + at, n, c, c, packed.a, [&](int row, int column, const float* block) {
            each16(row, column, block, [&](__m512 v, int r, int k) {
                store(inner.a + at + size_t(r) * c + k, leaky(_mm512_add_ps(v, _mm512_loadu_ps(w.a_bias + k)), spatial));
            });
        });
    });
    depthwise_forward(s, w, inner.a, inner.d);
    each_part(s.rows(), [&](int first, int n) {
        const size_t at = size_t(first) * c;
        forward_part(s, w, packed, n, x + at, y + at, inner.from(first, s), middle);
    });
}

// gradient of weights [m, n] += grad^T x
void weight_gradient(const bf16* grad, int m, const bf16* x, int n, int rows, bf16* left, bf16* right, float* sum) {
    pack_columns(grad, rows, m, left);
    pack_rows(x, rows, n, right);
    accumulate(left, right, m, rows, n, sum, rows);
}

void depthwise_backward(const Sizes& s, const Weights& w, const Gradients& g, const bf16* a, const bf16* grad_d,
                        bf16* grad_a) {
    const int c = s.channels, area = s.height * s.width;
    const __m512 spatial = _mm512_set1_ps(s.slope_spatial);
    for (int k = 0; k < c; k += T) {
        __m512 taps[9], sums[9], bias = _mm512_loadu_ps(g.d_bias + k);
        for (int i = 0; i < 9; i++) {
            taps[i] = _mm512_loadu_ps(w.d + (8 - i) * c + k);
            sums[i] = _mm512_loadu_ps(g.d + i * c + k);
        }
        for (int sample = 0; sample < s.chunk; sample++) {
            const size_t base = size_t(sample) * area * c + k;
            slide(a + base, s.height, s.width, c, [&](const __m512* window, size_t place) {
                __m512 grad = load(grad_d + base + place);
                bias = _mm512_add_ps(bias, grad);
                for (int i = 0; i < 9; i++) sums[i] = _mm512_fmadd_ps(window[i], grad, sums[i]);
            });
            slide(grad_d + base, s.height, s.width, c, [&](const __m512* window, size_t place) {
                __m512 s0 = _mm512_mul_ps(window[0], taps[0]), s1 = _mm512_mul_ps(window[1], taps[1]);
                __m512 s2 = _mm512_mul_ps(window[2], taps[2]);
                for (int i = 3; i < 9; i += 3) {
                    s0 = _mm512_fmadd_ps(window[i], taps[i], s0);
                    s1 = _mm512_fmadd_ps(window[i + 1], taps[i + 1], s1);
                    s2 = _mm512_fmadd_ps(window[i + 2], taps[i + 2], s2);
                }
                s0 = _mm512_add_ps(s0, _mm512_add_ps(s1, s2));
                store(grad_a + base + place, leaky_back(s0, a + base + place, spatial));
            });
        }
        _mm512_storeu_ps(g.d_bias + k, bias);
        for (int i = 0; i < 9; i++) _mm512_storeu_ps(g.d + i * c + k, sums[i]);
    }
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
void backward_part(const Sizes& s, const Packed& packed, int n, const Inner& inner, const float* grad_y, float* grad_x,
                   bf16* grad_d, const Gradients& g, const Scratch& scratch) {
    const int c = s.channels, e = s.expanded;
    const auto [left, right, grad, grad_u] = scratch;
    bf16* const of_u = grad_u;
    bf16* const of_x2 = grad;
    const __m512 channel = _mm512_set1_ps(s.slope_channel);
    for (size_t i = 0; i < size_t(n) * c; i += T) store(grad + i, _mm512_loadu_ps(grad_y + i));
    add_columns(grad_y, n, c, g.v_bias);
    weight_gradient(grad, c, inner.u, e, n, left, right, g.v);
    multiply(grad, n, c, e, packed.v, [&](int row, int column, const float* block) {
        each16(row, column, block, [&](__m512 v, int r, int k) {
            const size_t place = size_t(r) * e + k;
            store(of_u + place, leaky_back(v, inner.u + place, channel));
        });
    });
    add_columns(grad_u, n, e, g.u_bias);
    weight_gradient(grad_u, e, inner.x2, c, n, left, right, g.u);
    multiply(grad_u, n, e, c, packed.u, [&](int row, int column, const float* block) {
        each16(row, column, block, [&](__m512 v, int r, int k) {
            const size_t place = size_t(r) * c + k;
            v = _mm512_add_ps(v, _mm512_loadu_ps(grad_y + place));
            _mm512_storeu_ps(grad_x + place, v);
            store(of_x2 + place, v);
        });
    });
    add_columns(grad_x, n, c, g.b_bias);
    weight_gradient(grad, c, inner.d, c, n, left, right, g.b);
    multiply(grad, n, c, c, packed.b, [&](int row, int column, const float* block) {
        each16(row, column, block, [&](__m512 v, int r, int k) { store(grad_d + size_t(r) * c + k, v); });
    });
}

void backward_chunk(const Sizes& s, const Weights& w, const Packed& packed, const Inner& inner, const float* grad_y,
                    float* grad_x, const Gradients& g, Arena& arena) {
    const int c = s.channels;
    const Scratch scratch(s, arena);
    const size_t size = size_t(s.rows()) * c;
    bf16 *grad_d = arena.take<bf16>(size), *grad_a = arena.take<bf16>(size);
    each_part(s.rows(), [&](int first, int n) {
        const size_t at = size_t(first) * c;
        const Inner part = inner.from(first, s);
        backward_part(s, packed, n, part, grad_y + at, grad_x + at, grad_d + at, g, scratch);
    });
    depthwise_backward(s, w, g, inner.a, grad_d, grad_a);
    add_columns(grad_a, s.rows(), c, g.a_bias);
    each_part(s.rows(), [&](int first, int n) {
        const size_t at = size_t(first) * c;
        weight_gradient(grad_a + at, c, inner.x + at, c, n, scratch.left, scratch.right, g.a);
        multiply(grad_a + at, n, c, c, packed.a, [&](int row, int column, const float* block) {
            each16(row, column, block, [&](__m512 v, int r, int k) {
                float* to = grad_x + at + size_t(r) * c + k;
                _mm512_storeu_ps(to, _mm512_add_ps(v, _mm512_loadu_ps(to)));
            });
        });
    });
}

constexpr int LINEAR_ROWS = 256;  // of a chunk

// --------------------------------------------------------------------------------------------------- 3x3 convolution

struct Plane {  // one sample of a 3x3 convolution
    int height, width, inner, columns;  // width, inner and columns: multiples of 32
    int area() const { return height * width; }
};

struct Taps {  // the packed weights of nine taps, one after the other
    const bf16* at[9];
    Taps(const bf16* first, size_t size) {
        for (int i = 0; i < 9; i++) at[i] = first + i * size;
    }
};

// bfloat16 x [height, width, channels] -> [height + 2, width + 2, channels] with zeros around.
bf16* padded(const bf16* x, const Plane& p, int channels, Arena& arena) {
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

// Padded x times nine packed weights; `finish(place, column, float[32][32])` gets 32 positions by 32 columns.
template <class Finish>
void convolve(const bf16* x, const Plane& p, const bf16* const packed[9], Finish finish) {
    alignas(64) float block[32 * 32];
    const int stride = p.inner * 2, step = T * p.inner;
    for (int i = 0; i < p.height; i++)
        for (int j = 0; j < p.width; j += 32)
            for (int c = 0; c < p.columns; c += 32) {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
                for (int tap = 0; tap < 9; tap++) {
                    const bf16* at = x + (size_t(i + tap / 3) * (p.width + 2) + j + tap % 3) * p.inner;
                    const bf16* bt = packed[tap] + size_t(c / 32) * (p.inner / 32) * 2 * TILE;
                    for (int k = 0; k < p.inner; k += 32, at += 32, bt += 2 * TILE) {
                        _tile_loadd(4, at, stride);
                        _tile_loadd(6, bt, 64);
                        _tile_dpbf16ps(0, 4, 6);
                        _tile_loadd(7, bt + TILE, 64);
                        _tile_dpbf16ps(1, 4, 7);
                        _tile_loadd(5, at + step, stride);
                        _tile_dpbf16ps(2, 5, 6);
                        _tile_dpbf16ps(3, 5, 7);
                    }
                }
                _tile_stored(0, block, 128);
                _tile_stored(1, block + 16, 128);
                _tile_stored(2, block + 512, 128);
                _tile_stored(3, block + 528, 128);
                finish(i * p.width + j, c, block);
            }
}

// gradients [9, columns, inner] += those of a sample; x is padded, grad [area, columns] is not.
void convolution_gradients(const bf16* x, const bf16* grad, const Plane& p, float* sums, Arena& arena) {
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

// --------------------------------------------------------------------------------------------------- Newton-Schulz

// bfloat16 x = scale * matrix, or scale * matrix^T.
void scaled(const float* matrix, int rows, int columns, bool flipped, float scale, bf16* x) {
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
void unscaled(const bf16* x, int rows, int columns, bool flipped, float* matrix) {
    for (int r = 0; r < rows; r += T)
        for (int c = 0; c < columns; c += T) {
            __m512i v[T];
            for (int i = 0; i < T; i++)
                v[i] = (__m512i)load(flipped ? x + size_t(c + i) * rows + r : x + size_t(r + i) * columns + c);
            if (flipped) transpose(v);
            for (int i = 0; i < T; i++) _mm512_storeu_ps(matrix + size_t(r + i) * columns + c, (__m512)v[i]);
        }
}

// matrix [rows, columns] in place: x / |x|, then `steps` times x = a x + (b s + c s s) x with s = x x^T.
void orthogonalise(float* matrix, int rows, int columns, int steps, const float coefficients[3], Arena& arena) {
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
        multiply(x, m, k, m, packed, [&](int row, int column, const float* block) {
            each16(row, column, block, [&](__m512 v, int r, int j) { store(s + size_t(r) * m + j, v); });
        });
        pack_rows(s, m, m, packed);
        multiply(s, m, m, m, packed, [&](int row, int column, const float* block) {
            each16(row, column, block, [&](__m512 v, int r, int j) {
                const size_t place = size_t(r) * m + j;
                store(polynomial + place, _mm512_fmadd_ps(c, v, _mm512_mul_ps(b, load(s + place))));
            });
        });
        pack_rows(x, m, k, packed);
        multiply(polynomial, m, m, k, packed, [&](int row, int column, const float* block) {
            each16(row, column, block, [&](__m512 v, int r, int j) {
                const size_t place = size_t(r) * k + j;
                store(next + place, _mm512_fmadd_ps(a, load(x + place), v));
            });
        });
        std::swap(x, next);
    }
    unscaled(x, rows, columns, rows > columns, matrix);
}

// ---------------------------------------------------------------------------------------------------------- contexts

// Splits 0..count, in multiples of `unit`, evenly over the threads: calls body(from, to).
template <class Body>
void share(int count, int unit, int thread, int threads, Body body) {
    int units = count / unit;
    int from = units * thread / threads * unit, to = units * (thread + 1) / threads * unit;
    if (from < to) body(from, to);
}

struct Context {
    explicit Context(int threads) : pool(threads), arenas(threads) {}
    // Calls body(first, thread) for first = 0, step, ... below count; threads take the next when they are done.
    template <class Body>
    void each_chunk(int count, int step, Body body) {
        std::atomic<int> next{0};
        pool.run([&](int thread) {
            configure_tiles();
            for (int first; (first = next.fetch_add(step)) < count;) {
                arenas[thread].reset();
                body(first, thread);
            }
            _tile_release();
        });
    }
    // Room for a sum of `count` numbers per thread, that of thread 0 being `result`.
    std::vector<float*> sums(size_t count, float* result) {
        std::vector<float*> all(pool.size, result);
        for (int i = 1; i < pool.size; i++) all[i] = shared.take<float>(count);
        return all;
    }
    void add_up(size_t count, const std::vector<float*>& sums) {
        if (pool.size == 1) return;
        pool.run([&](int thread) {
            share(static_cast<int>(count), 1, thread, pool.size, [&](int from, int to) {
                for (int i = 1; i < pool.size; i++)
                    for (int j = from; j < to; j++) sums[0][j] += sums[i][j];
            });
        });
    }
    Pool pool;
    Arena shared;
    std::vector<Arena> arenas;
};

void pack_forward(const Sizes& s, const Weights& w, const Packed& out, int thread, int threads) {
    const int c = s.channels, e = s.expanded;
    share(c, 32, thread, threads, [&](int from, int to) {
        pack_transposed(w.a, c, out.a, from, to);
        pack_transposed(w.b, c, out.b, from, to);
        pack_transposed(w.v, e, out.v, from, to);
    });
    share(e, 32, thread, threads, [&](int from, int to) { pack_transposed(w.u, c, out.u, from, to); });
}

void pack_backward(const Sizes& s, const Weights& w, const Packed& out, int thread, int threads) {
    const int c = s.channels, e = s.expanded;
    share(c, 32, thread, threads, [&](int from, int to) {
        pack_plain(w.a, c, c, out.a, from, to);
        pack_plain(w.b, c, c, out.b, from, to);
        pack_plain(w.v, c, e, out.v, from, to);
    });
    share(e, 32, thread, threads, [&](int from, int to) { pack_plain(w.u, e, c, out.u, from, to); });
}

size_t gradient_count(const Sizes& s) {
    return size_t(2) * s.channels * s.channels + size_t(2) * s.channels * s.expanded + 13 * s.channels + s.expanded;
}

Gradients lay_out(float* base, const Sizes& s) {  // in the order of Gradients
    const size_t c = s.channels, e = s.expanded;
    Gradients g;
    g.a = base, g.a_bias = g.a + c * c, g.d = g.a_bias + c, g.d_bias = g.d + 9 * c, g.b = g.d_bias + c;
    g.b_bias = g.b + c * c, g.u = g.b_bias + c, g.u_bias = g.u + e * c, g.v = g.u_bias + e, g.v_bias = g.v + c * e;
    return g;
}

}  // namespace

extern "C" {

// 0 if this process may use the tiles.
int ncodec_request_tiles() {
    constexpr long request_permission = 0x1023, tile_data = 18;
    return static_cast<int>(syscall(SYS_arch_prctl, request_permission, tile_data));
}

void* ncodec_context(int threads) { return new Context(threads); }

void ncodec_forward(void* context, const Sizes* sizes, const Weights* weights, const float* x, float* y,
                    bf16* saved) {
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
        share(columns, 32, thread, ctx.pool.size, [&](int from, int to) { pack_transposed(weight, inner, packed, from, to); });
    });
    ctx.each_chunk(rows, LINEAR_ROWS, [&](int first, int) {
        const int n = std::min(LINEAR_ROWS, rows - first);
        const size_t at = size_t(first) * inner;
        for (size_t i = at; i < at + size_t(n) * inner; i += T) store(saved + i, _mm512_loadu_ps(x + i));
        multiply(saved + at, n, inner, columns, packed, [&](int row, int column, const float* block) {
            each16(row, column, block, [&](__m512 v, int r, int k) {
                _mm512_storeu_ps(y + size_t(first + r) * columns + k, _mm512_add_ps(v, _mm512_loadu_ps(bias + k)));
            });
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
        multiply(grad, n, columns, inner, packed, [&](int row, int column, const float* block) {
            each16(row, column, block,
                   [&](__m512 v, int r, int k) { _mm512_storeu_ps(grad_x + size_t(first + r) * inner + k, v); });
        });
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

// `depth` 3x3 convolutions with zeros around, each followed by a rectifier: bfloat16 x [samples, height, width, channels]
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
            const Taps taps(packed + 9 * square * layer, square);
            convolve(padded(from, plane, channels, ctx.arenas[thread]), plane, taps.at,
                     [&](int place, int column, const float* block) {
                         each16(place, column, block, [&](__m512 v, int r, int k) {
                             v = _mm512_max_ps(_mm512_add_ps(v, _mm512_loadu_ps(bias + k)), zero);
                             store(out + size_t(r) * channels + k, v);
                         });
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
            pack_plain(weights + (i / 9 * 9 + 8 - i % 9) * square, channels, channels, packed + i * square, 0, channels);
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
            const Taps taps(packed + 9 * square * layer, square);
            convolve(padded(passed, plane, channels, arena), plane, taps.at,
                     [&](int place, int column, const float* block) {
                         each16(place, column, block, [&](__m512 v, int r, int k) { store(to + size_t(r) * channels + k, v); });
                     });
        }
    });
    ctx.add_up(count, sums);
}
}
