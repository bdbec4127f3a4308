"""What an evaluation of flow found: rows, averages, tables, files, figures, pictures."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.evaluate import pairs, pictures, plot, records, report, scores
from daflow_jax.evaluate.collect import Row
from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.evaluate.methods import Method


class Data(NamedTuple):
    """The pairs of an evaluation: a name for all, the entries, and a hash of the pixels read."""

    name: str
    pairs: Sequence[Any]
    sha256: str


class Worst(NamedTuple):
    """A pair that a method got wrong: frames and truth above estimate and error.

    picture: uint8 (h, w, 3). epe: pixels.
    """

    name: str
    degradation: str
    epe: float
    picture: np.ndarray


@dataclasses.dataclass(frozen=True)
class Results:
    """The errors of methods on pairs.

    Attributes:
        rows: a dict per pair, degradation and method: "epe" and so on, as in per_pair.jsonl.
        scores: averages by degradation and method, `scores[str(degradation)][method.name]`; see
            `evaluate.scores.summary`.
        methods, degradations, data: what was compared, on what.
        failures: {"pair": name, "error": text} of the pairs that were left out.
    """

    rows: list[Row]
    scores: Mapping[str, Mapping[str, dict[str, Any]]]
    methods: Sequence[Method]
    degradations: Sequence[Degradation]
    data: Data
    failures: Sequence[Mapping[str, str]]

    def epe(self, method: str, degradation: str = "clean") -> float:
        """Returns the end-point error in pixels: mean per data set, then over data sets."""
        return self.scores[degradation][method]["epe"]["per_image"]

    def table(self) -> str:
        """Returns the averages as Markdown tables."""
        return report.table(self.scores)

    def plot(self, metric: str = "epe") -> Any:
        """Returns a matplotlib figure of a metric by degradation (`evaluate.plot.figure`)."""
        return plot.figure(self.scores, metric)

    def record(self, command: str = records.LIBRARY, device: str = "auto") -> dict[str, Any]:
        """Returns what results.json holds; `command` and `device` say how it was made."""
        first, *others = self.methods
        valid = {row["name"]: row["pixels"] for row in self.rows}
        data = {
            "name": self.data.name,
            "pairs": len(valid),
            "sha256": self.data.sha256,
            "pixels_valid": int(sum(valid.values())),
        }
        return {
            **records.head(command),
            **self._block(first),
            "data": data,
            "others": [self._block(method) for method in others],
            "environment": records.environment(device),
            "failures": list(self.failures),
        }

    def _block(self, method):
        own = [row for row in self.rows if row["method"] == method.name]
        entries = [
            # "level" is the name of the severity in every results.json
            {"recipe": d.recipe, "level": d.severity, **self.scores[str(d)][method.name]}
            for d in self.degradations
        ]
        return {
            "model": {**method.record, "name": method.name},
            "degradation": entries,
            "robustness": scores.over_degradations(entries),
            "pairs_with_third_frame": len({row["name"] for row in own if row["frames"] > 2}),
            "speed": method.speed(),
        }

    def save(
        self, folder: str | Path, command: str = records.LIBRARY, device: str = "auto"
    ) -> dict[str, Any]:
        """Writes results.json, per_pair.jsonl and table.md; returns what results.json holds."""
        folder, made = Path(folder), self.record(command, device)
        records.write(folder, made, self.table())
        records.write_rows(folder / "per_pair.jsonl", self.rows)
        return made

    def page(
        self, file: str | Path, record: Mapping[str, Any] | None = None, examples: int = 3
    ) -> None:
        """Writes one HTML file to look at: tables, curves, pairs side by side (`evaluate.page`).

        Args:
            record: what `save` returned, so that both hold the same; made anew unless given.
            examples: the number of the largest errors of the first method that are shown, and of
                the pairs where it loses most to another. All methods estimate them again.
        """
        from daflow_jax.evaluate import page
        from daflow_jax.evaluate.page import about, choice, content

        made = content.Content(
            kind=content.FLOW,
            record=self.record() if record is None else record,
            scores=self.scores,
            conditions={str(d): (d.recipe, d.severity) for d in self.degradations},
            records={method.name: method.record for method in self.methods},
            examples=choice.examples(self, examples),
            licences=about.licences(self.data.pairs),
        )
        page.write(file, made)

    def worst(self, count: int = 3, method: str | None = None) -> list[Worst]:
        """Returns the pairs with the largest errors of a method (the first), estimated again."""
        chosen = {m.name: m for m in self.methods}[method or self.methods[0].name]
        chosen = chosen.named(chosen.name)  # these estimates count in no speed
        by_name = {pair.name: pair for pair in self.data.pairs}
        by_text = {str(degradation): degradation for degradation in self.degradations}
        own = [row for row in self.rows if row["method"] == chosen.name]
        found = []
        for row in sorted(own, key=lambda row: -row["epe"])[:count]:
            pair, degradation = by_name[row["name"]], by_text[row["degradation"]]
            truth = pair.load()
            frames, flow = pairs.estimate(pair, truth, chosen, degradation, row["seed"])
            picture = pictures.comparison(frames, truth, flow)
            found.append(Worst(pair.name, str(degradation), row["epe"], picture))
        return found
