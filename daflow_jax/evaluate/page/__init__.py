"""One HTML file of an evaluation to look at: tables that sort, curves, pairs with a slider.

`Results.page(file)` and `daflow eval --report FILE.html` write it. It needs no server and no
network; pictures, style and script lie in it. Every name in it is escaped.
"""

from pathlib import Path

from daflow_jax.evaluate.page.content import Content
from daflow_jax.evaluate.page.document import document


def write(file: str | Path, content: Content) -> None:
    """Writes the page whole or not at all."""
    from daflow_jax.io import atomic

    atomic.write_text(file, document(content))
