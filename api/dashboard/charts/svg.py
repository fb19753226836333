"""Elements of inline SVG: text and attributes are always escaped, looks are classes of the stylesheet."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """Write one element: in names of attributes `_` stands for `-`, and a trailing one is dropped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup(f"<{name}{written}>") + inside + Markup(f"</{name}>")  # noqa: S704 - every part is escaped above


def group(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def share(value: float) -> str:
    """A fraction as a percentage of the surrounding box."""
    return f"{value * 100:.3f}%"


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"
