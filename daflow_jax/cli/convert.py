"""`daflow convert`: flow files between formats, published weights to model folders."""

import argparse

from daflow_jax.cli import convert_flow, convert_weights, options


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb with its two kinds."""
    parser = subparsers.add_parser(
        "convert",
        help="flow file formats; published weights to a model folder",
        **options.examples(
            "daflow convert flow a.flo a.png",
            "daflow convert flow predictions/ kitti/ --to png",
            "daflow convert weights raft-things.pth my_raft",
        ),
    )
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    convert_flow.add_parser(kinds)
    convert_weights.add_parser(kinds)


def run(args: argparse.Namespace) -> int:
    """Returns the exit code of the chosen kind."""
    return (convert_flow if args.kind == "flow" else convert_weights).run(args)
