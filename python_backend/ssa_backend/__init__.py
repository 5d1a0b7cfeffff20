"""What runs inside Triton: model specs, the functions of each step, the embedded server."""
