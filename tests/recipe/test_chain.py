"""The blocks of docs/recipe.md, run with bash in their order at nano size: from videos in YouHQ's
layout to the table in the paper's form, everything between them in a bucket."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from daflow_jax.io import image, storage, video
from tests import trees
from tests.recipe import nano
from tests.storage import server as servers
from tests.storage.conftest import server

__all__ = ["server"]  # a fixture
PAGE = nano.ROOT / "docs/recipe.md"
BLOCK = re.compile(r"^```bash title=(\w+)\n(.*?)^```$", re.M | re.S)
ORDER = "places weights clips labels restore lift flow export degrade eval table".split()
HEAD = """
set -euo pipefail
run() { "$PYTHON" -m tests.recipe.nano "$@"; }
python() { run python "$@"; }
daflow() { run daflow "$@"; }
gcloud() { run gcloud "$@"; }
seq() { echo 0 1; }
"""


def blocks() -> dict[str, str]:
    """Returns {title: commands} of the page."""
    return dict(BLOCK.findall(PAGE.read_text()))


def test_the_page_holds_the_blocks_of_the_chain():
    assert sorted(blocks()) == sorted(ORDER)
    done = subprocess.run(["bash", "-n"], input="".join(blocks().values()), text=True)
    assert done.returncode == 0


def _videos(root: Path) -> None:
    """Writes two videos and a folder of pictures, as YouHQ has them, in which a picture moves."""
    texture = trees.picture(200, 260)
    frames = [texture[2 * k : 2 * k + 160, 3 * k : 3 * k + 192] for k in range(5)]
    root.mkdir(parents=True)
    for name in ("a/one.mp4", "b/two.mp4"):
        (root / name).parent.mkdir()
        with video.Writer(root / name, 25, (160, 192)) as writer:
            for frame in frames:
                writer.write(frame)
    for k, frame in enumerate(frames):
        image.write_image(root / f"c/three/{k:05d}.png", frame)


@pytest.mark.slow
def test_the_chain_runs_from_videos_to_the_table(server, tmp_path):
    if "BEAM_PYTHON" not in os.environ:
        pytest.skip("set BEAM_PYTHON to the python of an environment with daflow-jax[beam,gcs]")
    data, out = tmp_path / "data", f"gs://{servers.BUCKET}/recipe"
    _videos(data / "YouHQ-Train")
    for name in ("sintel", "spring", "tartanair"):
        trees.write(name, data)
    env = os.environ | servers.variables(server.url) | {"PYTHON": sys.executable}
    env |= {"PYTHONPATH": str(nano.ROOT), "DAFLOW_CACHE": str(tmp_path / "cache")}
    places = {"BUCKET": out, "DATA": str(data), "MODELS": str(data / "models")}
    own = "".join(f"export {name}={value}\n" for name, value in places.items())
    wanted = os.environ.get("BLOCKS", " ".join(ORDER[1:])).split()
    script = HEAD + own + "".join(f"echo '== {t}'\n{blocks()[t]}" for t in wanted)
    script = script.replace("{0..9}", "{0,1}").replace("--out table.md", f"--out {data}/table.md")
    done = subprocess.run(["bash"], input=script, text=True, env=env, cwd=nano.ROOT, timeout=1800)
    assert done.returncode == 0
    _check(storage.place(out), data)


def _check(out, data: Path) -> None:
    head = json.loads((out / "labels/labels.json").read_text())
    assert head["source"] == f"{out}/YouHQ" and head["model"]["max_size"] == 128
    for shard in (0, 1):
        report = json.loads((out / f"labels/shard_{shard}_of_2.json").read_text())
        assert report["labelled"] >= 1
    for name in ("restore", "lift_base", "flow_base"):
        lines = (out / f"runs/{name}/metrics.jsonl").read_text().splitlines()
        losses = [line["loss"] for line in map(json.loads, lines) if "loss" in line]
        assert len(losses) == 2 and np.isfinite(losses).all(), name
        assert not (out / f"runs/{name}/lock").exists()
    assert json.loads((out / "runs/flow_base/environment.json").read_text())["processes"] == 2
    table = (data / "table.md").read_text()
    (mean,) = [line for line in table.splitlines() if "mean of 2 steps" in line]
    assert len(re.findall(r"\d+\.\d+", mean)) == 12 and "-" not in mean.split("|")[3:]
    assert "| DA-Flow (paper) | 6.912 |" in table
    print(table)
