"""Builds one data set: python -m data.build NAME --source DIR --out DIR (from a checkout).

Writes OUT/NAME/1.0.0 as array_record files, which `daflow_jax.input_pipeline.clips.BuiltSet` reads
by number without TensorFlow and without this folder. The files are written beside their place and
renamed when all of them are there, so a build that was stopped leaves nothing that reads as a data
set; run it again. For an OUT in a bucket they are written on this machine (TMPDIR), then go up,
dataset_info.json last, without which there is no set. Exit code 0; 2 for bad input; 3 where a
package is missing or a bucket out of reach.
"""

import argparse
import contextlib
import json
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from daflow_jax import datasets
from daflow_jax.datasets import record
from daflow_jax.errors import UserError
from daflow_jax.io import atomic, storage
from daflow_jax.io.storage import Place, lease

_COMPLETE = "dataset_info.json"


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    found = argparse.ArgumentParser(
        "python -m data.build", description="Builds one data set as array_record files."
    )
    found.add_argument("name", nargs="?", help="data set: " + " ".join(datasets.LAYOUTS))
    found.add_argument("--list", action="store_true", help="what each is, and stop")
    found.add_argument("--source", metavar="DIR", help="the data set, downloaded and unpacked")
    found.add_argument("--out", metavar="DIR", help="OUT/NAME/1.0.0 is written")
    found.add_argument("--skip-bad", action="store_true", help="count and skip broken clips")
    found.add_argument("--limit", type=int, metavar="N", help="first N clips of each split only")
    cutting = record.Cutting()
    found.add_argument("--record-frames", type=int, default=cutting.frames, metavar="N")
    found.add_argument("--overlap", type=int, default=cutting.overlap, metavar="N")
    found.add_argument("--jpeg", type=int, metavar="Q", help="store videos as JPEG, not PNG")
    found.add_argument("--beam", action="store_true", help="build with Apache Beam")
    text = "options of its runner, e.g. '--runner=FlinkRunner --parallelism=64'"
    found.add_argument("--beam-options", default="", metavar="TEXT", help=text)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code of one command line."""
    args = parser().parse_args(argv)
    if args.list:
        print(facts())
        return 0
    try:
        if not (args.name and args.source and args.out):
            known = "Write: python -m data.build NAME --source DIR --out DIR"
            raise UserError("data.build", "NAME, --source and --out are needed", known)
        print(json.dumps(build(args), indent=1))
    except UserError as error:
        return _failed(error)
    except KeyboardInterrupt:
        print("data.build: interrupted, no data set was written", file=sys.stderr)
        return 130
    except Exception as error:
        told = storage.explain(error, args.out)
        if told is None:
            raise
        return _failed(told)
    return 0


def _failed(error: UserError) -> int:
    print(f"data.build: error: {error}", file=sys.stderr)
    return error.code


def facts() -> str:
    """Returns the table of data sets as text."""
    lines = []
    for layout in datasets.LAYOUTS.values():
        lines += [f"{layout.name}: {layout.title}", f"  get      {layout.download}"]
        lines += [f"  size     {layout.size}", f"  licence  {layout.licence}"]
        lines += [f"  layout   {layout.tree}"]
        for split, (clips, frames, flows) in layout.counts.items():
            frames = "?" if frames is None else frames
            lines.append(f"  {split:8} {clips} clips, {frames} frames, {flows} flows")
    return "\n".join(lines)


def build(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the report of a build: counts beside the published ones, records, skipped clips."""
    _needs("tensorflow_datasets", "data")
    if args.beam:
        _needs("apache_beam", "beam")
    from data import builder

    name = datasets.get(args.name.partition(":")[0]).name
    layout = ":".join([name, *args.name.split(":")[1:]])
    out = storage.place(args.out)
    storage.check(out)
    home = out / name
    version = str(builder.ClipSet.VERSION)
    last = f"{name}/{version}/{_COMPLETE}"
    with _alone(home):
        final = home / version
        if final.exists() if isinstance(final, Path) else (final / _COMPLETE).exists():
            raise UserError(final, "exists", "Remove it, or choose another --out")
        with storage.staged(out, (last,)) as here:
            return _build(args, builder, layout, here / name, final)


