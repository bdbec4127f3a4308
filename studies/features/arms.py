"""What is compared: every arm is a network, the losses on its descriptors, and its gate, as data.

raft-star   RAFT* of equal time: the control of all
windows     E0: a second volume of averaged windows, no network
lifted      E2: features restored over three frames in the space of the published encoder
diffused    the same as a diffusion of clean features, one step at inference
framewise   attention within frames
flow-only   the same network without restoration losses
third       a third frame without restoration: a second volume of RAFT's own features
trunk       E1: the frozen trunk of a published restorer; `shuffled`: its weights in disorder
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple


class Gate(NamedTuple):
    """An arm is trained for a seed only if, at seed `seed`, the error of `arm` is below that of
    `than` by the share `by` at `condition` (paired mean over clips of generated data)."""

    arm: str
    than: str
    by: float
    condition: str = "combined:3"
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
        text: what it is, for tables.
        second: fields of the second volume's configuration (`models.daflow_cost`); None: RAFT.
        match: weight of InfoNCE on moving visible tokens.
        restore, rows, copy: weights of the restoration of features: cosine, rows of the
            correlation, copying of clean patches.
        alone: share of the time in which the restoration is trained without the flow.
        shuffle: whether the trunk's weights are put in disorder, layer by layer.
        gate: see `Gate`.
    """

    text: str
    second: Mapping[str, Any] | None = None
    match: float = 0.0
    restore: float = 0.0
    rows: float = 0.0
    copy: float = 0.0
    alone: float = 0.0
    shuffle: bool = False
    gate: Gate | None = None


WINDOWS = {"windows": (20, 40)}
RESTORED: dict[str, Any] = {"restore": 1.0, "rows": 0.5, "copy": 0.1, "alone": 0.3}


def _lift(attention: Literal["clip", "frame"] = "clip", diffusion: bool = False, depth: int = 4):
    lift = dict(depth=depth, attention=attention, diffusion=diffusion)
    return {**WINDOWS, "lift": lift}


def _trunk(family: str = "rrdb-x4plus"):
    return dict(trunk=family, taps=("2", "5", "8"), shrink=4)  # after blocks 3, 6 and 9


_FRAMES = {"windows": ()}
E1_GATE = Gate("trunk", "windows", 0.02)
ARMS: dict[str, Arm] = {
    "raft-star": Arm("RAFT* of equal time"),
    "windows": Arm("second volume of averaged windows, no network (E0)", WINDOWS),
    "windows-40": Arm("the same, 40 px alone", {"windows": (40,)}),
    "lifted": Arm("features restored over three frames (E2)", _lift(), **RESTORED),
    "diffused": Arm("the same as a diffusion (E2)", _lift(diffusion=True), **RESTORED),
    "framewise": Arm("features restored frame by frame", _lift("frame"), **RESTORED),
    "flow-only": Arm("the network of E2 without restoration losses", _lift()),
    "third": Arm("a third frame without restoration", {**_FRAMES, "other_frame": True}),
    "trunk": Arm("frozen trunk of a restorer (E1)", {**_FRAMES, **_trunk()}, match=0.1),
    "shuffled": Arm(
        "the same trunk, weights shuffled", {**_FRAMES, **_trunk()},
        match=0.1, shuffle=True, gate=E1_GATE,
    ),
}  # fmt: skip
CONTROL = "raft-star"
