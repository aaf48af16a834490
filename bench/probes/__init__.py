"""What is measured inside a model: gradient flow, credit, Jacobians, and what its answers depend on."""