def _build(
    args: argparse.Namespace, builder: Any, layout: str, home: Path, final: Place
) -> dict[str, Any]:
    """Returns the report of a build in `home`, on this machine; `final` is where the set will
    be."""
    cutting, notes = record.Cutting(args.record_frames, args.overlap, args.jpeg), home / ".skipped"
    _clean(home)
    settings = builder.Settings(
        layout, args.source, str(notes.absolute()), cutting, args.skip_bad, args.limit
    )
    clips = settings.clips()
    made = builder.make(settings, str(home.parent), args.beam)
    _prepare(made, args, notes)
    report = _report(made, clips, _skipped(notes), final)
    _clean(home)
    (home / final.name / "build.json").write_text(json.dumps(report, indent=1))
    return report


def _needs(package: str, extra: str) -> None:
    try:
        __import__(package)
    except ImportError:
        remedy = f"Install daflow-jax[{extra}]"
        raise UserError("data.build", f"needs {package}", remedy, code=3) from None


@contextlib.contextmanager
def _alone(home: Place) -> Iterator[None]:
    """Refuses a second build of the same set at the same time; a killed one leaves no lock."""
    import fcntl

    if not isinstance(home, Path):
        with lease.hold(home / ".lock", lambda text: print(text, file=sys.stderr)):
            yield
        return

    home.mkdir(parents=True, exist_ok=True)
    with open(home / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(home, "another build is writing here", "Wait for it") from None
        yield


def _clean(home: Path) -> None:
    """Removes what a build that was stopped has left."""
    for path in [*home.glob("*incomplete*"), home / ".skipped"]:
        shutil.rmtree(path, ignore_errors=True)


def _prepare(made: Any, args: argparse.Namespace, notes: Path) -> None:
    """Writes the files. What went wrong with a clip is read from the notes of the workers: Beam
    wraps their errors, and TFDS has none of its own for a split that nothing is left of.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for the report
            made.download_and_prepare(download_config=_download_config(args))
    except OSError as error:
        raise atomic.write_error(args.out, error) from error
    except Exception as error:
        broken = _skipped(notes)
        if not broken:
            raise
        first = broken[0]
        rule, remedy = f"{first['error'].rstrip('.')}", "Mend the source, or pass --skip-bad"
        if args.skip_bad:
            rule, remedy = f"broken, and nothing else is left: {rule}", "Mend the source"
        where = f"clip {first['clip']} of split {first['split']}"
        raise UserError(where, rule, remedy) from error


def _skipped(notes: Path) -> list[dict[str, str]]:
    return [json.loads(path.read_text()) for path in sorted(notes.glob("*.json"))]


def _download_config(args: argparse.Namespace):
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig()
    if args.beam:
        from apache_beam.options import pipeline_options

        flags = shlex.split(args.beam_options)
        config.beam_options = pipeline_options.PipelineOptions(flags)
    return config


def _report(
    made: Any, clips: dict[str, list], skipped: list[dict[str, str]], final: Place
) -> dict[str, Any]:
    """Returns what was found beside what was published, and what was written."""
    layout = datasets.get(made.name)
    splits = {}
    for split, found in clips.items():
        counted = datasets.count(found)[split]
        published = layout.counts.get(split)
        info = made.info.splits[split]
        splits[split] = {
            **counted._asdict(),
            "published": published._asdict() if published else None,
            "complete": counted.clips == published.clips if published else None,
            "skipped": sum(note["split"] == split for note in skipped),
            "records": info.num_examples,
            "bytes": info.num_bytes,
        }
    return {"name": made.name, "folder": str(final), "splits": splits, "skipped": skipped}


if __name__ == "__main__":
    sys.exit(main())
