// A small thread pool: OpenMP would fight torch's runtime and busy-wait on shared machines.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <pthread.h>

namespace avrec {

class Pool {
  public:
    static Pool &instance() {
        static const int registered = pthread_atfork(nullptr, nullptr, [] { pool() = nullptr; });
        (void)registered;
        if (!pool()) pool() = new Pool;  // never destroyed: its threads may outlive static destruction
        return *pool();
    }

    int size() const { return threads_; }

    void resize(int threads) {
        std::lock_guard<std::mutex> guard(call_);
        stop();
        start(threads < 1 ? 1 : threads);
    }

    // Runs task(i, worker) for i in [0, count), each once, in any order on any thread. Results must not depend on either.
    template <class Task> void run(int count, const Task &task) {
        if (count <= 0) return;
        std::lock_guard<std::mutex> guard(call_);
        if (threads_ == 1 || count == 1) {
            for (int i = 0; i < count; ++i) task(i, 0);
            return;
        }
        next_.store(0);
        count_ = count;
        task_ = [&task](int i, int worker) { task(i, worker); };
        {
            std::lock_guard<std::mutex> lock(mutex_);
            ++generation_;
            busy_ = threads_ - 1;
        }
        wake_.notify_all();
        work(0);
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return busy_ == 0; });
    }

  private:
    // A forked child inherits the object without its threads, so it starts with a pool of its own.
    static Pool *&pool() {
        static Pool *instance = nullptr;
        return instance;
    }

    Pool() {
        const unsigned cores = std::thread::hardware_concurrency();
        start(cores ? (int)cores : 1);
    }

    void start(int threads) {
        threads_ = threads;
        quit_ = false;
        for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i, seen = generation_]() mutable { loop(i, seen); });
    }

    void stop() {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            quit_ = true;
        }
        wake_.notify_all();
        for (auto &worker : workers_) worker.join();
        workers_.clear();
    }

    void loop(int worker, uint64_t seen) {
        for (;;) {
            {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [&] { return quit_ || generation_ != seen; });
                if (quit_) return;
                seen = generation_;
            }
            work(worker);
            std::lock_guard<std::mutex> lock(mutex_);
            if (--busy_ == 0) done_.notify_one();
        }
    }

    void work(int worker) {
        for (int i; (i = next_.fetch_add(1)) < count_;) task_(i, worker);
    }

    int threads_ = 1, count_ = 0, busy_ = 0;
    bool quit_ = false;
    uint64_t generation_ = 0;
    std::atomic<int> next_{0};
    std::function<void(int, int)> task_;
    std::mutex call_, mutex_;
    std::condition_variable wake_, done_;
    std::vector<std::thread> workers_;
};

}  // namespace avrec
