"""The whole page as one text: no file beside it, no address in it."""

import base64
import hashlib
from importlib import resources

from daflow_jax.evaluate.page import about, curves, headline, parts, viewer
from daflow_jax.evaluate.page.content import Content
from daflow_jax.evaluate.page.markup import Markup, data, joined, tag

_MARKS = (
    "Bold is the best under a condition. After EPE stands the difference from the first method, "
    "{first}, on the same pairs: ▼ clearly below it, ▲ clearly above it, ≈ no clear difference."
)


def document(content: Content) -> str:
    """Returns the page as HTML; only its own script may run, and nothing is fetched."""
    style, script = (_own(name) for name in ("page.css", "page.js"))
    title = f"{content.kind.title} · {content.record['data']['name']}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    body = tag(
        "body",
        _top(content),
        tag("main", _sections(content)),
        data("results", content.record),
        tag("script", Markup(script)),
    )
    return f'<!doctype html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def _own(name: str) -> str:
    return resources.files("daflow_jax.evaluate.page").joinpath(name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


def _top(content: Content) -> Markup:
    kind, record = content.kind, content.record
    number = about.counted(record["data"][f"{kind.item}s"], kind.item)
    methods = about.counted(len(content.methods), "method")
    conditions = about.counted(len(content.scores), "condition")
    facts = [number, methods, conditions, record["date"].replace("T", " ").replace("Z", " UTC")]
    return tag(
        "header",
        tag("p", kind.title, class_="kind"),
        tag("h1", record["data"]["name"]),
        tag("p", " · ".join(facts), class_="facts"),
        about.limits(content),
        headline.verdicts(content),
        class_="top",
    )


def _sections(content: Content) -> Markup:
    kind, first = content.kind, content.methods[0]
    has_marks = any("epe_above_first" in s for own in content.scores.values() for s in own.values())
    marks = tag("p", _MARKS.format(first=first), class_="note") if has_marks else None
    plural = f"{kind.part}s"
    shown = {
        "averages": ("Averages", kind.note, joined(headline.tables(content), marks)),
        "severity": ("Severity", "Clean frames are severity 0.", curves.figures(content)),
        "by-part": (f"By {kind.part}", f"All {plural}, conditions and methods.",
                    parts.table(content)),
        "pairs": ("Pairs to look at", "Chosen by EPE from what averages count; each pair once.",
                  viewer.section(content)),
        "about": ("How this was made", None, about.section(content)),
    }  # fmt: skip
    return joined(
        [
            tag("section", tag("h2", title), tag("p", text, class_="note") if text else None, part,
                id=name)
            for name, (title, text, part) in shown.items()
            if part is not None
        ]
    )  # fmt: skip
