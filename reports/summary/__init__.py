"""Groups of cells and what may be said of them: the only place of statistics."""
