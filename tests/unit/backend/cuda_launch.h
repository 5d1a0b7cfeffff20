// Follows the kernels' source: launches them as voting_kernel.py does.
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

extern "C" void launch_vote(
    unsigned blocks, unsigned threads, const unsigned short* by_column, const long long* starts,
    const long long* lengths, const long long* first_run, int classes, int* votes)
{
    launch(blocks, threads, [=] { vote(by_column, starts, lengths, first_run, classes, votes); });
}

extern "C" void launch_top(
    unsigned blocks, unsigned threads, const long long* starts, const long long* lengths,
    const long long* first_run, int* top_mask)
{
    launch(blocks, threads, [=] { top(starts, lengths, first_run, top_mask); });
}
