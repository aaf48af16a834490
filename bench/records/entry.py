"""A name with options, as it is written on a command line."""

from __future__ import annotations

from dataclasses import dataclass

IN_A_FILE = (
    "A value with a comma or a colon goes into a file for --config, "
    'as in tasks = [{name = "char_lm", corpus = "/a,b.txt"}]'
)
Value = bool | int | float | str | None | tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """A name with options as the user wrote them: `lstm:layers=2`, or `package.module:Class:width=3`."""

    name: str
    options: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Entry:
        """Read `name:key=value:…`. A second part without `=` belongs to the name (an import path's class). A colon in a
        value is written `%3A`.

        Raises:
            ValueError: an empty name, or an option without `=`.
        """
        name, *parts = text.strip().split(":")
        if parts and "=" not in parts[0]:
            name = f"{name}:{parts.pop(0)}"
        options = []
        for part in parts:
            key, equals, value = part.partition("=")
            if not (key and equals):
                raise ValueError(f"cannot read option {part!r} in {text!r}: write name:option=value. {IN_A_FILE}")
            options.append((key.strip(), value.replace("%3A", ":").replace("%253A", "%3A")))
        if not name.strip(":"):
            raise ValueError(f"an empty name in {text!r}: write name or name:option=value")
        return cls(name, tuple(options))

    @property
    def text(self) -> str:
        """The entry as it is written on the command line, options sorted by name."""
        return ":".join([self.name, *(f"{key}={written(value)}" for key, value in sorted(self.options))])

    def __str__(self) -> str:
        return self.text


def written(value: Value) -> str:
    """Return a value as it is written on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return "none" if value is None else str(value).replace("%3A", "%253A").replace(":", "%3A")
