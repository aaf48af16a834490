"""Hand-written kernels: all steps of a layer at once, exactly, where torch's own are slow."""
