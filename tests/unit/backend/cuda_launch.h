// Follows the kernel's source: launches `vote` as voting_kernel.py does.
#include <thread>
#include <vector>

extern "C" void launch(
    unsigned blocks, unsigned threads, const unsigned short* by_column, const long long* starts,
    const long long* lengths, const long long* first_run, int classes, int* votes, int* owner)
{
    blockDim.x = threads;
    pthread_barrier_init(&barrier, nullptr, threads);
    std::vector<std::thread> running;
    for (unsigned thread = 0; thread < threads; ++thread) {
        running.emplace_back([=] {
            threadIdx.x = thread;
            for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
                vote(by_column, starts, lengths, first_run, classes, votes, owner);
                __syncthreads();  // the next block takes over the shared memory
            }
        });
    }
    for (auto& thread : running) thread.join();
    pthread_barrier_destroy(&barrier);
}
