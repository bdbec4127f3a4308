"""Pairs side by side, and the slider that wipes from one picture of a pair to another."""

from collections.abc import Mapping

from daflow_jax.evaluate.page import thumbnails
from daflow_jax.evaluate.page.content import Content, Example
from daflow_jax.evaluate.page.headline import swatch
from daflow_jax.evaluate.page.markup import Markup, joined, tag

_COMMON = {"first": "degraded frame", "second": "next frame", "truth": "true flow"}


def section(content: Content) -> Markup | None:
    """Returns an article per example, None without any."""
    if not content.examples:
        return None
    encoded = thumbnails.encode(content.examples)
    articles = [
        _article(content, example, pictures, number)
        for number, (example, pictures) in enumerate(zip(content.examples, encoded), 1)
        if pictures
    ]
    return joined(_legend(), articles)


def _legend() -> Markup:
    return tag(
        "div",
        tag("img", src=thumbnails.wheel(), alt="colour wheel of flow", width=64, height=64),
        tag("p", "Flow: the colour is the direction, its strength the speed; white stands still, "
            "black is unknown."),
        tag("span", class_="ramp", role="img", aria_label="black, red, yellow, white"),
        tag("p", "Error: black is none, white is the speed of full colour or more, blue-grey is "
            "unknown. Flow and errors of a pair share one scale."),
        class_="legend",
    )  # fmt: skip


def _article(content: Content, example: Example, pictures: Mapping, number: int) -> Markup:
    first = content.methods[0]
    facts = [example.dataset, example.degradation]
    facts += [] if example.scale is None else [f"full colour = {example.scale:.1f} px"]
    label = f"pair {number}"
    return tag(
        "article",
        tag("header", tag("h3", example.name), tag("p", " · ".join(facts)),
            tag("p", f"{example.reason}.", class_="why")),
        tag("div", [_choice(content, example, m, m == first) for m in content.methods],
            class_="choices", role="group", aria_label=f"Method shown for {label}"),
        tag("div", tag("div", _figures(content, example, pictures), class_="strip"),
            _wipe(content, example, label), class_="views"),
        class_="example",
        id=f"pair-{number}",
    )  # fmt: skip


def _choice(content: Content, example: Example, name: str, pressed: bool) -> Markup:
    return tag(
        "button",
        swatch(content.methods.index(name)),
        name,
        tag("b", f"{example.epe[name]:.2f} px"),
        type="button",
        data_method=name,
        aria_pressed=str(pressed).lower(),
    )


def _figures(content: Content, example: Example, pictures: Mapping) -> list[Markup]:
    kinds = dict(_COMMON, first="frame" if example.degradation == "clean" else "degraded frame")
    found = [
        _figure(pictures[what, ""], words, f"{words} of {example.name}", what)
        for what, words in kinds.items()
        if (what, "") in pictures
    ]
    for name in content.methods:
        for what in ("flow", "error"):
            if (what, name) not in pictures:
                continue
            words = f"{what} of {name}" if what == "flow" else f"its error, {name}"
            alt = f"{what} of {name} on {example.name}, EPE {example.epe[name]:.2f} px"
            found.append(_figure(pictures[what, name], words, alt, f"{what}:{name}", name))
    return found


def _figure(uri: str, words: str, alt: str, key: str, method: str | None = None) -> Markup:
    picture = tag("img", src=uri, alt=alt, data_key=key)
    kind = key.partition(":")[0]
    return tag("figure", picture, tag("figcaption", words), data_method=method, class_=kind)


def _wipe(content: Content, example: Example, label: str) -> Markup:
    """Returns the slider; the script fills it with pictures of the strip."""
    first, *others = content.methods
    right = f"flow:{min(others, key=example.epe.__getitem__)}" if others else "truth"
    return tag(
        "div",
        tag(
            "div",
            _side("left", label, content, example, f"flow:{first}"),
            _side("right", label, content, example, right),
            class_="controls",
        ),
        tag(
            "div",
            tag("img", alt="", class_="under"),
            tag("img", alt="", class_="over"),
            tag("span", class_="edge", aria_hidden="true"),
            tag("input", type="range", min=0, max=100, value=50, step=1,
                aria_label=f"Wipe from the left to the right picture of {label}"),
            class_="stage",
        ),
        class_="wipe script",
    )  # fmt: skip


def _side(side: str, label: str, content: Content, example: Example, chosen: str) -> Markup:
    names = {what: words for what, words in _COMMON.items() if (what, "") in example.pictures}
    for what in ("flow", "error"):
        own = [m for m in content.methods if (what, m) in example.pictures]
        names |= {f"{what}:{m}": f"{what} of {m}" for m in own}
    options = [tag("option", words, value=key, selected=key == chosen)
               for key, words in names.items()]  # fmt: skip
    select = tag("select", options, data_side=side, aria_label=f"{side} picture of {label}")
    return tag("label", f"{side.capitalize()} ", select, class_="control")
