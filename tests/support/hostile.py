"""Text that a terminal obeys, that hides, that no format holds, or that a format takes for more than text."""

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07red",
    "\x9b31m",
    "lone \ud800 surrogate \udcff",
    "turned \u202egpj.exe \u2066x",
    "hidden\u200b\ufeff\U000e0041",
    "lines\u2028and\u2029\x85\x0b",
    "nul\x00bell\x07back\x08\r",
    "\uffff\ufffe",
    '=HYPERLINK("http://x")',
    "<script>alert(1)</script> | ` [x](y) \\end{tabular}",
    "a\nb",
    "x" * 100_000,
)


def is_safe(text: str) -> bool:
    """Whether a terminal shows all of it as it is."""
    return all(letter.isprintable() or letter in "\n\t" for letter in text)
