"""Reports as text: words, numbers, layouts, CSV."""
