"""Curves of the main metric against severity, drawn as SVG in the page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from daflow_jax.evaluate.page import scale
from daflow_jax.evaluate.page.content import Content, Interval, Metric
from daflow_jax.evaluate.page.headline import colour_class
from daflow_jax.evaluate.page.markup import Markup, joined, tag

_WIDTH, _HEIGHT = 400, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 118, 12, 36  # room around the drawing for words
_LONGEST = 14  # characters of a name beside its curve
_LINE = 14.0  # between names beside curves


class Point(NamedTuple):
    """The average of a method at a severity."""

    severity: float
    value: float
    interval: Interval


def figures(content: Content) -> Markup | None:
    """Returns a figure per recipe that was run at several severities, None without any.

    Clean frames are severity 0 of every recipe.
    """
    recipes: dict[str, dict[float, str]] = {}
    clean = {severity: text for text, (name, severity) in content.conditions.items()
             if name == "clean"}  # fmt: skip
    for text, (name, severity) in content.conditions.items():
        if name != "clean":
            recipes.setdefault(name, dict(clean))[severity] = text
    several = {name: own for name, own in recipes.items() if len(own.keys() - clean.keys()) > 1}
    if not several:
        return None
    return tag("div", [_figure(content, *item) for item in several.items()], class_="curves")


def _figure(content: Content, recipe: str, conditions: Mapping[float, str]) -> Markup:
    metric = content.kind.metrics[0]
    lines = {m: list(_points(content, m, conditions, metric)) for m in content.methods}
    lines = {name: points for name, points in lines.items() if points}
    told = "; ".join(
        f"{name} " + ", ".join(f"{metric.text(p.value)} at {p.severity:g}" for p in points)
        for name, points in lines.items()
    )
    return tag(
        "figure",
        tag("figcaption", recipe.replace("_", " ")),
        tag(
            "svg",
            _drawing(lines, metric, content.methods),
            viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
            role="img",
            aria_label=f"{metric.label} against severity of {recipe}: {told}",
        ),
    )


def _points(content, method, conditions, metric) -> Iterator[Point]:
    for severity in sorted(conditions):
        summary = content.scores[conditions[severity]].get(method)
        value = metric.value(summary)
        if value is not None:
            yield Point(severity, value, metric.interval(summary))


def _drawing(lines: Mapping[str, Sequence[Point]], metric: Metric, methods) -> Markup:
    every = [point for points in lines.values() for point in points]
    ends = [end for p in every for end in (p.value, *(p.interval or ()))]
    up = scale.of(ends, from_zero=not metric.higher_is_better)
    severities = sorted({point.severity for point in every})
    across = scale.Scale(severities[0], max(severities[-1], severities[0] + 1))

    def x(severity):
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * across.at(severity)

    def y(value):
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * up.at(value)

    drawn = [_axes(metric, up, severities, x, y)]
    order = [(methods.index(name), name, points) for name, points in lines.items()]
    drawn += [_band(points, colour_class(k), x, y) for k, _, points in order]
    drawn += [_curve(name, points, metric, colour_class(k), x, y) for k, name, points in order]
    drawn += _labels([(y(points[-1].value), k, name) for k, name, points in order])
    return joined(drawn)


def _axes(metric, up, severities, x, y) -> Markup:
    right = _WIDTH - _RIGHT
    parts = []
    for tick in up.ticks():
        parts.append(tag("path", d=f"M{_LEFT} {y(tick):.1f}H{right}", class_="grid"))
        parts.append(_text(f"{tick:g}", _LEFT - 7, y(tick) + 4, "end"))
    parts += [_text(f"{s:g}", x(s), _HEIGHT - _BOTTOM + 17, "middle") for s in severities]
    unit = f", {metric.unit}" if metric.unit else ""
    kind = " (log)" if up.is_log else ""
    middle = (_LEFT + right) / 2
    parts.append(_text("severity", middle, _HEIGHT - 3, "middle"))
    high = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        tag("text", f"{metric.label}{unit}{kind}", transform=f"translate(11 {high}) rotate(-90)",
            text_anchor="middle")
    )  # fmt: skip
    return joined(parts)


def _text(text: str, x: float | int, y: float | int, anchor: str) -> Markup:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def _band(points, colour, x, y) -> Markup | None:
    """Returns the area between the ends of the intervals, where two neighbours know theirs."""
    known = [point for point in points if point.interval]
    if len(known) < 2:
        return None
    edge = [(x(p.severity), y(p.interval[1])) for p in known]
    edge += [(x(p.severity), y(p.interval[0])) for p in reversed(known)]
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in edge)
    return tag("path", d=f"M{path}Z", class_=f"band {colour}")


def _curve(name, points, metric, colour, x, y) -> Markup:
    path = "L".join(f"{x(p.severity):.1f} {y(p.value):.1f}" for p in points)
    dots = [
        tag(
            "circle",
            tag("title", f"{name}, severity {p.severity:g}: {metric.text(p.value)} "
                f"{metric.unit} {metric.range_text(p.interval)}".rstrip()),
            cx=f"{x(p.severity):.1f}",
            cy=f"{y(p.value):.1f}",
            r=4,
            class_=f"dot {colour}",
        )
        for p in points
    ]  # fmt: skip
    return joined(tag("path", d=f"M{path}", class_=f"line {colour}"), dots)


def _labels(ends: Sequence[tuple[float, int, str]]) -> Iterator[Markup]:
    """Yields the names at the ends of their curves, moved apart where they would overlap."""
    places, last = [], -_LINE
    for high, _, _ in sorted(ends):
        last = max(high, last + _LINE)
        places.append(last)
    below = places[-1] - (_HEIGHT - _BOTTOM) if places else 0
    for k in reversed(range(len(places))) if below > 0 else ():
        limit = _HEIGHT - _BOTTOM if k == len(places) - 1 else places[k + 1] - _LINE
        places[k] = min(places[k], limit)
    left = _WIDTH - _RIGHT + 9
    for high, (_, k, name) in zip(places, sorted(ends), strict=True):
        short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        yield tag("circle", cx=left + 3, cy=f"{high:.1f}", r=3.5, class_=f"dot {colour_class(k)}")
        yield _text(short, left + 11, high + 4, "start")
