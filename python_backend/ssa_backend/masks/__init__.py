"""Mask generation: from an image to the masks of everything in it."""
