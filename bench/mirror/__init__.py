"""The mirror on Weights & Biases."""
