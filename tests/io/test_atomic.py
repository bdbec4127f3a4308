"""Temporary files: new, unforeseeable, short enough, and gone afterwards."""

import errno
import os

import pytest

from daflow_jax.errors import UserError
from daflow_jax.io import atomic, natural


def test_a_planted_link_is_not_followed(tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    drawn = iter(["00000000", "00000000", "11111111"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(drawn))
    for name in (f".a.{os.getpid()}.part.txt", f".a.{os.getpid()}.00000000.part.txt"):
        (out / name).symlink_to(secret)
    atomic.write_text(out / "a.txt", "ours")
    assert secret.read_text() == "mine" and (out / "a.txt").read_text() == "ours"
    assert sum(path.is_symlink() for path in out.iterdir()) == 2


def test_a_link_at_the_final_name_is_replaced_not_followed(tmp_path):
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "a.txt").symlink_to("secret")
    atomic.write_text(tmp_path / "a.txt", "ours")
    assert (tmp_path / "secret").read_text() == "mine" and not (tmp_path / "a.txt").is_symlink()


@pytest.mark.parametrize("stem", ["a" * 250, "ä" * 125, "a.b" * 83])
def test_the_longest_names_are_written(stem, tmp_path):
    path = tmp_path / f"{stem}.txt"[-255:]
    atomic.write_text(path, "x")
    assert os.listdir(tmp_path) == [path.name]
    part = atomic.beside(path, "1234.part", ".txt")
    assert len(os.fsencode(part.name)) <= 255 and part.name.endswith(".1234.part.txt")


def test_a_name_beyond_the_file_system_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="cannot be written .file name too long.*a shorter name"):
        atomic.write_text(tmp_path / ("a" * 256 + ".txt"), "x")
    assert not os.listdir(tmp_path)


def test_a_file_in_the_place_of_a_folder_is_wrong_use(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="in the place of a folder") as caught:
        atomic.write_text(tmp_path / "out/a.txt", "ours")
    assert caught.value.code == 2 and (tmp_path / "out").read_text() == "mine"


def test_an_error_of_the_writer_leaves_nothing(tmp_path):
    for error in (OSError(errno.ENOSPC, "No space left on device"), ValueError("odd")):
        with pytest.raises((UserError, ValueError)):
            with atomic.replacing(tmp_path / "a.bin") as part:
                assert part.stat().st_size == 0 and part.suffix == ".bin"
                raise error
    assert not os.listdir(tmp_path)


def test_natural_order_of_every_kind_of_digit():
    names = ["x²10", "x²9", "frame10", "Frame2", "٣", "١٠", "½", "a01", "a1"]
    order = sorted(names, key=natural.key)
    assert order.index("Frame2") < order.index("frame10")
    assert order.index("x²9") < order.index("x²10") and order.index("٣") < order.index("١٠")
    assert sorted(reversed(names), key=natural.key) == order


def test_the_order_of_a_shell_is_recognised():
    assert natural.is_sorted_as_text(["img1", "img10", "img2"])
    assert natural.is_sorted_as_text(["a1", "A10", "a2"])
    assert not natural.is_sorted_as_text(["img1", "img2", "img10"])
    assert not natural.is_sorted_as_text(["img2", "img1", "img10"])
