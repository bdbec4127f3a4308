"""`daflow table`: evaluations of several data sets as one table, in the form of a paper."""

import argparse
import json

from daflow_jax.cli import options


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the verb and its options."""
    parser = subparsers.add_parser(
        "table",
        help="evaluations of several data sets as one table, in DA-Flow's form",
        description=(
            "Prints what `daflow eval` measured in the form of the DA-Flow paper: a row a method, "
            "EPE and the shares of errors above 1, 3 and 5 px a data set. With --over a method "
            "that was evaluated with several values of an option gets the mean of them, as there "
            "over denoising steps, and a second table by value."
        ),
        **options.examples(
            "daflow table eval/sintel eval/kitti --degradation combined:3 --out table.md",
            "daflow table eval/*",
            "daflow table eval/* gs://my-runs/eval/spring --over tap-step --published",
        ),
    )
    text = "folders that daflow eval wrote, or results.json"
    parser.add_argument("results", nargs="+", metavar="DIR", help=text)
    text = "of several that were measured: clean, realbasicvsr:0, ..."
    parser.add_argument("--degradation", default="", metavar="NAME:SEVERITY", help=text)
    text = "option of the network whose values are averaged over"
    parser.add_argument("--over", default="", metavar="OPTION", help=text)
    text = "the paper's own rows beside them"
    parser.add_argument("--published", action="store_true", help=text)
    parser.add_argument("--out", metavar="FILE", help="write the table to this file as well")
    parser.add_argument("--json", action="store_true", help="numbers as one JSON object on stdout")
    parser.add_argument("--debug", action="store_true", help="traceback on errors")


def run(args: argparse.Namespace) -> int:
    """Returns 0 after printing the table."""
    from daflow_jax.evaluate import paper_table
    from daflow_jax.io import atomic, storage

    tables = paper_table.read(args.results, args.degradation, args.over.replace("-", "_"))
    text = tables.text(args.published)
    if args.out:
        atomic.write_text(storage.place(args.out), text)
    print(json.dumps(tables._asdict()) if args.json else text, end="\n" if args.json else "")
    return 0
