"""Errors by corruption and severity of models and baselines: what the robustness page shows.

    python -m studies.robustness run OUT PAIRS --generated 16 --model raft-star=FOLDER \\
        --baseline zero,dis,farneback                                 # hours on a CPU; resumable
    python -m studies.robustness page OUT --docs docs/robustness.md     # tables and pictures
    python -m studies.robustness page OUT --report DIR                  # DIR/DATA.html to look at

Every method sees the frames that `daflow eval --degrade TYPE:SEVERITY` shows. A condition is one
method on one data set at one corruption and severity; severity 0 is the clean frames, the same for
all corruptions. Each has a file OUT/results/DATA/METHOD/TYPE-SEVERITY.json, written when complete;
one of the same weights, settings and data is not computed again. What fails is listed at the end
(exit code 5) and costs nothing else.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from daflow_jax import api, pretrained
from daflow_jax.datasets import pairs_folder as pairs
from daflow_jax.degrade import corruptions, published, recipes
from daflow_jax.errors import UserError, nearest
from daflow_jax.evaluate import degradations, generated, methods, records, scores
from daflow_jax.evaluate import pairs as measured
from daflow_jax.io import atomic
from studies import page as pages
from studies import robustness_page, robustness_pictures, robustness_report, robustness_results

TYPES = ("combined", *corruptions.NAMES, *published.PIPELINES)
SHORT = (  # [choice] for real pairs, where a condition takes a model minutes on a CPU
    *("combined", "gaussian_noise", "motion_blur", "low_light", "jpeg_compression"),
    *("h264_compression", "down_up_scaling", "realbasicvsr"),
)
FORM = 1  # of the files; raise it when their numbers change their meaning


class Data(NamedTuple):
    """Pairs under one name, the hash of their files, and what averages leave out of them."""

    name: str
    pairs: list[pairs.PairEntry]
    types: tuple[str, ...]
    sha256: str
    exclude: tuple[str, ...] = ()


class Seen:
    """A degradation that remembers what it made, so that all methods share the work."""

    def __init__(self, recipe: str, severity: int):
        self._made = degradations.Degradation(recipe, severity)
        self.recipe, self.severity = recipe, severity
        self._known: dict[int, np.ndarray] = {}

    def __str__(self) -> str:
        return str(self._made)

    def apply(self, frames: np.ndarray, seed: int, flow: np.ndarray | None = None) -> np.ndarray:
        """Returns what `Degradation.apply` does."""
        key = zlib.crc32(frames.tobytes(), seed)
        if key not in self._known:
            self._known[key] = self._made.apply(frames, seed, flow)
        return self._known[key]

    third = degradations.Degradation.third  # of the remembered frames


def run(args: argparse.Namespace) -> int:
    """Returns 0, or 5 where conditions failed; writes the file of every condition."""
    data = list(_data(args))
    failures: dict[str, str] = {}
    found = dict(_methods(args, failures))
    for each in data:
        _note(f"{each.name}: {len(each.pairs)} pairs, {len(each.types)} corruptions")
        for seen in _conditions(each.types, args.severities):
            for name, method in found.items():
                file = robustness_results.place(
                    args.out, each.name, name, seen.recipe, seen.severity
                )
                key = _key(each, method, args.seed)
                if robustness_results.is_done(file, key):
                    continue
                try:
                    _condition(file, key, each, seen, method, args)
                except Exception as error:  # one condition fails alone, whatever happened
                    failures[str(file.relative_to(args.out))] = f"{type(error).__name__}: {error}"
                    _note(f"  failed: {file.relative_to(args.out)}: {error}")
    for name, text in failures.items():
        print(f"failed: {name}: {text}", file=sys.stderr)
    return 5 if failures else 0


def _conditions(types: Iterable[str], severities: Iterable[int]) -> Iterator[Seen]:
    """Yields clean frames, then severity by severity, so that a broken-off run knows all types."""
    yield Seen("clean", 0)
    yield from (Seen(name, severity) for severity in severities for name in types)


def _condition(file, key, data, seen, method, args) -> None:
    """Writes the result of one method at one condition, and its pictures."""
    begun = time.perf_counter()
    rows = []
    for pair in data.pairs:
        rows += measured.measure(pair, [method], [seen], args.seed)
    seconds = time.perf_counter() - begun
    found = scores.summary(rows, args.seed, measured.excluded(data.pairs, data.exclude))
    robustness_pictures.collect(args.out, data, seen, method, args.seed)
    result = {
        "key": key,
        "data": {"name": data.name, "pairs": len(data.pairs)},
        "method": {**method.record, "name": method.name},
        "type": seen.recipe,
        "severity": seen.severity,
        "scores": found,
        "rows": [records.plain(row) for row in rows],
        "seconds": round(seconds, 2),
        "date": records.now(),
        "environment": records.environment(args.device),
    }
    atomic.write_text(file, json.dumps(result) + "\n")
    epe = found["epe"]["per_image"]
    _note(f"  {seen!s:20} {method.name:14} EPE {epe:8.3f}  {seconds:6.1f} s")


def _key(data: Data, method: methods.Method, seed: int) -> dict[str, Any]:
    """Returns what a result depends on beside its place."""
    own = {k: v for k, v in method.record.items() if k != "name"}
    exclude = sorted(data.exclude)
    return {"form": FORM, "data": data.sha256, "exclude": exclude, "method": own, "seed": seed}


def _methods(args, failures) -> Iterator[tuple[str, methods.Method]]:
    """Yields methods by name; a model that cannot be loaded is noted as a failure."""
    for name in filter(None, args.baseline.split(",")):
        yield name, methods.of_baseline(name)
    for word in args.model:
        name, _, folder = word.rpartition("=")
        try:
            model = api.load(folder, device=args.device, precision=args.precision, seed=args.seed)
        except UserError as error:
            failures[word] = str(error)
            continue
        method = methods.of_model(model, iters=args.iters)
        method.name = name or model.name
        yield method.name, method
    for name, restorer, folder in args.restored:
        first = api.load(restorer, "restoration", device=args.device, seed=args.seed)
        model = api.load(folder, device=args.device, precision=args.precision, seed=args.seed)
        method = methods.of_restored(first, model, iters=args.iters)
        method.name = name
        yield name, method


def _data(args) -> Iterator[Data]:
    """Yields the folders of pairs, then the generated clips."""
    for word in args.pairs:
        folder = Path(word)
        found = measured.read(folder, args.layout, args.limit)
        own = tuple(name for name in args.exclude if name in {pair.dataset for pair in found})
        named = _named(folder.resolve().name, found, args.types or SHORT)
        yield named._replace(exclude=own)
    if args.generated:
        folder = generated.write(
            args.out / "generated", args.generated, args.size, args.photographs
        )
        yield _named("generated", pairs.read_pairs(folder), args.types or TYPES)


def _named(name, found, types) -> Data:
    digest = hashlib.sha256()
    for pair in found:
        digest.update(pair.name.encode())
        for file in sorted(path for path in pair.folder.iterdir() if path.is_file()):
            digest.update(file.read_bytes())
    return Data(name, found, types, digest.hexdigest())


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _types(text: str) -> tuple[str, ...]:
    names = (
        TYPES
        if text == "all"
        else tuple(recipes.ALIASES.get(name, name) for name in text.split(","))
    )
    for name in set(names) - set(TYPES):
        raise argparse.ArgumentTypeError(f"unknown corruption {name!r}. {nearest(name, TYPES)}")
    return names


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _restored(text: str) -> tuple[str, ...]:
    match = re.fullmatch(r"([^=]+)=([^:]+):(.+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=RESTORER:FOLDER")
    return match.groups()


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    height, width = (_positive(part) for part in text.split("x"))
    return height, width


def _keep_programs() -> None:
    """Keeps compiled programs between runs, as `daflow` does."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(pretrained.cache_root() / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


