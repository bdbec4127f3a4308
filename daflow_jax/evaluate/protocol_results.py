"""What an evaluation by a protocol found, beside the scores that the paper prints."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daflow_jax.evaluate import published_scores, records
from daflow_jax.evaluate.collect import Row
from daflow_jax.evaluate.protocols import Protocol
from daflow_jax.evaluate.report import markdown
from daflow_jax.evaluate.restorers import Restorer

METRICS = ("psnr", "ssim", "opw")
_DIGITS = {"psnr": 2, "ssim": 4, "opw": 3}
_PAPER = "(paper)"
_NOTE = (
    "Rows marked (paper) are printed in arXiv 2505.16434, for the whole data set, and were not "
    "measured here. Brackets: 95 % bootstrap intervals over clips. Difference: PSNR of the first "
    "method above this one, paired by clip, with the p of a permutation test. OPW: flicker in grey "
    "levels of 255, by flow between the clean frames.\n"
)


@dataclasses.dataclass(frozen=True)
class ProtocolResults:
    """Scores of methods by one protocol.

    Attributes:
        protocol: what was done.
        rows: a dict per clip, condition, method and frame.
        scores: `scores[condition][method.name]`: "psnr" (dB), "ssim", "opw" (None where not
            measured), their "intervals", and the values of all "clips".
        tests: `tests[condition][method.name]`: the first method's PSNR against this one's.
        methods: what was compared, the degraded (or bicubic) frames last.
        data: name, number and hash of the clips. failures: clips that were left out.
    """

    protocol: Protocol
    rows: list[Row]
    scores: Mapping[str, Mapping[str, dict[str, Any]]]
    tests: Mapping[str, Mapping[str, dict[str, Any]]]
    methods: Sequence[Restorer]
    data: Mapping[str, Any]
    failures: Sequence[Mapping[str, str]]

    def table(self) -> str:
        """Returns a Markdown table per condition, ours first, the paper's numbers marked."""
        paper = published_scores.scores(self.protocol.name)
        parts = []
        for condition, methods in self.scores.items():
            rows = [[name, *self._cells(condition, name, own)] for name, own in methods.items()]
            for name, score in paper.get(condition, {}).items():
                ssim = "-" if score.ssim is None else f"{score.ssim:.4f}"
                rows.append([f"{name} {_PAPER}", f"{score.psnr:.2f}", ssim, "-", "-"])
            head = ["method", "PSNR", "SSIM", "OPW", "difference"]
            parts.append(f"### {self.protocol.name}, {condition}\n\n{markdown(head, rows)}")
        return "\n".join([*parts, self.protocol.describe(), "", _NOTE])

    def _cells(self, condition: str, name: str, own: Mapping[str, Any]) -> list[str]:
        cells = [_text(own, key) for key in METRICS]
        test = self.tests.get(condition, {}).get(name)
        if test is None:
            return [*cells, "-"]
        p = "" if test["p"] is None else f" (p = {test['p']:.3g})"
        return [*cells, f"{test['mean']:+.2f}{p}"]

    def record(self, command: str = records.LIBRARY, device: str = "auto") -> dict[str, Any]:
        """Returns what results.json holds; `command` and `device` say how it was made."""
        paper = published_scores.scores(self.protocol.name)
        published = {
            condition: {name: score._asdict() for name, score in methods.items()}
            for condition, methods in paper.items()
        }
        return {
            **records.head(command),
            "kind": "restoration_protocol",
            "protocol": dataclasses.asdict(self.protocol),
            "note": self.protocol.describe(),
            "methods": [{**method.record, "name": method.name} for method in self.methods],
            "scores": self.scores,
            "tests": self.tests,
            "paper": published,
            "data": dict(self.data),
            "environment": records.environment(device),
            "failures": list(self.failures),
        }

    def save(
        self, folder: str | Path, command: str = records.LIBRARY, device: str = "auto"
    ) -> dict[str, Any]:
        """Writes results.json, per_frame.jsonl and table.md; returns what results.json holds."""
        folder, made = Path(folder), self.record(command, device)
        records.write(folder, made, self.table())
        records.write_rows(folder / "per_frame.jsonl", self.rows)
        return made


def _text(own: Mapping[str, Any], key: str) -> str:
    if own[key] is None:
        return "-"
    digits, interval = _DIGITS[key], own["intervals"][key]
    spread = "" if interval is None else f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
    return f"{own[key]:.{digits}f}{spread}"
