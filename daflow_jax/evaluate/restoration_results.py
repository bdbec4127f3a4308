"""What an evaluation of restorers found."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daflow_jax.evaluate import plot, records
from daflow_jax.evaluate.collect import Row
from daflow_jax.evaluate.degradations import Degradation
from daflow_jax.evaluate.report import markdown
from daflow_jax.evaluate.restorers import Restorer

METRICS = ("psnr", "ssim")
_NOTE = (
    "PSNR in dB, SSIM of Wang et al. (2004), of frames rounded to 8 bits, over all pixels and "
    "channels: means over the frames of a clip, then over clips. Brackets: 95 % bootstrap "
    "intervals over clips. Equal frames count as 60 dB.\n"
)


@dataclasses.dataclass(frozen=True)
class RestorationResults:
    """PSNR and SSIM of methods on clips.

    Attributes:
        rows: a dict per clip, degradation and method, as in per_clip.jsonl.
        scores: averages, `scores[str(degradation)][method.name]`: "psnr" (dB), "ssim", their
            "intervals", and the values of all "clips".
        methods: what was compared, the degraded clips themselves last.
        degradations, data: on what. data: name, number and hash of the clips.
        failures: {"clip": name, "error": text} of the clips that were left out.
    """

    rows: list[Row]
    scores: Mapping[str, Mapping[str, dict[str, Any]]]
    methods: Sequence[Restorer]
    degradations: Sequence[Degradation]
    data: Mapping[str, Any]
    failures: Sequence[Mapping[str, str]]

    def table(self) -> str:
        """Returns the averages as a Markdown table per degradation."""
        parts = []
        for degradation, methods in self.scores.items():
            rows = [
                [name, *(_text(own, key, digits) for key, digits in (("psnr", 2), ("ssim", 4)))]
                for name, own in methods.items()
            ]
            parts.append(f"### {degradation}\n\n{markdown(['method', 'PSNR', 'SSIM'], rows)}")
        return "\n".join([*parts, _NOTE])

    def plot(self, metric: str = "psnr") -> Any:
        """Returns a matplotlib figure of a metric by degradation."""
        return plot.figure(self.scores, metric)

    def record(self, command: str = records.LIBRARY, device: str = "auto") -> dict[str, Any]:
        """Returns what results.json holds; `command` and `device` say how it was made."""
        first, *others = self.methods
        return {
            **records.head(command),
            "kind": "restoration",
            **self._block(first),
            "data": dict(self.data),
            "others": [self._block(method) for method in others],
            "environment": records.environment(device),
            "failures": list(self.failures),
        }

    def _block(self, method):
        frames = sum(row["frames"] for row in self.rows if row["method"] == method.name)
        return {
            "model": {**method.record, "name": method.name},
            "degradation": [
                # "level" is the name of the severity in every results.json
                {"recipe": d.recipe, "level": d.severity, **self.scores[str(d)][method.name]}
                for d in self.degradations
            ],
            "speed": method.speed("frames", frames),
        }

    def page(self, file: str | Path, record: Mapping[str, Any] | None = None) -> None:
        """Writes one HTML file to look at: tables and curves, no pictures (`evaluate.page`).

        `record` is what `save` returned, so that both hold the same; made anew unless given.
        """
        from daflow_jax.evaluate import page
        from daflow_jax.evaluate.page import content

        made = content.Content(
            kind=content.RESTORATION,
            record=self.record() if record is None else record,
            scores=self.scores,
            conditions={str(d): (d.recipe, d.severity) for d in self.degradations},
            records={method.name: method.record for method in self.methods},
        )
        page.write(file, made)

    def save(
        self, folder: str | Path, command: str = records.LIBRARY, device: str = "auto"
    ) -> dict[str, Any]:
        """Writes results.json, per_clip.jsonl and table.md; returns what results.json holds."""
        folder, made = Path(folder), self.record(command, device)
        records.write(folder, made, self.table())
        records.write_rows(folder / "per_clip.jsonl", self.rows)
        return made


def _text(own, key, digits) -> str:
    if own[key] is None:
        return "-"
    interval = own["intervals"][key]
    spread = "" if interval is None else f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
    return f"{own[key]:.{digits}f}{spread}"
