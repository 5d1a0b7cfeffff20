// Masks from logits to runs, the twin of masks/tracing.py: see there for what is computed and why.
// Float arithmetic is done in the same order, so that both find the same pixels.

// Three logits side by side, as one column of pixels sees them.
struct Line {
    float value;
    bool inside, outside;  // all three above the highest threshold; none above the lowest
};

__device__ static Line read_line(
    const float* logits, const float* weights, const float low, const float high)
{
    const float a = logits[0], b = logits[1], c = logits[2];
    return {
        weights[0] * a + weights[1] * b + weights[2] * c,
        a > high && b > high && c > high,
        a <= low && b <= low && c <= low,
    };
}

// A thread follows one column of one mask, top to bottom: neighbouring threads read the same logits
// and go the same way. Launched twice, as room for edges is given only when their number is known.
extern "C" __global__ void trace(
    const float* logits,          // [N, size, size]
    const int masks,              // N
    const int size,
    const int* first_of_column,   // [width] first of the three logits that a column is a mean of
    const float* column_weights,  // [width, 3]
    const int width,
    const int* row_starts,        // [size - 1] the pixels whose first logit is i: [i], up to [i + 1]
    const float* row_weights,     // [height, 3]
    const float low,
    const float middle,
    const float high,
    const long long x0,           // column of the crop's first pixel in the image
    const long long y0,           // row of it
    const long long image_height,
    const int writing,            // 0 to count, 1 to write
    int* n_edges,                 // [N, width], written when counting
    int* above,                   // [N, 2] pixels above low and high, added to when counting
    const long long* offsets,     // [N, width] where each column's edges go
    long long* edges)             // first and end of every run in turn, as column-major flat indices
{
    const long long column = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= (long long)masks * width) return;
    const int mask = column / width, x = column % width;
    const float* at = logits + (long long)mask * size * size + first_of_column[x];
    const float* weights = column_weights + 3 * x;
    const long long base = (x0 + x) * image_height + y0;
    long long* out = writing ? edges + offsets[column] : nullptr;

    int count = 0, n_low = 0, n_high = 0;
    bool within = false;  // a run
    Line a = read_line(at, weights, low, high);
    Line b = read_line(at + size, weights, low, high);
    for (int i = 0; i < size - 2; ++i, at += size) {
        const Line c = read_line(at + 2 * size, weights, low, high);
        const int begin = row_starts[i], end = row_starts[i + 1];
        const bool inside = (a.inside && b.inside && c.inside)
            || (a.value > high && b.value > high && c.value > high);
        const bool outside = (a.outside && b.outside && c.outside)
            || (a.value <= low && b.value <= low && c.value <= low);
        for (int y = begin; y < end; ++y) {
            bool is_low = inside, is_middle = inside, is_high = inside;
            if (!inside && !outside) {
                const float* w = row_weights + 3 * y;
                const float value = w[0] * a.value + w[1] * b.value + w[2] * c.value;
                is_low = value > low;
                is_middle = value > middle;
                is_high = value > high;
            }
            const int pixels = inside || outside ? end - begin : 1;
            n_low += is_low * pixels;
            n_high += is_high * pixels;
            if (is_middle != within) {
                if (out) out[count] = base + y;
                ++count;
                within = is_middle;
            }
            y += pixels - 1;
        }
        a = b;
        b = c;
    }
    if (within) {
        if (out) out[count] = base + row_starts[size - 2];
        ++count;
    }
    if (!writing) {
        n_edges[column] = count;
        atomicAdd(&above[2 * mask], n_low);
        atomicAdd(&above[2 * mask + 1], n_high);
    }
}
