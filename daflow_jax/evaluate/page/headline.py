"""The first screen: who is best under each condition, and the table of all averages."""

from collections.abc import Mapping, Sequence
from typing import Any

from daflow_jax.evaluate.page import scale
from daflow_jax.evaluate.page.content import Content, Metric, Summary
from daflow_jax.evaluate.page.markup import Markup, joined, tag

_MOST_CARDS = 6  # [choice] conditions with a card each; more are counted in a sentence
_MOST_COLUMNS = 8  # [choice] conditions that are columns; of more, each is a row
_MARKS = {"better": "▼", "worse": "▲", "unclear": "≈", "unknown": ""}
_WORDS = {
    "better": "clearly below the first method",
    "worse": "clearly above the first method",
    "unclear": "no clear difference from the first method",
    "unknown": "too few clips for an interval",
}


def verdicts(content: Content) -> Markup:
    """Returns a card per condition; of many conditions, how often each method is best."""
    metric = content.kind.metrics[0]
    leaders = {text: _leader(own, metric) for text, own in content.scores.items()}
    if len(content.scores) > _MOST_CARDS:
        names = [name for name in leaders.values() if name is not None]
        counts = {name: names.count(name) for name in content.methods if name in names}
        parts = [f"{name} under {count}" for name, count in counts.items()]
        text = f"Best {metric.label} under {len(names)} conditions: {', '.join(parts)}."
        return tag("p", text, class_="lead")
    cards = [_card(content, text, name, metric) for text, name in leaders.items() if name]
    return tag("div", cards, class_="cards")


def _leader(summaries: Mapping[str, Summary], metric: Metric) -> str | None:
    known = {name: metric.value(own) for name, own in summaries.items()}
    best = metric.best(list(known.values()))
    return next((n for n, v in known.items() if v is not None and metric.text(v) == best), None)


def _card(content: Content, condition: str, name: str, metric: Metric) -> Markup:
    own = content.scores[condition]
    value, interval = metric.value(own[name]), metric.interval(own[name])
    unit = f" {metric.unit}" if metric.unit else ""
    return tag(
        "article",
        tag("h3", condition),
        tag("p", swatch(content.methods.index(name)), name, class_="who"),
        tag("p", metric.text(value), tag("small", unit), class_="value"),
        tag("p", metric.range_text(interval), class_="range") if interval else None,
        tag("p", _said(content, condition, name)),
        class_="card",
    )


def _said(content: Content, condition: str, name: str) -> str | None:
    """Returns how sure it is that the best method is better, from paired differences."""
    first, own = content.methods[0], content.scores[condition]
    differences = {m: s["epe_above_first"] for m, s in own.items() if "epe_above_first" in s}
    if not differences:
        return None
    if name != first:
        how = difference_class(differences[name])
        ends = {
            "better": f"Clearly below {first}.",
            "unclear": f"The difference from {first} may be chance.",
        }
        return ends.get(how, f"Too few clips to say whether it is below {first}.")
    close = [m for m, found in differences.items() if difference_class(found) == "unclear"]
    if any(difference_class(found) == "unknown" for found in differences.values()):
        return "Too few clips to say whether its lead is chance."
    if close:
        return f"Its lead over {' and '.join(close)} may be chance."
    return "Clearly below all others."


def difference_class(found: Mapping[str, Any]) -> str:
    """Returns "better", "worse" or "unclear" of a paired difference, "unknown" without interval."""
    interval = found["interval"]
    if interval is None:
        return "unknown"
    return "better" if interval[1] < 0 else "worse" if interval[0] > 0 else "unclear"


def tables(content: Content) -> Markup:
    """Returns the table of methods and conditions, one for each metric."""
    shown = [tag("option", f"{m.label}, {m.unit}" if m.unit else m.label, value=m.key)
             for m in content.kind.metrics]  # fmt: skip
    chooser = tag("label", "Metric ", tag("select", shown, id="metric"), class_="control script")
    return joined(chooser, [_table(content, metric) for metric in content.kind.metrics])


