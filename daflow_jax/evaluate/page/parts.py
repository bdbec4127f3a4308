"""The table of every data set (or clip) under every condition, which can be filtered."""

from collections.abc import Iterator

from daflow_jax.evaluate.page.content import Content, Metric, Summary
from daflow_jax.evaluate.page.headline import sortable, swatch
from daflow_jax.evaluate.page.markup import Markup, joined, tag


def table(content: Content) -> Markup:
    """Returns the filters and the table."""
    kind, names = content.kind, _names(content)
    filters = [
        _filter("condition", "Condition", list(content.scores)),
        _filter("part", kind.part.capitalize(), names),
        _filter("method", "Method", content.methods),
    ]
    metrics = [m for m in kind.part_metrics if any(_known(content, m))]
    counts = kind.part == "data set"
    head = [kind.part, "condition", "method", *([f"{kind.item}s"] if counts else [])]
    head += [f"{m.label}, {m.unit}" if m.unit else m.label for m in metrics]
    rows = [
        row
        for condition in content.scores
        for name in names
        for row in _rows(content, condition, name, metrics, counts)
    ]
    return joined(
        tag("div", filters, tag("output", id="count"), class_="controls script"),
        sortable(f"Each {kind.part}", head, rows, id="parts"),
    )


def _names(content: Content) -> list[str]:
    """Returns the names of all data sets or clips, as they come."""
    own = (s for methods in content.scores.values() for s in methods.values())
    return list(dict.fromkeys(name for summary in own for name in summary[content.kind.parts]))


def _known(content: Content, metric: Metric) -> Iterator[bool]:
    for methods in content.scores.values():
        for summary in methods.values():
            parts = summary[content.kind.parts].values()
            yield any(metric.value(part) is not None for part in parts)


def _filter(name: str, label: str, values: list[str]) -> Markup:
    options = [tag("option", "all", value=""), *(tag("option", v, value=v) for v in values)]
    return tag("label", f"{label} ", tag("select", options, data_filter=name), class_="control")


def _rows(content, condition, name, metrics, counts) -> Iterator[list[Markup]]:
    """Yields a row per method; the best value of each metric is bold."""
    summaries = content.scores[condition]
    own = {m: s[content.kind.parts][name] for m, s in summaries.items()
           if name in s[content.kind.parts]}  # fmt: skip
    best = {m.key: m.best([m.value(part) for part in own.values()]) for m in metrics}
    for method, part in own.items():
        yield [
            tag("th", name, scope="row", data_filter="part", data_value=name),
            tag("td", condition, data_filter="condition", data_value=condition),
            tag(
                "td",
                swatch(content.methods.index(method)),
                method,
                data_filter="method",
                data_value=method,
            ),
            *([_count(part["pairs"])] if counts else []),
            *(_cell(part, metric, best[metric.key]) for metric in metrics),
        ]


def _count(pairs: int) -> Markup:
    return tag("td", pairs, data_value=pairs, class_="number")


def _cell(part: Summary, metric: Metric, best: str | None) -> Markup:
    value, interval = metric.value(part), metric.interval(part)
    if value is None:
        return tag("td", "–", class_="number")
    text = metric.text(value)
    number = tag("strong", text) if text == best else text
    small = tag("small", f" {metric.range_text(interval)}") if interval else None
    return tag("td", number, small, class_="number", data_value=repr(value))
