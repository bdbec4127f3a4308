"""Errors of methods on data with truth, clean and degraded: what `daflow eval` is made of.

    from daflow_jax import evaluate

    def nothing_moves(frames):  # any function of two frames (2, h, w, 3) to flow (h, w, 2)
        return np.zeros((*frames.shape[1:3], 2), np.float32)

    results = evaluate.run(
        "pairs",
        {"mine": nothing_moves, "DIS": "dis"},
        ("clean", "h264:3"),
    )
    print(results.table())  # Markdown, with bootstrap intervals over clips
    print(results.epe("mine", "h264:3"), results.epe("DIS", "h264:3"))
    results.save("out")  # results.json, per_pair.jsonl, table.md
    results.plot().savefig("out/epe.png")
    worst = results.worst(1)[0]
    print(worst.name, worst.epe, worst.picture.shape)

Methods are also names of models ("raft-small"), loaded ones (`daflow_jax.load`) and `Method`s.
`evaluate.run_restoration(clips, methods, degradations)` measures restorers by PSNR and SSIM;
`evaluate.run_protocol(folder, methods, "reds4")` does so as a benchmark's papers do.
`results.page("report.html")` writes one HTML file to look at: tables, curves, pairs with a slider.
"""

import importlib
from typing import Any

_HOMES = {  # public name: where it is defined
    "Degradation": "degradations.Degradation",
    "Method": "methods.Method",
    "RestorationResults": "restoration_results.RestorationResults",
    "ProtocolResults": "protocol_results.ProtocolResults",
    "Results": "results.Results",
    "read_pairs": "pairs.read",
    "run": "flow.run",
    "run_protocol": "restoration_protocol.run_protocol",
    "run_restoration": "restoration.run_restoration",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Returns a public name, importing its module on first use: importing us starts no JAX."""
    if name in _HOMES:
        module, _, found = _HOMES[name].partition(".")
        return getattr(importlib.import_module(f"{__name__}.{module}"), found)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
