"""An adaptive network from two trainings of one flow network: for clean frames and degraded ones.

    python -m studies.adaptive OUT --clean models/raft-sintel --degraded runs/star/export/best \
        --gate runs/gate/export/best

The change of the weights is the part of their difference that --rank keeps. Parameters that only
the second network has, such as a head for uncertainty, are taken from it. Without --gate the gate
is drawn: train it by configs/adaptive_flow/gate.py, with OUT as checkpoint.init_from. OUT has 16
bits a parameter.
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


def joined(
    clean: pretrained.LoadedModel,
    degraded: pretrained.LoadedModel,
    gate: pretrained.LoadedModel | None,
    rank: int,
) -> tuple[AdaptiveFlowConfig, dict[str, Any]]:
    """Returns configuration and variables of the adaptive network.

    Raises UserError for two networks of different shapes.
    """
    config = AdaptiveFlowConfig(degraded.config, rank=rank)
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
        config = dataclasses.replace(config, widths=gate.config.widths)
        drawn = gate.variables["params"]["gate"]
    params = {"flow": trees[0], "change": change.between(*trees, rank), "gate": drawn}
    statistics = {
        name: {"flow": tree} for name, tree in clean.variables.items() if name != "params"
    }
    return config, {"params": params, **statistics}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--clean", required=True, help="model, best on clean frames")
    parser.add_argument("--degraded", required=True, help="the same, finetuned on degraded frames")
    parser.add_argument("--gate", help="adaptive model whose gate is taken")
    parser.add_argument("--rank", type=int, default=16)
    args = parser.parse_args()
    clean, degraded = (pretrained.load(pretrained.resolve(x)) for x in (args.clean, args.degraded))
    gate = pretrained.load(pretrained.resolve(args.gate)) if args.gate else None
    config, variables = joined(clean, degraded, gate, args.rank)
    half = jax.tree.map(lambda x: np.asarray(x, np.float16), variables["params"])
    pretrained.save(
        args.out,
        config,
        {**variables, "params": half},
        name=Path(args.out).name,
        defaults=degraded.meta.get("defaults"),
        training={"clean": args.clean, "degraded": args.degraded, "gate": args.gate},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
