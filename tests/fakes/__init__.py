"""Stand-ins for what exists only inside a Triton server."""
