"""Lines of text as images: glyphs drawn by hand, set in lines, rendered with slant and noise."""
