"""The programs that are planned: the train step of a configuration and its prediction."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from daflow_jax import errors, experiment, models, precision, pretrained, sharding
from daflow_jax.predict import options, placement
from daflow_jax.predict.flow import network
from daflow_jax.profiling import flops
from daflow_jax.tasks import base
from daflow_jax.train import data_feed as feeds
from daflow_jax.train import model_flops, setup


class Planned(NamedTuple):
    """A program ready to be lowered under its mesh.

    parts: bytes that one device holds of each part of the arguments. analytic: FLOPs of the step
    by the network's formulas, on all devices together. sequences: lengths of its attention.
    """

    jitted: Any
    args: tuple[Any, ...]
    mesh: Mesh
    parts: dict[str, int]
    analytic: float
    sequences: frozenset[int]


def train(config: Mapping[str, Any], devices: Sequence[jax.Device]) -> Planned:
    """Returns the step of the training loop, exactly as a run of `config` on `devices` has it.

    Raises UserError as `experiment.build`, such as for a batch that does not divide.
    """
    e = experiment.build(config, devices)
    rows = batch(e)
    with jax.set_mesh(e.mesh):
        like = setup.abstract_state(e)
        data = e.data
        if isinstance(data, feeds.HostData):
            data = feeds.HostData(lambda: iter(()))  # nothing is read
        calls = e.train.steps_per_call
        feed: Any = feeds.make_feed(data, setup.make_step(e), e.mesh, like, calls)
    given = data.constants if isinstance(data, feeds.DeviceData) else rows
    parts = {
        "parameters": _share(like.params),
        "frozen": _share(like.frozen),
        "optimizer": _share(like.opt_state),
        "average": _share(like.ema),
        "batch": _share(given),
    }
    scene = e.config["data"]["scene"]
    size = scene["frames"], scene["height"], scene["width"]
    networks = [getattr(e.task, name) for name in base.network_fields(type(e.task))]
    return Planned(
        feed.jitted,
        (like, given),
        e.mesh,
        parts,
        calls * model_flops.per_step(e.task, e.optimizer, like, rows),
        frozenset().union(*(sequences(x.config, *size) for x in networks if x is not None)),
    )


def predict(
    config: Mapping[str, Any],
    devices: Sequence[jax.Device],
    size: Sequence[int],
    frames: int | None = None,
) -> Planned:
    """Returns the prediction of frames of (height, width), padded as in use: of as many clips as
    the mesh takes side by side, each of `frames` frames (None: the model's own number).

    Weights and layers are in the configuration's compute format: a folder exported with
    `--dtype bfloat16`, loaded with `precision="bf16"`.
    """
    model = experiment.build_model(config)
    kind = models.entry_of(model).kind
    if kind != "flow":
        rule = f"a {kind} network predicts no flow"
        raise errors.UserError("--predict", rule, "Plan a flow network, or leave --predict out")
    mesh = sharding.make_mesh(config["mesh"], devices)
    place = placement.Placement(mesh.devices.flat[0], mesh)
    policy = precision.parse(config.get("precision", "f32"))
    if policy.eight:
        rule = f"a prediction has no products in {policy.eight}; they are for training"
        raise errors.UserError("--predict", rule, "Plan it with --config.precision=bf16")
    dtype = policy.compute
    module, plain = (models.build(c, dtype=dtype) for c in (model, model_flops.plain(model)))
    like = jax.tree.map(
        lambda leaf, where: jax.ShapeDtypeStruct(
            leaf.shape, dtype if leaf.dtype == jnp.float32 else leaf.dtype, sharding=where
        ),
        (abstract := pretrained.abstract_variables(model)),
        place.variables(module, abstract),
    )
    padded = place.grid(model).padded((size[0], size[1]))
    shape = (place.clips_at_once, frames or model.frames, *padded, 3)
    clips = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=place.input(shape))
    key = jax.eval_shape(lambda: jax.random.key(0))
    args = like, jax.ShapeDtypeStruct(key.shape, key.dtype, sharding=place.whole()), clips
    asked = options.defaults(model, {})
    alone = network.network(plain, asked, placement.Placement(mesh.devices.flat[0]))
    return Planned(
        jax.jit(network.network(module, asked, place)),
        args,
        mesh,
        {"parameters": _share(like), "batch": _share(clips)},
        flops.needed(alone, *_bare(args)),
        sequences(model, *shape[1:4]),
    )


def sequences(model: Any, frames: int, height: int, width: int) -> frozenset[int]:
    """Returns the lengths of a model's attention over clips of this size, none without any."""
    lengths = models.entry_of(model).attention_lengths
    return lengths(model, frames, height, width) if lengths else frozenset()


def _bare(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def batch(e: setup.Experiment) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and places of the arrays of a run's batch."""
    place = sharding.batch_sharding(e.mesh)
    if isinstance(e.data, feeds.DeviceData):
        shapes = jax.eval_shape(e.data.make, e.data.constants, np.int32(0))
    else:
        shapes = setup.batch_spec(e)
    return {
        key: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place) for key, x in shapes.items()
    }


def _share(tree: Any) -> int:
    """Returns the bytes that one device holds of a tree."""
    total = 0
    for leaf in jax.tree.leaves(tree):
        place = getattr(leaf, "sharding", None)
        shape = leaf.shape if place is None else place.shard_shape(leaf.shape)
        item = 8 if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf.dtype.itemsize
        total += int(np.prod(shape, dtype=np.int64)) * item
    return total
