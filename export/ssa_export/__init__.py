"""From a published checkpoint to a model repository that Triton serves."""