def _table(content: Content, metric: Metric) -> Markup:
    conditions, methods = list(content.scores), content.methods
    summaries = [own.get(m) for own in content.scores.values() for m in methods]
    ends = [end for own in summaries for end in metric.interval(own) or [metric.value(own)]]
    axis = scale.of(ends, from_zero=not metric.higher_is_better)
    best = {c: metric.best([metric.value(s) for s in content.scores[c].values()])
            for c in conditions}  # fmt: skip

    def cell(condition, name):
        return _cell(content.scores[condition].get(name), metric, best[condition], axis, name,
                     methods)  # fmt: skip

    if len(conditions) > _MOST_COLUMNS:
        head = ["condition", *methods]
        rows = [[tag("th", c, scope="row"), *(cell(c, m) for m in methods)] for c in conditions]
    else:
        head = ["method", *conditions]
        rows = [
            [tag("th", swatch(k), m, scope="row"), *(cell(c, m) for c in conditions)]
            for k, m in enumerate(methods)
        ]
    unit = f", {metric.unit}" if metric.unit else ""
    caption = f"{metric.label}{unit} by method and condition"
    return sortable(caption, head, rows, data_metric=metric.key)


def _cell(summary: Summary | None, metric, best, axis, name, methods) -> Markup:
    """Returns a value, its interval drawn and written, and its difference from the first."""
    value, interval = metric.value(summary), metric.interval(summary)
    if summary is None or value is None:
        return tag("td", "–", class_="number")
    is_best = metric.text(value) == best
    number = tag("strong" if is_best else "span", metric.text(value))
    hidden = tag("span", ", best", class_="unseen") if is_best else None
    found = summary.get("epe_above_first") if metric.key == "epe" else None
    return tag(
        "td",
        tag("div", number, hidden, _difference(found, metric), class_="reading"),
        _track(value, interval, axis, methods.index(name)),
        tag("small", metric.range_text(interval)) if interval else None,
        class_="number best" if is_best else "number",
        data_value=repr(value),
    )


def _difference(found: Mapping[str, Any] | None, metric: Metric) -> Markup | None:
    if found is None or found["mean"] is None:
        return None
    how = difference_class(found)
    text = f"{_MARKS[how]} {metric.text(found['mean'], signed=True)}".strip()
    title = " ".join([_WORDS[how], metric.range_text(found["interval"])]).strip()
    return tag("span", text, tag("span", f" {_WORDS[how]}", class_="unseen"), title=title,
               class_=f"difference {how}")  # fmt: skip


def _track(value: float | int, interval: Any, axis: scale.Scale, colour: int) -> Markup:
    """Returns the value as a dot and its interval as a line, on the axis of the whole table."""
    low, high = (4 + 112 * axis.at(end) for end in interval or (value, value))
    middle = f"{4 + 112 * axis.at(value):.1f}"
    return tag(
        "svg",
        tag("path", d="M0 6H120", class_="rail"),
        tag("path", d=f"M{low:.1f} 6H{high:.1f}", class_=f"span {colour_class(colour)}"),
        tag("circle", cx=middle, cy=6, r=3.5, class_=f"dot {colour_class(colour)}"),
        viewBox="0 0 120 12",
        aria_hidden="true",
        class_="track",
    )


def sortable(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[Markup]], **attributes: Any
) -> Markup:
    """Returns a table whose headers become buttons that sort; it scrolls sideways by itself.

    Args:
        rows: of cells; a cell sorts by its `data-value`, else by its text.
    """
    heads = tag("tr", [tag("th", name, scope="col") for name in head])
    body = [tag("tr", row) for row in rows]
    table = tag("table", tag("caption", caption), tag("thead", heads), tag("tbody", body),
                class_="sortable", **attributes)  # fmt: skip
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


def colour_class(place: int) -> str:
    """Returns the class of the colour of the method at a place; after eight they come again."""
    return f"c{place % 8}" if place < 8 else f"c{place % 8} again"


def swatch(place: int) -> Markup:
    """Returns the mark that shows the colour of a method beside its name."""
    return tag("span", class_=f"swatch {colour_class(place)}", aria_hidden="true")
