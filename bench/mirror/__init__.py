"""The mirror of cells on Weights & Biases: where it goes, what it sends, and its dashboard."""
