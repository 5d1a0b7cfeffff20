// Lets g++ compile a CUDA kernel: the threads of a block are real threads, blocks run in turn.
#include <pthread.h>

#define __global__
#define __device__
#define __shared__

struct Index { unsigned x; };
static thread_local Index threadIdx, blockIdx;
static Index blockDim;
static pthread_barrier_t barrier;

int counts[1 << 16];  // what the launch gives as dynamic shared memory, here for one block at a time

[[maybe_unused]] static void __syncthreads() { pthread_barrier_wait(&barrier); }

[[maybe_unused]] static int atomicAdd(int* address, int value) {
    return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);
}

[[maybe_unused]] static int atomicMax(int* address, int value) {
    int old = __atomic_load_n(address, __ATOMIC_SEQ_CST);
    while (old < value && !__atomic_compare_exchange_n(
        address, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
    return old;
}
