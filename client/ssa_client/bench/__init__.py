"""How fast a running server is, and where its time goes: `ssa bench`."""
