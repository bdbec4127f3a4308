import importlib.util
import re

import cv2
import numpy as np
import pytest

from daflow_jax import errors
from daflow_jax.synthetic import scene, textures

SMALL = scene.SceneConfig(textures="procedural", num_textures=8, texture_size=64)


def test_atlas_is_a_function_of_seed_and_differs_between_seeds():
    first = textures.atlas(SMALL, 1)
    textures._atlas.cache_clear()
    np.testing.assert_array_equal(first, textures.atlas(SMALL, 1))
    assert first.shape == (8, 64, 64, 3) and first.dtype == np.uint8
    assert not np.array_equal(first, textures.atlas(SMALL, 2))
    assert first.reshape(8, -1).std(1).min() > 5  # none is blank


def test_atlas_of_a_folder_shows_its_pictures(tmp_path):
    picture = np.zeros((40, 30, 3), np.uint8)
    picture[..., 2] = 200  # BGR: red
    cv2.imwrite(str(tmp_path / "red.png"), picture)
    config = scene.SceneConfig(
        textures="photographs", folder=str(tmp_path), num_textures=4, texture_size=64
    )
    made = textures.atlas(config, 0)
    assert ((made > 0).sum((1, 2)).astype(bool).sum(-1) == 1).all()  # one channel, maybe permuted


def test_photographs_without_scikit_image_name_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    config = scene.SceneConfig(textures="photographs", num_textures=3, texture_size=32)
    with pytest.raises(errors.UserError, match="pip install scikit-image") as raised:
        textures.atlas(config, 77)
    assert raised.value.code == 3


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(errors.UserError, match="holds no image"):
        textures.atlas(scene.SceneConfig(folder=str(tmp_path)), 0)


@pytest.mark.parametrize(
    "wrong, rule",
    [
        ({"textures": "photo"}, "textures: is 'photo'. Did you mean photographs?"),
        ({"frames": 1}, "frames: is 1. Use whole numbers of 2 to 1024"),
        ({"frames": 900, "height": 900, "width": 900}, "are more than 268435456 pixels"),
        ({"num_textures": 60000}, "num_textures: 60000 of 512x512 are more than"),
        ({"min_shapes": 9}, "min_shapes: is 9. Use at most max_shapes"),
        ({"nonrigid": 1.0}, "nonrigid: is 1.0. Use numbers of 0 to below 1"),
        ({"max_motion": 0.0}, "max_motion: is 0.0. Use numbers above 0, up to 10"),
        ({"rotation": float("nan")}, "rotation: is nan. Use a number"),
    ],
)
def test_wrong_scene_settings_are_refused(wrong, rule):
    with pytest.raises(errors.UserError, match=re.escape(rule)):
        scene.SceneConfig(**wrong)
