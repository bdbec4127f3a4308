"""PWC-Net and FlowNet against the published networks (float32, tolerances of the fixtures)."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors, models
from daflow_jax.models.pwcnet import warp
from tests.models import parity, parity_flownets
from tests.models import published_flownets as published

PARAMETERS = {"pwcnet": 9_374_274, "flownet-s": 38_676_506, "flownet-c": 39_175_298}
whole = pytest.mark.skipif(
    published.FULL == published.GOLDEN,
    reason="set DAFLOW_GOLDEN_FLOWNETS to a folder with the whole fixtures",
)
SECOND = [pytest.mark.slow, whole]


@pytest.mark.parametrize("part", ["a", pytest.param("b", marks=SECOND)])
def test_every_stage_of_pwcnet_equals_the_published_network(part):
    names = published.arrays(f"pwcnet_levels_{part}")
    parity.check(parity_flownets.pwcnet(part), names, parity_flownets.INPUTS)


@pytest.mark.parametrize(
    "name, part",
    [
        pytest.param("flownet-c", "a", marks=pytest.mark.slow),
        pytest.param("flownet-s", "a", marks=pytest.mark.slow),
        pytest.param("flownet-c", "b", marks=SECOND),
        pytest.param("flownet-s", "b", marks=SECOND),
    ],
)
def test_every_stage_and_loss_of_flownet_equals_the_published_network(name, part):
    names = published.arrays(f"{published.FILES[name]}_{part}")
    parity.check(parity_flownets.flownet(name, part), names, parity_flownets.INPUTS)


@whole
@pytest.mark.slow
@pytest.mark.parametrize("part", "ab")
def test_the_published_test_script_of_pwcnet(part):
    """OpenCV's resizing of 8-bit pictures before the network, and of its flow behind it."""
    golden = published.arrays(f"pwcnet_infer_{part}")
    height, width = golden["image1"].shape[1:3]
    rows, columns = (-(-side // 64) * 64 for side in (height, width))
    pair = [cv2.resize(golden[k][0], (columns, rows)) for k in ("image1", "image2")]
    np.testing.assert_allclose(pair[0][::3, ::3], golden["resized1_s3"].astype(int), atol=1)
    variables = published.convert("pwcnet", published.state_dict("pwcnet", "ab".index(part)))
    clip = np.stack(pair)[None].astype(np.float32) / 255
    out = jax.jit(published.module("pwcnet").apply)(variables, clip)
    low = 20 * np.asarray(out.levels[0][0, 0])
    np.testing.assert_allclose(low, golden["flow2_times_20"], atol=8e-4)
    flow = cv2.resize(low, (width, height)) * np.float32([width / columns, height / rows])
    np.testing.assert_allclose(flow[::2, ::2], golden["flow_s2"], atol=8e-4)
    own = cv2.resize(low, (columns, rows))
    np.testing.assert_allclose(out.flows[0, 0, 0], own, atol=1e-4)


@pytest.mark.parametrize("name", PARAMETERS)
def test_networks_have_as_many_parameters_as_published(name):
    config = models.preset(name)
    net = models.build(config)
    shape = models.example(config).args[0]
    found = jax.eval_shape(lambda: net.init(jax.random.key(0), jnp.zeros(shape.shape)))
    assert sum(leaf.size for leaf in jax.tree.leaves(found)) == PARAMETERS[name]


def test_a_pixel_that_is_partly_outside_is_masked_and_the_mask_has_no_gradient():
    features = jnp.ones((1, 4, 6, 2))
    flow = jnp.zeros((1, 4, 6, 2)).at[0, 0, 0].set(jnp.array([-0.001, 0.0]))
    masked = jax.jit(warp.masked, static_argnums=2)
    out = masked(features, flow, True)
    assert not out[0, 0, 0].any() and np.asarray(out[0, 1:]).min() > 0.9999
    slope = jax.grad(lambda x: jnp.sum(masked(features, x, True)))(flow)
    assert not np.asarray(slope[0, 0, 0]).any()


@pytest.mark.parametrize(
    "settings, rule",
    [(dict(radius=0), "radius"), (dict(widths=(0, 1, 1, 1, 1, 1)), "widths")],
)
def test_sizes_out_of_range_are_refused(settings, rule):
    with pytest.raises(errors.UserError, match=rule):
        models.preset("pwcnet", **settings)
