"""From a sweep to stored results."""
