"""Command lines with flags of odd values; no network is run, as inputs of networks are cut."""

import argparse
import functools
import random

VERBS: dict[str, list[str]] = {  # verb: what is given besides the flags that are drawn
    "degrade": ["a.png", "--quiet", "--recipe", "blur"],
    "convert flow": ["a.flo", "out/b.flo", "--quiet"],
    "data check": ["pairs", "--quiet"],
    "data stats": ["pairs", "--quiet"],
    "data label": ["pairs", "--quiet", "--model", "nosuch"],
    "eval": ["pairs", "--baseline", "zero", "--quiet"],
    "table": ["pairs"],
    "flow": ["cut.png", "a.png", "--quiet"],
    "restore": ["cut.png", "--quiet", "--model", "nosuch"],
    "interpolate": ["cut.png", "a.png", "--quiet", "--model", "nosuch"],
    "export": ["nosuch", "out"],
    "analyze": ["pairs", "--quiet", "--model", "nosuch"],
    "score": ["nosuch.mp4", "--quiet"],
    "demo": ["--model", "nosuch", "--quiet"],
    "plan": ["--config", "nosuch.py", "--topology", "cpu:8", "--quiet"],
    "doctor": [],
}
_ODD = (
    "-1", "0", "1", "2", "1e9", "999999999999999999999", "nan", "inf", "-0.0", "", " ", "auto",
    "none", "0x0", "0x96", "-5x-3", "128x96", "99999x99999", "1,2", "0.5,0.25", "1e-9", "a.png",
    "a.flo", "nosuch", "../x/..", ".", "pairs", "a\nb", "\u00b2", "--", "=", "data=0", "seq=2",
    "cuda:1", "flo,,", "flo,flo", "x" * 300, "zero,zero", "jpeg:9", "jpeg:nan", "%s", "{}", "NaN",
)  # fmt: skip
_LEFT_OUT = ("--help", "-h", "--debug", "--json", "--version", "-v", "--verbose")


def make(rng: random.Random) -> list[str]:
    """Returns the arguments of a command."""
    verb = rng.choice(list(VERBS))
    argv = [*verb.split(), *VERBS[verb]]
    found = flags(verb)
    for name, takes in rng.sample(found, min(rng.choice((1, 1, 2, 3)), len(found))):
        argv.append(name)
        argv += [rng.choice(_ODD) for _ in range(takes)]
    out = [] if verb in ("convert flow", "export") or "--out" in argv else ["--out", "out"]
    return [*argv, *out]


@functools.cache
def flags(verb: str) -> list[tuple[str, int]]:
    """Returns (flag, number of its values) of a verb's parser."""
    from daflow_jax import cli

    parser: argparse.ArgumentParser = cli._parser(verb.split())
    for word in verb.split():
        choices = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        if word not in choices.choices:
            return []
        parser = choices.choices[word]
    found = []
    for action in parser._actions:
        names = [name for name in action.option_strings if name not in _LEFT_OUT]
        if names:
            count = action.nargs if isinstance(action.nargs, int) else 1
            found.append((names[0], count))
    return sorted(found)
