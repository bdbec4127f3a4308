"""The published inference wrappers around RIFE beside ours: padding, halves, flips, gate, demo."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np

from daflow_jax import models, predict
from daflow_jax.metrics import thumbnail_ssim
from daflow_jax.predict.interpolation.gate import Gate
from daflow_jax.predict.interpolation.stream import Ask
from tests.models import published_rife as published
from tests.models.parity import Row

FRAME, SIMILARITY = 5e-5, 5e-5  # the published float32 error: 8e-6, 5e-5
FIXTURES = tuple(f"rife_{kind}_{part}" for kind in ("infer", "demo") for part in "ab")
GATES = ("rife_gate_a", "rife_gate_b")  # of rife_ops


def available() -> list[str]:
    """Returns the fixtures that are there: set a, all where DAFLOW_GOLDEN_INTERPOLATION says."""
    names = (*FIXTURES, *GATES)
    files = {name: published.GOLDEN / f"{name.replace('gate', 'ops')}.npz" for name in names}
    return [name for name, file in files.items() if file.exists()]


def rows(fixture: str) -> Iterator[Row]:
    """Yields a row for every array of a fixture that a wrapper makes."""
    kind, part = fixture.split("_")[1:]
    made = {"infer": _inference, "demo": _demo, "gate": _gate}[kind]
    return made(part)


def _model(preset: str, part: str) -> predict.InterpolationModel:
    config = models.preset(preset)
    variables = published.variables(config, published.state_dict(preset, part))
    return predict.InterpolationModel(config, variables, meta={"name": preset})


def _inference(part: str) -> Iterator[Row]:
    golden, model = published.fixture(f"rife_infer_{part}"), _model("rife", part)
    clip = np.concatenate([golden["frame0"], golden["frame1"]])
    quarter, middle, last = model(clip, (0.25, 0.5, 0.75))[0]
    found = {
        "middle": middle,
        "quarter": quarter,
        "three_quarter": last,
        "middle_tta": model(clip, flips=True)[0, 0],
        "middle_scale05": model(clip, scale=0.5)[0, 0],
    }
    for name, frame in found.items():
        yield Row(f"{name}_s2", frame[None, ::2, ::2], golden[f"{name}_s2"], FRAME)
    ask = Ask(clip[0], clip[1], Fraction(1, 2))
    ((_, whole),) = model.stream([ask], gate="off")
    ours = whole[None, ::2, ::2].astype(int)  # rounded; the reference truncates
    yield Row("middle_s2_uint8", ours, golden["middle_s2_uint8"].astype(int), 1)


def _demo(part: str) -> Iterator[Row]:
    golden, model = published.fixture(f"rife_demo_{part}"), _model("rife-3.8", part)
    seen: list[float] = []
    clip = list(golden["clip"])
    frames = _demo_frames(model, clip, 2, seen)
    yield Row("frames_out_s2", frames[:, ::2, ::2], golden["frames_out_s2"], FRAME)
    yield Row("ssim_calls", np.array(seen), golden["ssim_calls"], SIMILARITY)
    frames = _demo_frames(model, clip[:2], 4, [])
    yield Row("exp2_frames_out_s3", frames[:, ::3, ::3], golden["exp2_frames_out_s3"], FRAME)


def _demo_frames(model: Any, clip: list[np.ndarray], factor: int, seen: list[float]) -> np.ndarray:
    """Returns the demo's frames; adds the similarities that its gate computed to `seen`."""
    shares = [Fraction(k, factor) for k in range(factor)]
    asks = (Ask(a, b, share) for a, b in zip(clip, [*clip[1:], clip[-1]]) for share in shares)
    similarity = Gate.similarity

    def noted(gate, *pair):
        seen.append(similarity(gate, *pair))
        return seen[-1]

    with mock.patch.object(Gate, "similarity", noted):
        return np.stack(
            [frame for _, frame in model.stream(asks, gate="ssim", whole=False, as_demo=True)]
        )


def _gate(part: str) -> Iterator[Row]:
    golden = published.fixture(f"rife_ops_{part}")
    names = ("frame0", "frame0_noisy", "frame1", "frame2")
    frames = [golden[name][0] for name in names]
    thumbs = [thumbnail_ssim.thumbnail(x) for x in (*frames, 255 - frames[0])]
    yield Row("thumb0", thumbs[0][None], golden["thumb0"], 1e-6)
    values = [thumbnail_ssim.similarity(thumbs[0], thumb) for thumb in thumbs]
    yield Row("ssim_values", np.array(values), golden["ssim_values"], SIMILARITY)
