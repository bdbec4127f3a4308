"""What a fit of tracks is given: flow of pairs, where it holds, points; and its answers."""

import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import api, errors
from daflow_jax.fitting import masks
from daflow_jax.fitting.reduced import Clip, fitted_size, resized_flow
from daflow_jax.fitting.tracks import fit, pair_flow, points
from daflow_jax.synthetic import host, scene
from tests.models import parity_omnimotion

SIZE = (24, 32)


class Shift:
    """A flow network that always finds 2 pixels to the right, and back."""

    name, meta = "shift", {"sha256": "0"}

    def __init__(self):
        self.calls = 0

    def __call__(self, frames, **options):
        self.calls += 1
        flow = np.zeros((2, *frames.shape[1:3], 2), np.float32)
        flow[:, :, :, 0] = np.array([2, -2])[:, None, None]
        return flow


def clip(frames=4, seed=0):
    rng = np.random.default_rng(seed)
    return Clip(rng.integers(0, 256, (frames, *SIZE, 3), np.uint8), (48, 64))


@pytest.fixture
def found(tmp_path):
    return pair_flow.estimate(clip(), Shift(), 2, tmp_path / "work")


def test_pairs_and_their_flow_stay_on_the_disk(found, tmp_path):
    assert found.pairs.tolist()[:4] == [[0, 1], [1, 0], [0, 2], [2, 0]] and len(found.pairs) == 10
    assert (found.flow[0, ..., 0] == 2).all() and (found.flow[1, ..., 0] == -2).all()
    # the last columns leave the frame: their way back reads zeros there
    assert (found.known[0, :, :-4] == pair_flow.SEEN).all()
    model = Shift()
    again = pair_flow.estimate(clip(), model, 2, tmp_path / "work")
    assert model.calls == 0 and np.array_equal(again.flow, found.flow)


def test_flow_of_other_frames_size_or_model_is_refused(found, tmp_path):
    work = tmp_path / "work"
    with pytest.raises(errors.UserError, match="flow.npy: is flow of other frames") as refusal:
        pair_flow.estimate(clip(seed=1), Shift(), 2, work)
    assert refusal.value.code == 2
    with pytest.raises(errors.UserError, match="is flow of another size or gap"):
        pair_flow.estimate(clip(), Shift(), 3, work)
    with pytest.raises(errors.UserError, match="is flow of another model"):
        pair_flow.estimate(clip(), Shift(), 2, work, iters=3)


def test_occlusion_is_known_from_exact_flow():
    made = host.clip(scene.SceneConfig(height=48, width=64, still_share=0.0), 3, 5)
    seen, hidden = pair_flow.reliable(
        jnp.asarray(made["flow"][0]), jnp.asarray(made["flow_back"][0]), 1
    )
    assert seen.mean() > 0.5 and not (seen & hidden).any()
    assert made["occlusion"][0][np.asarray(hidden)].mean() > 0.9 or not hidden.any()


def test_batches_are_functions_of_seed_and_step(found):
    draw = points.Points(clip(), found, 3, 16, 4, seed=1)
    first, again = draw(5), points.Points(clip(), found, 3, 16, 4, seed=1)(5)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    moved = first.places - first.points
    ahead = np.where(first.target > first.source, 2, -2)
    assert np.array_equal(moved[..., 0], np.broadcast_to(ahead[:, None], (3, 16)))
    assert first.jitter.shape == (3, 16, 4) and (first.weight <= 1).all()
    assert not np.array_equal(first.points, draw(6).points)


def test_still_clips_are_refused_with_their_measure(found):
    still = found._replace(flow=found.flow * 0)
    with pytest.raises(errors.UserError, match="99 % of the flow is below 0 px a frame"):
        fit.check_motion(still, "clip")
    flow = np.zeros((3, *SIZE, 2), np.float32)
    with pytest.raises(errors.UserError, match="nothing moves in it"):
        masks.check_motion(masks.Moving(clip(), flow, flow), "clip")
    with pytest.raises(errors.UserError, match="nothing moves by itself.* px"):
        masks.check_motion(masks.Moving(clip(), flow + 3, flow - 3), "clip")


def test_sizes_of_a_fit():
    assert fitted_size((480, 854), 96, 16) == (48, 96)
    flow = resized_flow(np.full((48, 64, 2), 4, np.float32), (24, 32))
    assert np.allclose(flow, 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    net = parity_omnimotion.module("a")
    state = parity_omnimotion.published("a", 0)
    params = parity_omnimotion.ours(state, net.config.projection)
    made = api.TrackModel(net.config, {"params": params}, meta={"name": "fixture"})
    folder = tmp_path_factory.mktemp("tracks") / "model"
    api.save(made, folder)
    return api.load(folder, "tracks")


def test_a_loaded_folder_answers_for_points(model):
    asked = np.float32([[3, 4], [20.5, 11]])
    found = model.track(asked, 2)
    assert found.positions.shape == (2, 6, 2) and found.visible.shape == (2, 6)
    np.testing.assert_array_equal(found.positions[:, 2], asked)
    assert (found.hidden[:, 2] == 0).all() and (found.hidden >= 0).all()
    np.testing.assert_array_equal(model.track(asked, -4).positions, found.positions)


ASKED = {
    r"\(40, 4\) lies outside of the 32x24 frames": ([[40, 4]], 0),
    r"shape \(2,\) is not \(n, 2\)": ([1, 2], 0),
    "6; the clip has frames 0 to 5": ([[1, 2]], 6),
}


@pytest.mark.parametrize("message", ASKED)
def test_points_that_are_nowhere_are_refused(model, message):
    with pytest.raises(errors.UserError, match=message) as refusal:
        model.track(*ASKED[message])
    assert refusal.value.code == 2
