"""HTML whose text is escaped: what is not `Markup` cannot become an element."""

import html
import json
from typing import Any

from daflow_jax import errors

_VOID = ("img", "input", "meta")  # elements without an end


class Markup(str):
    """Text that is HTML already."""


def tag(element: str, *children: Any, **attributes: Any) -> Markup:
    """Returns an element. Children are text, `Markup`, None (nothing) or sequences of those.

    Attributes are written `class_`, `data_value`, `aria_label`; None leaves one out, True has no
    value.
    """
    parts = []
    for key, value in attributes.items():
        name = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(f" {name}")
        elif value is not None and value is not False:
            parts.append(f' {name}="{escaped(value)}"')
    start = f"<{element}{''.join(parts)}>"
    return Markup(start if element in _VOID else f"{start}{joined(*children)}</{element}>")


def joined(*children: Any) -> Markup:
    """Returns children one after the other, text escaped."""
    parts = []
    for child in children:
        if isinstance(child, list | tuple):
            parts.append(joined(*child))
        elif child is not None:
            parts.append(child if isinstance(child, Markup) else escaped(child))
    return Markup("".join(parts))


def escaped(text: Any) -> str:
    """Returns text for an element or an attribute; control characters are shown as escapes."""
    return html.escape(errors.one_line(str(text)))


def data(name: str, value: Any) -> Markup:
    """Returns a value as JSON for scripts and people; no text in it can end the element."""
    text = json.dumps(value, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{name}">{text}</script>')
