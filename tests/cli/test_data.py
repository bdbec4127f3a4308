"""`daflow data` and `daflow eval --layout` on small data sets with known faults."""

import json

import cv2
import numpy as np
import pytest

from daflow_jax.io import flow as flow_files
from daflow_jax.io import image
from tests import trees

SIZE = (96, 128)
MOVE = np.float32([5.0, -3.0])
MISTAKES = {
    "the opposite direction": lambda flow: -flow,
    "x and y exchanged": lambda flow: flow[..., ::-1],
    "twice the numbers": lambda flow: flow / 2,
    "shares of half the frame's size": lambda flow: flow / np.float32([64, 48]),
}


@pytest.fixture
def pairs(tmp_path):
    """Returns a pairs folder with three pairs of a moving photograph-like picture."""
    rng = np.random.default_rng(0)
    for index in range(3):
        noise = rng.normal(size=(140, 180, 3)).astype(np.float32)
        world = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
        folder = tmp_path / "pairs/moving" / f"p{index}"
        grid = np.stack(np.meshgrid(np.arange(128), np.arange(96)), -1).astype(np.float32) + 20
        for k, shift in ((1, grid), (2, grid - MOVE)):
            frame = cv2.remap(world, shift[..., 0], shift[..., 1], cv2.INTER_LINEAR)
            image.write_image(folder / f"frame{k}.png", frame.astype(np.uint8))
        flow_files.write_flow(folder / "flow.flo", np.broadcast_to(MOVE, (*SIZE, 2)))
        (folder / "meta.json").write_text(json.dumps({"dataset": "moving"}))
    return tmp_path / "pairs"


def check(daflow, *words):
    code, out, _ = daflow("data", "check", *words, "--json")
    return code, json.loads(out)


def test_sound_pairs_pass(daflow, pairs, tmp_path):
    code, report = check(daflow, pairs)
    assert code == 0 and report["usable"] and report["findings"] == []
    assert report == json.loads((tmp_path / "daflow_data_check/report.json").read_text())
    assert report["splits"]["train"]["clips"] == report["flows_read"] == 3
    files = [path for path in pairs.rglob("*") if path.is_file() and path.suffix != ".json"]
    assert report["bytes"] == sum(path.stat().st_size for path in files)
    assert len(report["pictures"]) == 3 and all(map(_is_picture, report["pictures"]))
    code, out, _ = daflow("data", "check", pairs)
    assert out.rstrip().endswith("usable") and "3 clips, 6 frames, 3 flows" in out


def _is_picture(path):
    return image.read_image(path).shape[1] > 3 * SIZE[1]


