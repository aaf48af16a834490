"""Gradient flow, credit and Jacobians of a model."""
