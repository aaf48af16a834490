"""Where real corpora come from."""
