"""What runs inside Triton: model specs, the pure functions of each step, and the embedded server."""
