"""python -m tests.fuzz --cases 2000 --seed 1; one again: --only 17 --keep DIR."""

import argparse
import sys
from pathlib import Path

from tests.fuzz import campaign


def main() -> int:
    """Returns 1 if a case broke a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", type=int, metavar="N", help="run case N alone")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the cases' files there")
    args = parser.parse_args()
    numbers = range(args.first, args.first + args.cases) if args.only is None else [args.only]
    report = campaign.run(args.seed, numbers, args.keep)
    print(report.text(args.seed))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
