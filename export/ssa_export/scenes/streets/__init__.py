"""How streets are laid out: what stands where, and in which order it is painted."""
