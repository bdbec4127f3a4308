import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.experiment import clip_sources
from daflow_jax.input_pipeline import on_device, settings
from daflow_jax.synthetic import host, scene, textures
from daflow_jax.tasks import inputs
from tests import batches

SCENE = scene.SceneConfig(
    frames=2,
    height=32,
    width=48,
    max_shapes=3,
    textures="procedural",
    num_textures=4,
    texture_size=64,
)


@pytest.mark.slow
def test_device_batch_holds_the_clips_of_the_step_and_keeps_the_rules():
    config = settings.DataConfig(scene=SCENE)
    atlas = jnp.asarray(textures.atlas(SCENE, 7))
    make = jax.jit(lambda step: on_device.device_batch(config, atlas, 7, step, 3))
    batch = jax.tree.map(np.asarray, make(2))
    batches.check(batch)
    assert set(batch) == {*inputs.CLIP, "weight"} - {key for key in inputs.CLIP if "back" in key}
    expected = host.clip(SCENE, 7, 2 * 3 + 1)
    same = np.abs(batch["flow"][1] - expected["flow"]).max(-1) < 1e-3
    assert same.mean() > 0.995  # a pixel on an outline may belong to either layer
    jax.tree.map(np.testing.assert_array_equal, batch, jax.tree.map(np.asarray, make(2)))
    assert not np.array_equal(batch["lq"], make(3)["lq"])


@pytest.mark.slow
def test_published_pipeline_makes_the_device_batch():
    degrade = settings.DegradeConfig(pipeline="star", clean_share=0.0, jitter_share=0.0)
    config = settings.DataConfig(scene=SCENE, degrade=degrade, keys=("lq", "hq", "weight"))
    atlas = jnp.asarray(textures.atlas(SCENE, 7))
    batch = jax.jit(lambda step: on_device.device_batch(config, atlas, 7, step, 1))(0)
    clip = np.asarray(batch["lq"][0])
    gap = np.abs(clip - np.asarray(batch["hq"][0])).mean()
    assert 0.01 < gap < 0.3 and not np.array_equal(clip[0], clip[1])


def test_what_is_made_on_the_host_alone_is_refused():
    config = settings.DataConfig(degrade=settings.DegradeConfig(single_share=0.5))
    with pytest.raises(errors.UserError, match="single_share: is not made on the device"):
        clip_sources.check_place("device", config)


def test_device_form_imports_no_host_package():
    program = (
        "import sys; from daflow_jax.input_pipeline import on_device; "
        "sys.exit(bool({'grain', 'cv2', 'av', 'ml_collections'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0
