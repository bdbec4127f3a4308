"""Curves as SVG text: one panel a figure, logarithmic height, nothing but the standard library."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

WIDTH, HEIGHT, MARGIN = 460, 300, 46
COLOURS = ("#000000", "#bbbbbb", "#1b6ca8", "#d1495b", "#2e933c", "#e2a72e", "#7b4fa3", "#3fb8af")


class Panel(NamedTuple):
    """One figure: curves by name, those of further seeds grey."""

    title: str
    lines: Mapping[str, Sequence[float]]


def svg(panels: Sequence[Panel]) -> str:
    """Returns the picture with the panels side by side."""
    width = WIDTH * len(panels)
    body = "\n".join(_panel(panel, i * WIDTH) for i, panel in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" '
        f'width="{width}" height="{HEIGHT}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="{width}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _panel(panel: Panel, left: float) -> str:
    values = [math.log10(v) for line in panel.lines.values() for v in line if v > 0]
    low, high = min(values), max(values)
    length = max(len(line) for line in panel.lines.values()) - 1
    inner = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN

    def place(i, value):
        x = left + MARGIN + inner[0] * i / max(length, 1)
        y = HEIGHT - MARGIN - inner[1] * (math.log10(value) - low) / max(high - low, 1e-9)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<text x="{left + MARGIN}" y="22" font-size="13">{panel.title}: loss by step</text>',
        f'<rect x="{left + MARGIN}" y="{MARGIN}" width="{inner[0]}" height="{inner[1]}" '
        'fill="none" stroke="#999"/>',
    ]
    for share in (0, 0.5, 1):
        y = HEIGHT - MARGIN - inner[1] * share
        value = 10 ** (low + share * (high - low))
        parts.append(f'<text x="{left + 4}" y="{y + 4:.0f}">{value:.3g}</text>')
        x, step = left + MARGIN + inner[0] * share, round(share * length)
        parts.append(f'<text x="{x - 10:.0f}" y="{HEIGHT - MARGIN + 16}">{step}</text>')
    for number, (name, line) in enumerate(panel.lines.items()):
        colour = COLOURS[1] if "seed" in name else COLOURS[(number > 0) * (number - 1) % 8]
        points = " ".join(place(i, v) for i, v in enumerate(line) if i % 4 == 0 and v > 0)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'
        )
        x = left + WIDTH - MARGIN - 120
        y = MARGIN + 14 + 13 * number
        parts.append(f'<text x="{x}" y="{y}" fill="{colour}">{name}</text>')
    return "\n".join(parts)
