// The class of every pixel, and the votes of the pixels inside every mask: see voting.py.

// What a pixel lies between along one axis.
struct Tap {
    int low, high;
    float fraction;
};

// Grows K logit maps bilinearly and keeps the largest class. A thread makes one pixel: neighbouring
// threads read the same logits and write side by side, in a map laid out column by column.
extern "C" __global__ void classes(
    const float* logits,          // [K, low_height, low_width]
    const int count,              // K
    const int low_height,
    const int low_width,
    const int* row_low,           // [height] each axis' taps, see `interpolation.Taps`
    const int* row_high,
    const float* row_fraction,
    const int height,
    const int* column_low,        // [width]
    const int* column_high,
    const float* column_fraction,
    const int width,
    unsigned short* by_column)    // [width, height]
{
    const long long pixel = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= (long long)width * height) return;
    const int x = pixel / height, y = pixel % height;
    const Tap row = {row_low[y], row_high[y], row_fraction[y]};
    const Tap column = {column_low[x], column_high[x], column_fraction[x]};
    const float* top = logits + (long long)row.low * low_width;
    const float* bottom = logits + (long long)row.high * low_width;
    float best = 0;
    int winner = -1;
    for (int k = 0; k < count; ++k) {
        const long long map = (long long)k * low_height * low_width;
        const float left = top[map + column.low] * (1 - row.fraction)
            + bottom[map + column.low] * row.fraction;
        const float right = top[map + column.high] * (1 - row.fraction)
            + bottom[map + column.high] * row.fraction;
        const float score = left * (1 - column.fraction) + right * column.fraction;
        if (winner < 0 || score > best) {
            best = score;
            winner = k;
        }
    }
    by_column[pixel] = winner;
}

// One block a mask; a warp takes a run, its lanes the pixels. Counts in shared memory.
extern "C" __global__ void vote(
    const unsigned short* by_column,  // [width * height] class ids, column by column
    const long long* starts,          // [R] first pixel of each run
    const long long* lengths,         // [R]
    const long long* first_run,       // [N + 1] runs of mask i: first_run[i] .. first_run[i + 1]
    const int classes,
    int* votes)                       // [N, classes]
{
    extern __shared__ int counts[];
    const int mask = blockIdx.x;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) counts[k] = 0;
    __syncthreads();

    const int lane = threadIdx.x % 32;
    const int warps = blockDim.x / 32;
    const long long end = first_run[mask + 1];
    for (long long run = first_run[mask] + threadIdx.x / 32; run < end; run += warps) {
        for (long long i = lane; i < lengths[run]; i += 32) {
            atomicAdd(&counts[by_column[starts[run] + i]], 1);
        }
    }
    __syncthreads();
    for (int k = threadIdx.x; k < classes; k += blockDim.x) {
        votes[(long long)mask * classes + k] = counts[k];
    }
}

// Each pixel remembers the last mask (the smallest, as masks come by area) that covers it.
extern "C" __global__ void top(
    const long long* starts,
    const long long* lengths,
    const long long* first_run,
    int* top_mask)                    // [width * height] last mask over each pixel, -1 for none
{
    const int mask = blockIdx.x;
    const int lane = threadIdx.x % 32;
    const int warps = blockDim.x / 32;
    const long long end = first_run[mask + 1];
    for (long long run = first_run[mask] + threadIdx.x / 32; run < end; run += warps) {
        for (long long i = lane; i < lengths[run]; i += 32) {
            atomicMax(&top_mask[starts[run] + i], mask);
        }
    }
}
