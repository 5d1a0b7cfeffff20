// Follows the kernels' source: runs a kernel as a GPU would, block by block.
#include <thread>
#include <vector>

template <typename Kernel>
static void launch(unsigned blocks, unsigned threads, Kernel kernel) {
    blockDim.x = threads;
    pthread_barrier_init(&barrier, nullptr, threads);
    std::vector<std::thread> running;
    for (unsigned thread = 0; thread < threads; ++thread) {
        running.emplace_back([=] {
            threadIdx.x = thread;
            for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
                kernel();
                __syncthreads();  // the next block takes over the shared memory
            }
        });
    }
    for (auto& thread : running) thread.join();
    pthread_barrier_destroy(&barrier);
}