def _severities(text: str) -> tuple[int, ...]:
    return tuple(sorted({_positive(part) for part in text.split(",")}))


def main(words: list[str] | None = None) -> int:
    """Returns the exit code of a command line."""
    parser = argparse.ArgumentParser(
        description="Measures errors by corruption, or makes their page."
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    page = kinds.add_parser("page", help="tables, curves and pictures of the results")
    page.add_argument("out", type=Path, help="folder of a run")
    page.add_argument("--docs", type=pages.path, default=Path("docs/robustness.md"))
    text = "write DIR/DATA.html to look at instead"
    page.add_argument("--report", type=Path, metavar="DIR", help=text)
    work = kinds.add_parser("run", help="compute what is not there yet")
    work.add_argument("out", type=Path, help="folder of the results")
    work.add_argument("pairs", nargs="*", metavar="PAIRS", help="folders of pairs")
    work.add_argument("--layout", default="pairs", help="of PAIRS, as `daflow eval` takes it")
    work.add_argument("--limit", type=_positive, help="first N pairs of each folder")
    text = "data sets that averages leave out"
    work.add_argument("--exclude", type=_words, default=(), metavar="NAME,...", help=text)
    work.add_argument("--generated", type=_positive, metavar="N", help="clips")
    work.add_argument("--size", type=_size, default=(192, 256), metavar="HxW")
    work.add_argument("--photographs", default="", help="folder of textures for the clips")
    work.add_argument("--model", action="append", default=[], metavar="NAME=FOLDER")
    text = "restore the frames, then estimate"
    work.add_argument(
        "--restored",
        type=_restored,
        action="append",
        default=[],
        metavar="NAME=RESTORER:FOLDER",
        help=text,
    )
    work.add_argument("--baseline", default="", metavar="LIST", help="of zero,dis,farneback")
    work.add_argument("--types", type=_types, help="all, or a list (pairs: 8, clips: all)")
    work.add_argument("--severities", type=_severities, default=(1, 2, 3, 4, 5))
    work.add_argument("--iters", type=_positive, help="of all models (their own)")
    work.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    work.add_argument("--device", default="auto")
    work.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(words)
    try:
        if args.kind == "page" and args.report:
            robustness_report.write(args.out, args.report)
            return 0
        if args.kind == "page":
            return robustness_page.write(args.out, args.docs)
        _keep_programs()
        return run(args)
    except UserError as error:
        parser.exit(error.code, f"robustness: {error}\n")


if __name__ == "__main__":
    sys.exit(main())
