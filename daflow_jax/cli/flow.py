"""`daflow flow`: optical flow of pairs, folders and videos."""

import argparse

from daflow_jax import errors
from daflow_jax.cli import call_options, console, options, sources
from daflow_jax.cli import manifest as manifests

MANY = 4  # sizes of frames after which buckets are worth a note
_FORMATS = "flo,png16,pfm,flo5,npy,npz,exr,tif,stmap,wheel,overlay"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "flow",
        help="optical flow of a pair, list, folder, glob or video",
        description=(
            "Writes the motion between neighbouring frames: pixels at the size of the frames, "
            "(dx right, dy down), on the first frame's grid. n frames give n-1 flows."
        ),
        **options.examples(
            "daflow flow frame1.png frame2.png",
            "daflow flow clip/ --formats flo,wheel,overlay --out results",
            "daflow flow video.mp4 --formats npy,wheel --occlusion --init warm",
        ),
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="images, folders, globs, videos, @list.txt, or -"
    )
    options.add_common(parser, "daflow_out")
    options.add_keep(parser)
    options.add_model(parser)
    options.add_layout(parser)
    _add_input(parser.add_argument_group("input"))
    _add_output(parser.add_argument_group("output"))


def _add_input(group):
    group.add_argument("--recursive", action="store_true", help="also folders inside folders")
    group.add_argument(
        "--stride", type=options.at_least(1), default=1, metavar="K", help="every K-th frame (1)"
    )
    text = "of raw RGB24 frames on stdin"
    group.add_argument("--size", type=options.width_by_height, metavar="WxH", help=text)
    sources.add_reading(group)
    text = "also between frames that were no neighbours, where a damaged video lacks some"
    group.add_argument("--across-gaps", action="store_true", help=text)
    group.add_argument(
        "--init", choices=("zero", "warm"), default="zero", help="start of each pair (zero)"
    )


def _add_output(group):
    group.add_argument(
        "--formats", default="flo,wheel", metavar="LIST", help=f"of {_FORMATS} (flo,wheel)"
    )
    group.add_argument(
        "--wheel-max", default="auto", metavar="auto|PX", help="speed of full colour (auto)"
    )
    group.add_argument("--bidirectional", action="store_true", help="also the backward flow")
    group.add_argument("--occlusion", action="store_true", help="masks, 255 = hidden in the next")
    group.add_argument("--confidence", action="store_true", help="maps, 0..1")
    group.add_argument(
        "--uncertainty", action="store_true", help="maps of models that predict it, 0 = sure"
    )
    group.add_argument(
        "--pad-last", action="store_true", help="repeat the last flow: n of n frames"
    )


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing flows and the manifest."""
    from daflow_jax import outputs
    from daflow_jax.cli import flow_files
    from daflow_jax.datasets import sequences
    from daflow_jax.io import protected

    args.formats = outputs.parse_formats(args.formats)
    args.wheel_max = _wheel_max(args.wheel_max)
    found = sequences.resolve(args.inputs, size=args.size, recursive=args.recursive)
    if "-" in args.inputs and "overlay" in args.formats and args.wheel_max is None:
        rule = "stdin can be read once only"
        raise errors.UserError("--formats overlay", rule, "Pass --wheel-max PX, or save it first")
    inputs = sources.files(found, *args.inputs)
    outputs.check(flow_files.expected(found, args), inputs, sources.existing(args))
    options.start(args)
    log = console.Console(args.quiet)
    if found.note:
        log.note(found.note)
    model = options.load(args, args.model, log.note)
    stream = _streams(args, model)
    with protected.protecting(inputs), _manifest(args, model) as manifest:
        for sequence in found:
            files = list(flow_files.of_sequence(sequence, args)) if sequence.names else []
            if args.skip_existing and files and all(file.exists() for file in files):
                manifest.keep_or_add(sequence, len(files))
            else:
                manifest.add(sequence, lambda s=sequence: flow_files.write(s, stream, args, log))
        sizes = manifest.distinct("size")
        if len(sizes) > MANY and args.bucket is None:
            log.note(f"frames had {len(sizes)} sizes; --bucket 64 compiles fewer programs for them")
        return manifest.close()


def _streams(args, model):
    """Returns a function (frames, name) -> iterator over the results, its options checked."""
    if args.uncertainty:
        model.check_uncertainty()
    settings = dict(
        warm_start=args.init == "warm",
        bidirectional=args.bidirectional or args.occlusion or args.confidence,
        **call_options.chosen(args, "flow"),
    )
    model.stream(**settings)  # refuses what the model does not take before any file is read
    return lambda frames, name: model.stream(frames, where=name, results=True, **settings)


def _wheel_max(text):
    try:
        value = None if text == "auto" else float(text)
    except ValueError:
        value = -1.0
    if value is not None and not 0 < value < float("inf"):
        raise errors.UserError(f"--wheel-max {text}", "is not a speed in pixels", "Use auto or 20")
    return value


def _manifest(args, model):
    settings = manifests.of_model(args, model) | {"scales": list(model.scales), "mesh": args.mesh}
    settings |= call_options.record(args, model)
    names = "formats wheel_max stride init bidirectional occlusion confidence uncertainty pad_last"
    names += " bucket max_size tile stored_orientation deinterlace across_gaps"
    chosen = {name: getattr(args, name) for name in names.split()}
    return manifests.Manifest(args, settings, chosen, ("pairs", "flows"))
