"""daflow degrade: images, folders, videos or a pairs folder, degraded by a recorded recipe."""

import argparse
import json
from pathlib import Path
from typing import Any

from daflow_jax import errors
from daflow_jax.cli import console, degrade_inputs, degrade_recipes, options, sources


def add_parser(subparsers) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "degrade",
        help="degrade images, folders, videos or pairs by a recorded recipe",
        description=(
            "Writes the same tree with degraded frames (.png, videos as .mp4 of high quality) and "
            "recipe.json, which --recipe takes to repeat the run to the same frames. In a pairs "
            "folder the original frames stay beside as clean1, clean2. The published pipelines "
            "realbasicvsr, star, dit4sr, dit4sr_online draw from their whole ranges, or with "
            "--severity from a part of them."
        ),
        **options.examples(
            "daflow degrade clip/ --recipe h264_compression --severity 4",
            "daflow degrade video.mp4 --recipe low_light --out dark",
            "daflow degrade pairs/ --recipe realbasicvsr --seed 7 --out pairs_bad",
        ),
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="images, folders, globs, videos")
    parser.add_argument(
        "--recipe",
        default="realbasicvsr",
        metavar="NAME|FILE",
        help="(realbasicvsr) a pipeline, a corruption (a wrong name lists all) or a recipe.json",
    )
    parser.add_argument(
        "--severity",
        "--level",
        type=options.number(),
        metavar="S",
        help="1 mild to 5 severe (3; published pipelines: their whole range)",
    )
    parser.add_argument(
        "--consistent-in-time",
        action=argparse.BooleanOptionalAction,
        help="one draw of the parameters for all frames of a sequence, or one for each (what the "
        "recipe does by itself: star, dit4sr one for each)",
    )
    parser.add_argument("--recursive", action="store_true", help="also folders inside folders")
    sources.add_reading(parser)
    options.add_common(parser, "daflow_degraded")
    options.add_keep(parser)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code after writing the frames and recipe.json: 5 if some inputs failed."""
    from daflow_jax import outputs
    from daflow_jax.io import protected

    log, recipes = console.Console(args.quiet), degrade_recipes.Recipes(args)
    items = _items(args, log)
    inputs = [path for item in items for path in item.inputs]
    inputs += [Path(args.recipe)] if args.recipe.endswith(".json") else []
    outputs.check([recipes.path], inputs, "replace")
    for item in items:
        outputs.check(item.targets, inputs, sources.existing(args))
        recipes.check(item.name)
    with protected.protecting(inputs):
        for item in items:
            _one(item, recipes, args, log)
    recipes.save()
    if args.json:
        print(json.dumps({"out": args.out, **recipes.own()}))
    if not recipes.failures:
        return 0
    return 5 if len(recipes.failures) < len(items) or recipes.partly else 2


def _one(item: Any, recipes: Any, args: argparse.Namespace, log: console.Console) -> None:
    """Degrades one input, or notes why it failed."""
    try:
        there = args.skip_existing and all(path.exists() for path in item.targets)
        if there:
            recipes.keep(item.name)
        else:
            recipe = recipes.recipe(item.name, item.length)
            recipes.add(item.name, recipe, item.work(recipe, log))
    except errors.UserError as error:
        if error.code == 3:
            raise
        recipes.fail(item.name, error)
        return
    if not args.json:
        print(item.shown)


def _items(args: argparse.Namespace, log: console.Console) -> list[Any]:
    """Returns every pair and every sequence that the inputs name."""
    from daflow_jax.datasets import pairs_folder, sequences

    pairs, others = [], []
    for text in args.inputs:
        folders = pairs_folder.find_folders(text) if Path(text).is_dir() else []
        pairs += [degrade_inputs.Pair(text, folder, args) for folder in folders]
        others += [] if folders else [text]
    if not others:
        return pairs
    found = sequences.resolve(others, recursive=args.recursive, least=1)
    if found.note:
        log.note(found.note)
    return pairs + [degrade_inputs.Clip(sequence, args) for sequence in found]
