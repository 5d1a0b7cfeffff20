"""The Python steps as Triton sees them: each adapts requests to one function of `ssa_backend`.

Only Triton imports these modules: they need `triton_python_backend_utils`.
"""
