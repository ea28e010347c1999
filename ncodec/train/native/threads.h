// Threads, their scratch memory, and how work is shared among them.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "products.h"

namespace ncodec {

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
            begin_products();
            for (int first; (first = next.fetch_add(step)) < count;) {
                arenas[thread].reset();
                body(first, thread);
            }
            end_products();
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

}  // namespace ncodec
