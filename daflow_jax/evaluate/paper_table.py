"""Several evaluations as the tables that the DA-Flow paper prints: a row a method, four columns a
data set, and the row of a method that was run with several values of one option, there the
denoising step whose features it reads, their mean.

The scores of a data set are means over its pairs; Sintel's two renders count alike.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from daflow_jax.errors import UserError, nearest
from daflow_jax.evaluate import da_flow_scores
from daflow_jax.evaluate.da_flow_scores import METRICS, SETS
from daflow_jax.evaluate.report import markdown
from daflow_jax.io import json_file, storage

_HEADS = ("EPE", "1px", "3px", "5px")
_NOTE = (
    "EPE in pixels, shares of errors above 1, 3 and 5 px in percent; means over pairs, and over "
    "clean and final of Sintel."
)
_PAPER = (
    " Rows marked (paper) are printed in arXiv 2603.23499 and were not measured here; it states "
    "neither Spring's resolution nor which renders Sintel's number is of."
)
_AGAIN = "Name folders that `daflow eval --out` wrote"


class Score(NamedTuple):
    """The errors of one method on one data set, at one step.

    Attributes:
        method: its name. key: its name, weights and options, without the step.
        step: value of the option that is averaged over, None for methods that have none.
        dataset: of `SETS`, or as results.json has it. part: as results.json has it.
        degradation: of the frames. values: by `METRICS`; EPE in pixels, shares in percent.
    """

    method: str
    key: str
    step: int | None
    dataset: str
    part: str
    degradation: str
    values: dict[str, float]


class Tables(NamedTuple):
    """methods: {method: {set: {metric: value}}}. steps: {method: {set: {step: {metric: value}}}} of
    those that were run at several steps. degradations: of the frames, as `daflow eval` made them.
    """

    methods: Mapping[str, Mapping[str, Mapping[str, float]]]
    steps: Mapping[str, Mapping[str, Mapping[int, Mapping[str, float]]]]
    degradations: tuple[str, ...]

    def text(self, published: bool = False) -> str:
        """Returns Markdown; with `published` beside the scores that the paper prints."""
        columns = _columns(self.methods, published)
        rows = [[name, *_cells(own, columns)] for name, own in self.methods.items()]
        if published:
            paper = da_flow_scores.of_methods()
            rows += [[f"{name} (paper)", *_cells(own, columns)] for name, own in paper.items()]
        shown = [SETS.get(column, column) for column in columns]
        head = ["model", *(f"{name} {metric}" for name in shown for metric in _HEADS)]
        parts = [markdown(head, rows)]
        parts += [_of_steps(name, own, published) for name, own in self.steps.items()]
        names = ("as stored" if name == "clean" else name for name in self.degradations)
        frames = f" Frames: {', '.join(names)}."
        return "\n".join([*parts, _NOTE + frames + (_PAPER if published else "") + "\n"])


def read(given: Iterable[str | Path], degradation: str = "", over: str = "") -> Tables:
    """Returns the tables of evaluations of flow.

    Args:
        given: folders with results.json, or such files, also in a bucket.
        over: option of the network's call whose values are averaged over.
        degradation: "clean", "h264:3"; "" takes the only one that is not clean, or the only one.

    Raises UserError for a file that is none of an evaluation of flow, for an unclear degradation,
    and for a method that was measured twice on one data set.
    """
    scores = [score for path in given for score in _read(path, degradation, over)]
    if not scores:
        raise UserError("results", "none is given", _AGAIN)
    seen: set[tuple[Any, ...]] = set()
    for score in scores:
        place = (score.key, score.step, score.part)
        if place in seen:
            rule = f"{score.method} was measured twice on {score.part}"
            raise UserError("results", rule, "Name one of the two evaluations")
        seen.add(place)
    names = _names(scores)
    methods, steps = {}, {}
    for key, name in names.items():
        own = [score for score in scores if score.key == key]
        found = {s: _by_step(own, s) for s in dict.fromkeys(score.dataset for score in own)}
        _check_steps(name, found)
        methods[name] = {known: _mean(by_step.values()) for known, by_step in found.items()}
        if len(next(iter(found.values()))) > 1:
            steps[name] = found
    seen_as = tuple(dict.fromkeys(score.degradation for score in scores))
    return Tables({_label(name, steps): own for name, own in methods.items()}, steps, seen_as)


def _read(path: str | Path, degradation: str, over: str) -> list[Score]:
    place = storage.place(path)
    file = place if place.suffix == ".json" else place / "results.json"
    record = json_file.read_object(file, _AGAIN).values
    blocks = [record, *_listed(record.get("others"))]
    found = []
    for block in blocks:
        model, entries = block.get("model"), _listed(block.get("degradation"))
        if not isinstance(model, dict) or not entries or "datasets" not in entries[0]:
            raise UserError(file, "holds no evaluation of flow", _AGAIN)
        found += _scores(file, model, _chosen(file, entries, degradation), over)
    return found


def _listed(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _chosen(file: object, entries: Sequence[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """Returns the entry of the degradation that is meant."""
    by_name = {_name(entry): entry for entry in entries}
    if wanted:
        if wanted not in by_name:
            rule = f"has no degradation {wanted!r}"
            raise UserError(file, rule, nearest(wanted, by_name))
        return by_name[wanted]
    worse = [name for name in by_name if name != "clean"] or list(by_name)
    if len(worse) > 1:
        rule = f"has several degradations: {', '.join(worse)}"
        raise UserError(file, rule, "Choose one with --degradation")
    return by_name[worse[0]]


def _name(entry: dict[str, Any]) -> str:
    recipe, level = str(entry.get("recipe")), entry.get("level")
    return recipe if recipe == "clean" or level is None else f"{recipe}:{level:g}"


def _scores(
    file: object, model: dict[str, Any], entry: dict[str, Any], over: str
) -> Iterable[Score]:
    step = model.get(over)
    same = {name: value for name, value in model.items() if step is None or name != over}
    for part, own in entry["datasets"].items():
        try:
            values = {key: own[key] * (1 if key == "epe" else 100) for key in METRICS}
        except (KeyError, TypeError):
            raise UserError(file, f"has no scores of {part}", _AGAIN) from None
        dataset = next((known for known in SETS if part.split("-")[0] == known), part)
        key = json.dumps(same, sort_keys=True)
        yield Score(str(model.get("name")), key, step, dataset, part, _name(entry), values)


def _names(scores: Sequence[Score]) -> dict[str, str]:
    """Returns {key: name}; methods of one name that differ in weights or options are numbered."""
    names, counts = {}, dict[str, int]()
    for score in scores:
        if score.key not in names:
            counts[score.method] = counts.get(score.method, 0) + 1
            count = counts[score.method]
            names[score.key] = score.method if count == 1 else f"{score.method} #{count}"
    return names


def _by_step(scores: Sequence[Score], dataset: str) -> dict[int, dict[str, float]]:
    """Returns the scores on a data set by step, -1 for methods without; the mean of its
    parts."""
    own = [score for score in scores if score.dataset == dataset]
    steps = sorted({-1 if score.step is None else score.step for score in own})
    parts = {step: [s for s in own if (-1 if s.step is None else s.step) == step] for step in steps}
    return {step: _mean(score.values for score in found) for step, found in parts.items()}


def _check_steps(name: str, found: Mapping[str, Mapping[int, Any]]) -> None:
    (first, steps), *others = ((dataset, list(own)) for dataset, own in found.items())
    for dataset, own in others:
        if own != steps:
            rule = f"was read at steps {steps} on {first} and {own} on {dataset}"
            raise UserError(name, rule, "Evaluate the steps that are missing")


def _mean(values: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found = list(values)
    return {key: sum(each[key] for each in found) / len(found) for key in METRICS}


def _label(name: str, steps: Mapping[str, Mapping[str, Mapping[int, Any]]]) -> str:
    if name not in steps:
        return name
    return f"{name}, mean of {len(next(iter(steps[name].values())))} steps"


def _columns(methods: Mapping[str, Mapping[str, Any]], published: bool) -> list[str]:
    there = dict.fromkeys(dataset for own in methods.values() for dataset in own)
    known = [dataset for dataset in SETS if published or dataset in there]
    return [*known, *(dataset for dataset in there if dataset not in SETS)]


def _cells(own: Mapping[str, Mapping[str, float]], columns: Sequence[str]) -> list[str]:
    return [_number(own.get(column), metric) for column in columns for metric in METRICS]


def _number(values: Mapping[str, float] | None, metric: str) -> str:
    if values is None:
        return "-"
    return f"{values[metric]:.3f}" if metric == "epe" else f"{values[metric]:.2f}"


def _of_steps(
    name: str, found: Mapping[str, Mapping[int, Mapping[str, float]]], published: bool
) -> str:
    """Returns the table of one method by step."""
    steps = list(next(iter(found.values())))
    paper = da_flow_scores.of_steps() if published else {}
    rows = []
    for dataset, own in found.items():
        shown = SETS.get(dataset, dataset)
        for metric, head in zip(METRICS, _HEADS, strict=True):
            rows.append([f"{shown} {head}", *(_number(own[step], metric) for step in steps)])
            if dataset in paper:
                values = [{metric: paper[dataset][metric][s]} if s < 10 else None for s in steps]
                rows.append([f"{shown} {head} (paper)", *(_number(v, metric) for v in values)])
    return f"### {name} by step\n\n" + markdown(["", *map(str, steps)], rows)
