"""An adaptive network from two trainings of one flow network, and a plain network from it.

    python -m studies.adaptive join OUT --clean models/raft-sintel \
        --degraded runs/star_large/export/best --gate runs/gate/export/best
    python -m studies.adaptive plain OUT --model raft-degraded --share 1

The change of the weights is the part of their difference that --rank keeps. Parameters that only
the second network has, such as a head for uncertainty, are taken from it. Without --gate the gate
is drawn: train it by configs/adaptive_flow/gate.py, with OUT as checkpoint.init_from. A plain
network has a share of the change that is always the same: 0 is the network for clean frames, 1 the
one for degraded frames. OUT has 16 bits a parameter.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from daflow_jax import errors, pretrained
from daflow_jax.models.adaptive_flow import change
from daflow_jax.models.adaptive_flow.config import AdaptiveFlowConfig
from daflow_jax.models.adaptive_flow.gate import Gate
from daflow_jax.models.adaptive_flow.model import check_inner, moved


def joined(
    clean: pretrained.LoadedModel,
    degraded: pretrained.LoadedModel,
    gate: pretrained.LoadedModel | None,
    rank: int,
) -> tuple[AdaptiveFlowConfig, dict[str, Any]]:
    """Returns configuration and variables of the adaptive network.

    Raises UserError for two networks of different shapes, networks that do not refine their flow,
    and a gate of another family.
    """
    config = AdaptiveFlowConfig(degraded.config, rank=rank)
    check_inner(config)
    after = traverse_util.flatten_dict(degraded.variables["params"], sep="/")
    before = after | traverse_util.flatten_dict(clean.variables["params"], sep="/")
    wrong = [name for name in before if np.shape(before[name]) != np.shape(after.get(name))]
    if wrong:
        raise errors.UserError(wrong[0], "differs between both networks", "Name two of one size")
    trees = [traverse_util.unflatten_dict(x, sep="/") for x in (before, after)]
    if gate is None:
        frames = jnp.zeros((1, 2, 32, 32, 3))
        drawn = Gate(config.widths).init(jax.random.key(0), frames)["params"]
    else:
        config = dataclasses.replace(config, widths=_adaptive(gate).widths)
        drawn = gate.variables["params"]["gate"]
    params = {"flow": trees[0], "change": change.between(*trees, rank), "gate": drawn}
    statistics = {
        name: {"flow": tree} for name, tree in clean.variables.items() if name != "params"
    }
    return config, {"params": params, **statistics}


def plain(model: pretrained.LoadedModel, share: float) -> tuple[Any, dict[str, Any]]:
    """Returns configuration and variables of the inner network with a share of the change added.

    Raises UserError for a model of another family.
    """
    config = _adaptive(model)
    params = jax.tree.map(jnp.float32, model.variables["params"])
    variables = {name: x["flow"] for name, x in ({**model.variables, "params": params}).items()}
    difference = change.Change(config.rank).apply({"params": params["change"]}, params["flow"])
    return config.flow, jax.tree.map(np.asarray, moved(variables, difference, share))


def _adaptive(model: pretrained.LoadedModel) -> AdaptiveFlowConfig:
    if not isinstance(model.config, AdaptiveFlowConfig):
        raise errors.UserError(
            model.meta["name"], "holds no adaptive flow network", "Name one that does"
        )
    return model.config


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    join = commands.add_parser("join", help="two trainings become an adaptive network")
    join.set_defaults(run=_join)
    join.add_argument("out", type=Path)
    join.add_argument("--clean", required=True, help="model, best on clean frames")
    join.add_argument("--degraded", required=True, help="the same, finetuned on degraded frames")
    join.add_argument("--gate", help="adaptive model whose gate is taken")
    join.add_argument("--rank", type=int, default=16)
    one = commands.add_parser("plain", help="an adaptive network becomes its inner one")
    one.set_defaults(run=_plain)
    one.add_argument("out", type=Path)
    one.add_argument("--model", required=True, help="adaptive model")
    one.add_argument("--share", type=float, default=1.0, help="of the change that is added (1)")
    return parser


def _join(args: argparse.Namespace) -> int:
    clean, degraded = _load(args.clean), _load(args.degraded)
    gate = _load(args.gate) if args.gate else None
    config, variables = joined(clean, degraded, gate, args.rank)
    made = {"clean": args.clean, "degraded": args.degraded, "gate": args.gate}
    return _save(args.out, config, variables, degraded, made)


def _plain(args: argparse.Namespace) -> int:
    model = _load(args.model)
    config, variables = plain(model, args.share)
    return _save(args.out, config, variables, model, {"model": args.model, "share": args.share})


def _load(name: str) -> pretrained.LoadedModel:
    return pretrained.load(pretrained.resolve(name))


def _save(out: Path, config: Any, variables: dict, like: pretrained.LoadedModel, made: dict) -> int:
    if out.exists():
        raise errors.UserError(out, "exists", "Name a new folder")
    half = jax.tree.map(lambda x: np.asarray(x, np.float16), variables["params"])
    pretrained.save(
        out,
        config,
        {**variables, "params": half},
        name=out.name,
        defaults=like.meta.get("defaults"),
        training=made,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
