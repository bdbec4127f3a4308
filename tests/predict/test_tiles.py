"""Tiles of any size blend to what each of them saw, and start from their part of a flow."""

import numpy as np
import pytest

from daflow_jax import api, errors, predict
from daflow_jax.predict import tiles
from daflow_jax.predict.flow import pairs
from tests import tiny
from tests.predict.fakes import Patient, Watched, estimator, ramp, registered  # noqa: F401


@pytest.mark.parametrize("tile", [(256, 256), (128, 128), (64, 96), (8, 8)])
@pytest.mark.parametrize("size", [(128, 128), (304, 520), (256, 400)])
def test_tiles_blend_to_what_each_of_them_saw(size, tile):
    maps = np.random.default_rng(0).random((1, 2, *size, 2), np.float32)
    seen = []

    def run(rows, columns):
        seen.append((rows, columns))
        return maps[..., rows, columns, :]

    blended = tiles.blended(size, tile, 8, run)
    np.testing.assert_allclose(blended, maps, atol=1e-6)
    for rows, columns in seen:
        assert rows.start % 8 == columns.start % 8 == 0
        assert rows.stop - rows.start <= tile[0] and columns.stop - columns.start <= tile[1]


@pytest.mark.usefixtures("registered")
def test_tiles_start_from_their_part_of_the_flow():
    small = np.random.default_rng(0).random((1, 40, 72, 2), np.float32)
    init = 8 * small.repeat(8, 1).repeat(8, 2)
    programs = Watched(Patient())
    chosen = estimator(programs, tile=(256, 256))
    flow = pairs.estimate_clip(chosen, ramp(2, (320, 576)), init_flow=init).flow
    np.testing.assert_allclose(flow, init, atol=1e-4)
    assert len(programs.given) == 1 + 2 * 4


@pytest.mark.usefixtures("registered")
def test_coarse_sizes_are_whole_and_lead_to_the_start_of_every_tile():
    programs = Watched(network := Patient())
    chosen = estimator(programs, 0.5, tile=(256, 256))
    flow = pairs.estimate_clip(chosen, ramp(2, (312, 570))).flow
    np.testing.assert_allclose(flow[..., 0], 2 * 288 / 16 * 285 / 288, rtol=0.02)
    assert network.seen[0] == (160, 288) and set(network.seen[1:]) == {(256, 256)}


def test_small_tiles_of_a_real_network_give_finite_flow():
    layout = predict.Layout(tile=(128, 128))
    model = api.FlowModel(tiny.config(), tiny.variables(), layout=layout)
    frames = tiny.frames(2, 150, 200)
    flow = model((frames[0], frames[1]), iters=1)
    assert flow.shape == (150, 200, 2) and np.isfinite(flow).all()


@pytest.mark.parametrize(
    ("tile", "message"),
    [((64, 128), "64x128 is below 128, the smallest side"), ((130, 256), "not in steps of 8")],
)
def test_tiles_that_the_network_does_not_take_are_refused(tile, message):
    with pytest.raises(errors.UserError, match=message):
        api.FlowModel(tiny.config(), tiny.variables(), layout=predict.Layout(tile=tile))
