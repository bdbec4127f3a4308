"""What a task declares of its batches, and what follows: shapes, checks, padding."""

import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.tasks import inputs
from daflow_jax.tasks.inputs import FLOW, FRAMES, MASK, Input

TIMES = {
    "hq": FRAMES,
    "large": Input("b f 2*h 2*w 3"),
    "grid": Input("b f-1 h/8 w/8+1 2", unit="cells"),
    "time": Input("b f-2", unit="[0, 1]"),
    "flow": inputs.optional(FLOW),
    "valid": inputs.optional(MASK),
}
CLIP = {"b": 2, "f": 3, "h": 16, "w": 24}


def _batch():
    return {key: np.asarray(x) for key, x in inputs.zeros(TIMES, CLIP).items()}


def test_shapes_follow_from_the_sizes_of_a_clip_and_back():
    shapes = {key: x.shape for key, x in inputs.spec(TIMES, CLIP).items()}
    assert shapes["large"] == (2, 3, 32, 48, 3) and shapes["grid"] == (2, 2, 2, 4, 2)
    assert shapes["time"] == (2, 1) and shapes["valid"] == (2, 2, 16, 24)
    assert inputs.sizes(TIMES, _batch()) == CLIP
    assert _batch()["valid"].all() and inputs.zeros(TIMES, CLIP, ("weight",))["weight"].all()
    with pytest.raises(ValueError, match="axis 'k' of input 'bad'.*such as f-1"):
        inputs.spec({"bad": Input("b k")}, CLIP)


def test_names_are_those_declared_optional_ones_may_go():
    assert inputs.keys(TIMES) == (*TIMES, "weight")
    assert inputs.keys(TIMES, ("hq", "large", "weight", "grid", "time"))[-1] == "weight"
    with pytest.raises(errors.UserError, match="data.keys: unknown key 'tme'.*Did you mean time"):
        inputs.keys(TIMES, ("hq", "tme"))
    with pytest.raises(errors.UserError, match="lacks 'large'"):
        inputs.keys(TIMES, ("hq", "grid", "time"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"time": None}, "has no 'time'"),
        ({"lq": np.zeros(2)}, "batch lq: unknown key"),
        ({"time": np.full((2, 1), 1.5, np.float32)}, "batch time: values 1.5 to 1.5"),
        ({"grid": np.full((2, 2, 2, 4, 2), np.nan, np.float32)}, "batch grid: holds NaN"),
        ({"large": np.zeros((2, 3, 16, 24, 3), np.float32)}, r"the rule is float32\[2, 3, 32, 48"),
        ({"time": np.zeros((2, 1))}, r"float64\[2, 1\]; the rule is float32"),
        ({"flow": np.full((2, 2, 16, 24, 2), 1e3, np.float32)}, "batch flow: up to 1e.03 px"),
        ({"hq": np.zeros((2, 16, 24, 3), np.float32)}, r"the rule is \(b f h w 3\)"),
    ],
)
def test_what_breaks_the_list_is_refused(change, message):
    inputs.check(TIMES, _batch() | {"weight": np.ones(2, np.float32)})
    batch = {key: x for key, x in (_batch() | change).items() if x is not None}
    with pytest.raises(errors.UserError, match=message):
        inputs.check(TIMES, batch)


def test_values_count_where_their_mask_says_so():
    batch = _batch()
    batch["flow"] = np.full_like(batch["flow"], np.nan)
    batch["valid"] = np.zeros_like(batch["valid"])
    inputs.check(TIMES, batch)


def test_padding_repeats_the_last_row_with_weight_zero():
    padded = inputs.pad(_batch(), 5)
    assert padded["hq"].shape[0] == 5 and padded["weight"].tolist() == [1, 1, 0, 0, 0]
