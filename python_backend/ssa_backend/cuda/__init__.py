"""The GPU's side of the steps: CUDA kernels, and what launches them.

Arrays on a GPU are CuPy's. CuPy is imported only where such an array is at hand.
"""