def test_degraded_pairs_are_judged_by_their_clean_frames(daflow, pairs):
    rng = np.random.default_rng(1)
    for path in pairs.rglob("frame?.png"):
        path.rename(path.with_name(path.name.replace("frame", "clean")))
        image.write_image(path, rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    code, report = check(daflow, pairs)
    assert code == 0 and report["findings"] == [] and report["flows_read"] == 3


@pytest.mark.parametrize("mistake", MISTAKES)
def test_wrong_units_and_directions_are_named(daflow, pairs, mistake):
    for path in pairs.rglob("flow.flo"):
        flow_files.write_flow(path, MISTAKES[mistake](flow_files.read_flow(path)[0]))
    code, report = check(daflow, pairs)
    assert code == 4 and report["suspect"] == 3 and not report["usable"]
    assert all(f"; {mistake} would (" in found["text"] for found in report["findings"])
    assert check(daflow, pairs, "--max-suspect", 1)[0] == 0


def test_faults_of_files_are_found(daflow, pairs, tmp_path):
    one, two, three = (pairs / f"moving/p{k}" for k in range(3))
    flow = np.broadcast_to(MOVE, (*SIZE, 2)).copy()
    flow[0, :7] = np.nan
    (one / "flow.flo").write_bytes((one / "flow.flo").read_bytes()[:12] + flow.tobytes())
    flow_files.write_flow(two / "flow.flo", np.zeros((48, 64, 2)))
    frame = three / "frame2.png"
    frame.write_bytes(frame.read_bytes()[:-40])
    code, report = check(daflow, pairs)
    assert code == 4 and report["broken"] == 2 and report["reasons"] == ["2 of 3 clips are broken"]
    texts = {f["place"].split()[0]: (f["level"], f["text"]) for f in report["findings"]}
    assert texts["moving/p0"] == ("note", "flow.flo holds NaN in 7 pixels, read as unknown")
    assert "flow is 64x48, its frames are 128x96" in texts["moving/p1"][1]
    assert "frame2.png: truncated image" in texts["moving/p2"][1]
    code, report = check(daflow, pairs, "--skip-bad")
    assert code == 0 and report["usable"] and report["broken"] == 2
    flow_files.write_flow(two / "flow.flo", 1000 * np.ones((*SIZE, 2)))
    code, report = check(daflow, pairs)
    assert "flow of up to 1e+03 px in frames of 128 px" in json.dumps(report)
    flow_files.write_flow(two / "flow.flo", np.zeros((*SIZE, 2)), np.zeros(SIZE, bool))
    code, report = check(daflow, pairs)
    assert "flow is known in 0.00% of the pixels" in json.dumps(report)


def test_known_layouts_are_counted_beside_the_published_numbers(daflow, tmp_path):
    trees.write("hd1k", tmp_path)
    code, report = check(daflow, "hd1k", "--max-suspect", 1, "--worst", 0)
    assert code == 0 and report["layout"] == "hd1k"
    train = report["splits"]["train"]
    assert train["flows"] == 3 and train["published"] == {
        "clips": 36,
        "frames": 1083,
        "flows": 1047,
    }
    assert report["absent_splits"] == []
    code, out, _ = daflow("data", "check", "hd1k", "--max-suspect", 1)
    assert "(published: 36 clips, 1083 frames, 1047 flows)" in out
    code, report = check(daflow, "hd1k", "--layout", "hd1k:train", "--limit", 1, "--max-suspect", 1)
    assert report["clips_read"] == 1 and report["flows_read"] == 2


def test_a_broken_video_is_found(daflow, tmp_path):
    trees.write("video_folder", tmp_path)
    assert check(daflow, "video_folder")[0] == 0
    clip = tmp_path / "video_folder/walk.mp4"
    clip.write_bytes(clip.read_bytes()[:1000])
    code, report = check(daflow, "video_folder")
    assert code == 4 and "walk.mp4: not a readable video" in report["findings"][0]["text"]


def test_stats_describe_motion_and_sizes(daflow, tmp_path):
    trees.write("sintel", tmp_path)
    code, out, _ = daflow("data", "stats", "sintel", "--layout", "sintel:clean", "--json")
    found = json.loads(out)["datasets"]["sintel-clean"]
    assert code == 0 and found["frames_per_clip"] == [2, 3, 3][:1] + [2, 3]
    assert (found["clips"], found["frames"], found["flows"]) == (2, 5, 3)
    assert found["sizes"] == {"32x24": 2} and found["known"] == 1 and found["occluded"] == 0.5
    speeds = np.hypot([1, 2, 3], np.array([1, 2, 3]) / 4)
    assert found["speed"]["mean"] == pytest.approx(speeds.mean())
    assert found["speed"]["max"] == pytest.approx(speeds.max())
    assert found["speed"]["p50"] == pytest.approx(speeds[1], rel=0.04)
    assert found["bands"] == {"s0_1": 0, "s1_10": 1, "s10_40": 0, "s40": 0}
    assert found["directions"]["right"] == 1
    _, out, _ = daflow("data", "stats", "sintel")
    assert "| sintel-final | 3 | 7 | 32x24 |" in out


def test_stats_stop_at_broken_clips_or_count_them(daflow, pairs):
    (pairs / "moving/p1/flow.flo").write_bytes(b"PIEH")
    code, _, err = daflow("data", "stats", pairs)
    assert code == 2 and "p1/flow.flo: 4 bytes" in err
    code, out, _ = daflow("data", "stats", pairs, "--skip-bad")
    assert code == 0 and "| moving | 2 | 4 |" in out and "skipped 1 broken clips" in out


def test_a_report_does_not_lie_among_the_data(daflow, pairs):
    code, _, err = daflow("data", "check", pairs, "--out", f"{pairs}/report")
    assert code == 2 and "where it would be read as data" in err
    assert not (pairs / "report").exists()


def test_empty_folders_are_bad_input(daflow, tmp_path):
    (tmp_path / "empty").mkdir()
    for kind in ("check", "stats"):
        code, _, err = daflow("data", kind, "empty")
        assert code == 2 and err.startswith("daflow: error: empty: holds no clips of layout")


def test_eval_reads_a_known_layout_in_place(daflow, tmp_path):
    trees.write("kitti2015", tmp_path)
    words = ("eval", "kitti2015", "--layout", "kitti", "--baseline", "zero", "--json")
    code, out, _ = daflow(*words)
    clean = json.loads(out)["degradation"][0]
    assert code == 0
    assert clean["epe"]["per_image"] == pytest.approx(np.hypot([1, 2], [0.25, 0.5]).mean(), 1e-4)
    assert json.loads(out)["data"]["pixels_valid"] == 2 * 24 * 16
    assert clean["epe_occluded"] == pytest.approx(clean["epe_visible"])
    for tag in (1, 2):
        stored = tmp_path / f"stored/training/{tag - 1:06d}.npy"
        flow_files.write_flow(stored, trees.flow(tag))
    code, out, _ = daflow(*words[:4], "--predictions", "stored", "--json")
    assert code == 0 and json.loads(out)["degradation"][0]["epe"]["per_image"] == 0
