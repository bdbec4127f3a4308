"""Pairs folders: what is found, what the masks mean, what broken ones say."""

import json

import numpy as np
import pytest

from daflow_jax.datasets import pairs_folder as pairs
from daflow_jax.errors import UserError
from daflow_jax.io import write_flow, write_image


def make(folder, *, flow="flow.flo", meta=None, **masks):
    rng = np.random.default_rng(0)
    for name in ("frame1", "frame2"):
        write_image(folder / f"{name}.png", rng.integers(0, 255, (6, 8, 3)).astype(np.uint8))
    if flow:
        write_flow(folder / flow, np.full((6, 8, 2), 1.5, np.float32))
    for name, mask in masks.items():
        write_image(folder / f"{name}.png", np.uint8(255) * mask.astype(np.uint8))
    (folder / "meta.json").write_text(json.dumps(meta if meta is not None else {"dataset": "toys"}))
    return folder


def test_pairs_are_read_in_natural_order(tmp_path):
    for name in ("a/p10", "a/p2", "b/p1"):
        make(tmp_path / name, meta={} if name == "b/p1" else None)
    (tmp_path / "a/other").mkdir()
    found = pairs.read_pairs(tmp_path)
    assert [(entry.name, entry.dataset) for entry in found] == [
        ("a/p2", "toys"), ("a/p10", "toys"), ("b/p1", "b")]  # fmt: skip
    assert pairs.read_pairs(tmp_path / "a/p2")[0].name == "p2"
    pair = found[0].load()
    assert pair.frame1.shape == (6, 8, 3) and pair.valid.all() and pair.occluded is None
    np.testing.assert_array_equal(pair.flow, 1.5)


def test_masks_say_valid_and_occluded(tmp_path):
    left, top = np.zeros((2, 6, 8), bool)
    left[:, :4] = top[:2] = True
    by_occ = pairs.read_pairs(make(tmp_path / "x", valid=left, occ=top))[0].load()
    np.testing.assert_array_equal(by_occ.valid, left)
    np.testing.assert_array_equal(by_occ.occluded, top)
    by_noc = pairs.read_pairs(make(tmp_path / "y", valid=left, noc=top))[0].load()
    np.testing.assert_array_equal(by_noc.occluded, left & ~top)


def test_broken_pairs_name_file_rule_and_remedy(tmp_path):
    with pytest.raises(UserError, match="nowhere: not a folder"):
        pairs.read_pairs(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no pairs; a pair is a folder with frame1, frame2"):
        pairs.read_pairs(tmp_path)
    with pytest.raises(UserError, match="x: holds no flow file"):
        pairs.read_pairs(make(tmp_path / "x", flow=None))
    (make(tmp_path / "y") / "meta.json").write_text("{")
    with pytest.raises(UserError, match="meta.json: is not JSON"):
        pairs.read_pairs(tmp_path / "y")
    write_flow(make(tmp_path / "z") / "flow.flo", np.zeros((8, 6, 2), np.float32))
    with pytest.raises(UserError, match="flow.flo: 6x8 but frame1.png is 8x6"):
        pairs.read_pairs(tmp_path / "z")[0].load()
