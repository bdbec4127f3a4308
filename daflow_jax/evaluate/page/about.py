"""How the numbers were made, and what they cannot say."""

from collections.abc import Iterator, Mapping
from typing import Any

from daflow_jax.evaluate.page.content import Content
from daflow_jax.evaluate.page.headline import swatch
from daflow_jax.evaluate.page.markup import Markup, joined, tag

_FEW = 30  # [choice] clips below which the page warns of percentile intervals
_APART = ("name", "sha256", "params")  # columns of their own in the table of methods


def counted(count: int, word: str) -> str:
    """Returns "1 pair", "2 pairs"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def limits(content: Content) -> Markup:
    """Returns the sentences on how far the numbers can be trusted."""
    kind, data = content.kind, content.record["data"]
    number = data[f"{kind.item}s"]
    first = next(iter(next(iter(content.scores.values())).values()))
    clips = sum(own["clips"] for own in first["datasets"].values()) if "datasets" in first else 0
    clips = clips or number
    said = [f"These are {counted(number, kind.item)} from {counted(clips, 'clip')}."]
    if "datasets" in first:
        left_out = first["left_out_of_averages"]
        said[0] = (f"These are {counted(number, kind.item)} from {counted(clips, 'clip')} in "
                   f"{counted(len(first['datasets']), 'data set')}.")  # fmt: skip
        said += [f"Averages leave out {', '.join(left_out)}."] if left_out else []
    level = f"{first['intervals']['level']:.0%}".replace("%", " %")
    said.append(f"Brackets and bands are {level} bootstrap intervals over clips.")
    if clips < _FEW:
        said.append("With so few clips these intervals tend to be too narrow.")
    failed = len(content.record.get("failures") or ())
    said += [f"{counted(failed, kind.item)} could not be used; see the end."] if failed else []
    return tag("p", " ".join(said), class_="limits")


def section(content: Content) -> Markup:
    """Returns command, date, versions, data, terms, methods and failures."""
    record, data = content.record, content.record["data"]
    facts = {
        "command": tag("code", record["command"]),
        "date": record["date"],
        "data": data["name"],
        "hash of the data": tag("code", data.get("sha256") or "unknown"),
        **{key: str(value) for key, value in (record.get("environment") or {}).items() if value},
    }
    return joined(
        tag("dl", [(tag("dt", key), tag("dd", value)) for key, value in facts.items()]),
        tag("h3", "Methods"),
        _methods(content),
        tag("h3", "Terms of the data"),
        _licences(content),
        _failures(record),
    )


def _methods(content: Content) -> Markup:
    head = ("method", "parameters", "hash of the weights", "options")
    rows = []
    for place, (name, own) in enumerate(content.records.items()):
        params = own.get("params")
        rows.append([
            tag("th", swatch(place), name, scope="row"),
            tag("td", f"{params:,}" if params else "–", class_="number"),
            tag("td", tag("code", own.get("sha256") or "–")),
            tag("td", ", ".join(_options(own)) or "–"),
        ])  # fmt: skip
    table = tag(
        "table",
        tag("caption", "What identifies each method"),
        tag("thead", tag("tr", [tag("th", word, scope="col") for word in head])),
        tag("tbody", [tag("tr", row) for row in rows]),
    )
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Methods")


def _options(own: Mapping[str, Any]) -> Iterator[str]:
    for key, value in own.items():
        if key not in _APART and value not in (None, []):
            yield f"{key} {value}"


def _licences(content: Content) -> Markup:
    known = [tag("li", tag("b", name), f": {text}") for name, text in content.licences.items()]
    text = "What the data say of their terms:" if known else "The data do not state their terms."
    if content.examples:
        text = f"This page shows frames of the data; check the terms before you publish it. {text}"
    return joined(tag("p", text), tag("ul", known) if known else None)


def _failures(record: Mapping[str, Any]) -> Markup | None:
    failures = record.get("failures")
    if not failures:
        return None
    rows = [tag("li", failure["error"]) for failure in failures]
    return joined(tag("h3", "Left out"), tag("ul", rows))


def licences(pairs: Any) -> dict[str, str]:
    """Returns what meta.json of the pairs says of their terms, by data set.

    It is looked for under "licence", "license" and "licence_in_source".
    """
    found: dict[str, list[str]] = {}
    for pair in pairs:
        meta = getattr(pair, "meta", None) or {}
        for key in ("licence", "license", "licence_in_source"):
            if meta.get(key) and str(meta[key]) not in found.setdefault(pair.dataset, []):
                found[pair.dataset].append(str(meta[key]))
    return {name: "; ".join(texts) for name, texts in found.items() if texts}
