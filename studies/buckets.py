"""The table of docs/buckets.md: what training data cost in a bucket, beside this machine's disk.

    python -m studies.buckets    # a minute; best on a machine that does nothing else

Needs the emulator (pip install 'daflow-jax[test]'). A built set and a folder of loose frames lie on
the disk and, the same, in the emulator, behind a gate that passes every request on after 20 ms. A
step of 200 ms is a pause, as that of an accelerator is for the host.
"""

import contextlib
import io
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daflow_jax.input_pipeline import loader, settings
from daflow_jax.io import image, storage
from daflow_jax.synthetic import scene
from studies import page
from tests.storage import server as servers

PAGE = Path(__file__).parents[1] / "docs/buckets.md"
BATCH, STEP, LATENCY = 8, 0.2, 0.02  # clips; seconds of a step, and of the way of a request
SIZE, CROP, CLIPS, FRAMES = (256, 320), 192, 24, 8


class Cost(NamedTuple):
    """Of one source at one place.

    Attributes:
        wait: seconds that a step waits for its batch. rate: clips a second without steps between.
        requests: of a batch. sent: bytes a clip from the service. late: seconds that the gate held
            the requests of a batch back, all together.
    """

    wait: float
    rate: float
    requests: float
    sent: float
    late: float


def source(kind: str, path: str) -> settings.DataConfig:
    """Returns the stream of clips of three frames of a built set or of a folder."""
    found = settings.Source(kind, path=path)
    small = scene.SceneConfig(frames=3, height=CROP, width=CROP)
    return settings.DataConfig("mixture", (found,), small, keys=("hq",))


def measure(
    config: settings.DataConfig, gate: servers.Gate, delay: float, batches: int = 20, ahead: int = 8
) -> Cost:
    """Returns what `batches` batches cost behind a gate that holds every request for `delay`
    seconds.

    Args:
        ahead: clips that are on their way at once; 1 takes them one after the other.
    """
    gate.delay = delay
    usual, loader._FAR = loader._FAR, ahead
    try:
        stream = loader.make_loader(config, BATCH)
        next(stream)
        time.sleep(2 * STEP)  # the first steps of a run compile
        before = len(gate.requests), gate.sent
        waits = [_waited(stream) for _ in range(batches)]
        requests, sent = len(gate.requests) - before[0], gate.sent - before[1]
        begun = time.monotonic()
        for _ in range(batches):
            next(stream)
        rate = batches * BATCH / (time.monotonic() - begun)
        stream.close()
    finally:
        gate.delay, loader._FAR = 0.0, usual
    each = requests / batches
    return Cost(float(np.mean(waits)), rate, each, sent / batches / BATCH, each * delay)


def _waited(stream: Any) -> float:
    """Returns the seconds of waiting for one batch, and lets a step pass."""
    begun = time.monotonic()
    next(stream)
    waited = time.monotonic() - begun
    time.sleep(STEP)
    return waited


def write_clips(root: Path) -> Path:
    """Returns a folder of clips: pictures in which a texture moves two pixels a frame."""
    rng, (height, width) = np.random.default_rng(0), SIZE
    for clip in range(CLIPS):
        grains = rng.integers(0, 256, (height // 4, width // 4 + 8, 3), dtype=np.uint8)
        wide = grains.repeat(4, 0).repeat(4, 1)
        for k in range(FRAMES):
            picture = wide[:, 2 * k : 2 * k + width]
            image.write_image(root / f"clip{clip:02d}/{k:05d}.png", picture)
    return root


@contextlib.contextmanager
def service(root: Path):
    """Yields a running emulator with its bucket; the environment of this process leads there."""
    server = servers.Server(root / "objects")
    server.start()
    server.make_bucket()
    os.environ.update(servers.variables(server.url))
    try:
        yield server
    finally:
        server.close()


def publish(root: Path) -> dict[str, tuple[str, str]]:
    """Returns {kind: (path here, URL)} of a folder of clips and of the set built from it."""
    import data.build

    clips = write_clips(root / "clips")
    words = ["video_folder", "--source", str(clips), "--out", str(root / "built")]
    with contextlib.redirect_stdout(io.StringIO()):
        assert data.build.main(words) == 0
    storage.publish(clips, storage.place(f"gs://{servers.BUCKET}/clips"))
    built = storage.place(f"gs://{servers.BUCKET}/built")
    storage.publish(root / "built", built, ("video_folder/1.0.0/dataset_info.json",))
    return {
        "built": (f"{root}/built/video_folder", f"{built}/video_folder"),
        "folder": (str(clips), f"gs://{servers.BUCKET}/clips"),
    }


def read_here(kind: str, path: str) -> float:
    """Returns the bytes that a clip of three frames needs of files on a disk."""
    pattern, share = ("*.array_record*", 1) if kind == "built" else ("*.png", 3)
    files = [file.stat().st_size for file in Path(path).rglob(pattern)]
    return sum(files) / CLIPS if kind == "built" else share * float(np.mean(files))


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as server:
        for kind, (here, there) in publish(Path(folder)).items():
            found = measure(source(kind, here), server.gate, 0.0)
            rows.append((kind, "disk", found._replace(sent=read_here(kind, here))))
            config = source(kind, there)
            rows.append((kind, "emulator", measure(config, server.gate, 0.0)))
            rows.append((kind, "emulator, 20 ms later", measure(config, server.gate, LATENCY)))
            alone = measure(config, server.gate, LATENCY, ahead=1)
            rows.append((kind, "20 ms later, one clip after the other", alone))
    table = markdown(rows)
    print(table)
    page.fill(PAGE, "throughput", table)


def markdown(rows: list[tuple[str, str, Cost]]) -> str:
    """Returns the table."""
    head = "| source | where | waiting beside a step of 200 ms | clips a second | bytes a clip"
    lines = [f"{head} | requests a batch | held back |", "|---|---|---:|---:|---:|---:|---:|"]
    for kind, where, cost in rows:
        wait, share = f"{1e3 * cost.wait:.1f} ms", f"{cost.wait / STEP:.1%}"
        numbers = [f"{wait} ({share})", f"{cost.rate:.1f}", f"{cost.sent / 1e3:.0f} kB"]
        numbers += [f"{cost.requests:.1f}", f"{1e3 * cost.late:.0f} ms"]
        lines.append(f"| {kind} | {where} | {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
