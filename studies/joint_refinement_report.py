"""The page of `studies.joint_refinement`: tables, and whether the claim holds."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from daflow_jax import errors
from daflow_jax.evaluate.report import markdown
from daflow_jax.io import atomic
from studies import joint_refinement_config as arms

LEVELS = ("start", "4", "2", "1")


def read(out: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns what the runs below `out` found, by arm, in the order of seeds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(out.glob("*-*/measured.json")):
        run = json.loads(file.read_text(encoding="utf-8"))
        found.setdefault(run["arm"], []).append(run)
    if not found:
        raise errors.UserError(out, "holds no measured run", "Train some arms first")
    return found


def write(out: Path, docs: Path | None = None) -> None:
    """Writes page.md and page.json into `out`, and both under the name of `docs` if given."""
    runs = read(out)
    record = {"runs": runs, "mask_auc": _mask_auc(), "checks": checks(runs)}
    text = page(record)
    for place in (out / "page.md", docs):
        if place is not None:
            atomic.write_text(place, text)
            atomic.write_text(place.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    print(text)


def _mask_auc() -> float:
    from daflow_jax.synthetic import host
    from daflow_jax.synthetic import scene as scenes
    from studies import joint_refinement_measure as measure

    config = scenes.SceneConfig(**arms.SCENE)
    return measure.mask_auc(host.clip(config, scenes.EVAL_SEED, number) for number in range(24))


def checks(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Returns {what the claim says: what was found and whether it holds}, for what was run.

    Arms are compared seed by seed, on the same clips; a claim holds where the mean reaches what it
    says and all seeds agree on the sign.
    """
    out: dict[str, Any] = {}
    for better, worse, least in (
        ("fixed", "none", 0.0),
        ("refined", "fixed", 0.1),
        ("refined", "none", 0.3),
        ("supervised", "refined", 0.0),
        ("supervised", "fixed", 0.1),
        ("true", "none", 0.0),
        ("true", "refined", 0.0),
        ("true", "supervised", 0.0),
    ):
        pairs = _pairs(runs, better, worse, "psnr")
        if pairs:
            gaps = [a - b for a, b in pairs]
            name = f"{better} above {worse} by {least:g} dB"
            out[name] = {"gaps": gaps, "holds": bool(np.mean(gaps) >= least and min(gaps) > 0)}
    for arm in ("refined", "supervised"):
        levels = [[run[f"epe_{level}"] for run in runs.get(arm, [])] for level in LEVELS[:3]]
        if levels[0]:
            means = [float(np.mean(values)) for values in levels]
            name = f"{arm}: flow error falls from start to 1/4 to 1/2"
            out[name] = {"epe": means, "holds": means[0] > means[1] > means[2]}
    pairs = _pairs(runs, "temporal", "still", "opw")
    if pairs:
        changes = [a / b - 1 for a, b in pairs]
        out["the temporal loss lowers flicker"] = {"changes": changes, "holds": max(changes) < 0}
    return out


def _pairs(runs, first: str, second: str, key: str) -> list[tuple[float, float]]:
    """Returns the values of two arms at every seed that both have."""
    a, b = ({run["seed"]: run[key] for run in runs.get(arm, [])} for arm in (first, second))
    return [(a[seed], b[seed]) for seed in sorted(a.keys() & b.keys())]


def page(record: dict[str, Any]) -> str:
    """Returns the page in Markdown."""
    runs = record["runs"]
    listed = [run for found in runs.values() for run in found]
    steps = sorted({run["steps"] for run in listed})
    seeds = sorted({run["seed"] for run in listed})
    motions = sorted({64 * run.get("motion", arms.SCENE["max_motion"]) for run in listed})
    motion = " or ".join(f"{pixels:.0f}" for pixels in motions)
    held = [[name, *_verdict(found)] for name, found in record["checks"].items()]
    return f"""# Joint refinement of flow and features: the claim, measured

Written by `python -m studies.joint_refinement`. JFFRA nano ({" or ".join(map(str, steps))} steps,
seeds {", ".join(map(str, seeds))}) on generated clips of 64 x 64 pixels with white noise of
{arms.SIGMA:g} grey levels; largest motion {motion} pixels a frame; the start flow is OpenCV's DIS
on the noisy frames. All arms have the same parameters and see the same clips; flow heads learn at
an eighth of the rate. Values are means
over seeds, +- half of their range.

{_table(runs, arms.ARMS, ("psnr", "psnr_moving", "epe_start", "epe_4", "epe_2", "epe_1"))}

PSNR in dB of the middle frame, of all pixels and of those that move by more than 1.5 px to both
neighbours and are visible there. EPE in pixels of the whole size: the start, and the flow after the
blocks at 1/4, 1/2 and 1; the last one does not refine it.

{_table(runs, arms.TEMPORAL_ARMS, ("psnr", "opw"))}

OPW: what is left between neighbouring restored frames along the true flow, grey levels of 255. The
mask of the temporal loss ranks true occlusion with an area under the ROC curve of
{record["mask_auc"]:.3f} (24 clean clips; 0.5 is chance).

{markdown(["claim", "measured (by seed)", "holds"], held)}

A difference is that of two arms at one seed, on the same clips. A claim holds where the mean is at
least what it says and all seeds agree on the sign.
"""


def _verdict(found: dict[str, Any]) -> list[str]:
    if "epe" in found:
        shown = " -> ".join(f"{value:.2f}" for value in found["epe"]) + " px"
    elif "gaps" in found:
        shown = _by_seed([f"{gap:+.2f}" for gap in found["gaps"]], np.mean(found["gaps"]), "dB")
    else:
        percent = [100 * change for change in found["changes"]]
        shown = _by_seed([f"{change:+.1f}" for change in percent], np.mean(percent), "%")
    return [shown, "yes" if found["holds"] else "no"]


def _by_seed(values: list[str], mean: float | np.floating, unit: str) -> str:
    return f"{mean:+.2f} {unit} ({', '.join(values)})"


_TITLES = {
    "psnr": "PSNR",
    "psnr_moving": "moving",
    "epe_start": "EPE start",
    "epe_4": "1/4",
    "epe_2": "1/2",
    "epe_1": "1",
    "opw": "OPW",
}


def _table(runs, known, keys: tuple[str, ...]) -> str:
    rows = []
    for arm, (text, _) in known.items():
        if arm in runs:
            cells = [_cell([run[key] for run in runs[arm] if key in run]) for key in keys]
            seconds = np.mean([run["cpu_seconds"] for run in runs[arm]])
            rows.append([f"{arm}: {text}", *cells, f"{seconds:.0f}"])
    if not rows:
        return "Not run."
    return markdown(["arm", *(_TITLES[key] for key in keys), "CPU s"], rows)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    spread = f" +- {(max(values) - min(values)) / 2:.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"
