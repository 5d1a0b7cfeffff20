"""Everything that stands in a scene, each drawn in metres on a `Frame`."""
