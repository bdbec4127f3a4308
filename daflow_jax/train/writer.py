"""What a run reports: one line on the terminal, the same numbers as JSON, event files and
pictures.
"""

import dataclasses
import datetime
import json
import math
import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from daflow_jax import errors, ranges
from daflow_jax.io.storage import Place, mirror
from daflow_jax.sharding import processes
from daflow_jax.train import checkpoint as checkpoints

ImageWriter = Callable[[Path, np.ndarray], None]


@dataclasses.dataclass(frozen=True)
class LogConfig:
    """Every how many steps to write numbers (0 = only at the end; bad steps end a run only there
    then) and pictures (0 = none); (first step, number of steps) to profile, none by default.
    """

    every: int = 50
    pictures_every: int = 1000
    tensorboard: bool = True
    profile: tuple[int, ...] = ()

    def __post_init__(self):
        counts = dict.fromkeys(("every", "pictures_every", "profile"), (0, ranges.COUNT))
        ranges.check(self, **counts)
        if self.profile and (len(self.profile) != 2 or min(self.profile) < 1):
            remedy = "Write (first step, number of steps), e.g. (10, 3)"
            raise errors.UserError("config.log.profile", f"is {self.profile!r}", remedy)


class Writer:
    """Writes into one workdir; on every process but the first each method does nothing.

    Attributes:
        folder: where the files are written: the workdir, or what is copied to it in a bucket.
    """

    def __init__(
        self, workdir: Place, config: LogConfig, write_image: ImageWriter, resumed_at: int = 0
    ):
        self._write_image = write_image
        self._speaks = processes.is_main()
        self._events = None
        self._mirror: mirror.Mirror | None = None
        self.folder = Path()
        if not self._speaks:
            return
        self._mirror = mirror.Mirror(workdir, fetch=("log.txt", "metrics.jsonl"))
        self.folder = self._mirror.folder
        (self.folder / "environment.json").write_text(json.dumps(environment(), indent=2) + "\n")
        _cut(self.folder / "metrics.jsonl", resumed_at)
        if config.tensorboard:
            self._events = _open_events(self.folder, resumed_at)

    def log(self, text: str) -> None:
        """Writes a line to the terminal and to log.txt."""
        if not self._speaks:
            return
        sys.stderr.write(f"{text}\n")  # at once: another thread may report the end of the run
        sys.stderr.flush()
        now = datetime.datetime.now().isoformat(timespec="seconds")
        with open(self.folder / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{now} {text}\n")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends numbers to metrics.jsonl (null where not finite) and to the event file."""
        if not self._speaks:
            return
        safe = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **safe}) + "\n")
        for name, value in values.items():
            if self._events is not None and math.isfinite(value):
                self._events.add_scalar(name, value, step)

    def evaluation(self, step: int, name: str, values: Mapping[str, float]) -> None:
        """Writes an evaluation's result to eval/step_*.json (merged over names) and as scalars."""
        if not self._speaks:
            return
        path = self.folder / "eval" / f"step_{step:09d}.json"
        path.parent.mkdir(exist_ok=True)
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError):  # there is none, or a killed process left half of one
            known = {"step": step}
        path.write_text(json.dumps(known | {name: dict(values)}, indent=2) + "\n")
        self.scalars(step, {f"eval/{name}/{key}": value for key, value in values.items()})

    def pictures(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Writes uint8 pictures (h, w, 3) to samples/step_*/NAME.png and to the event file."""
        if not self._speaks:
            return
        folder = self.folder / "samples" / f"step_{step:09d}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in images.items():
            self._write_image(folder / f"{name}.png", image)
            if self._events is not None:
                self._events.add_image(name, image, step, dataformats="HWC")

    def sync(self) -> None:
        """Brings what was written into the workdir, where that is in a bucket."""
        if self._mirror is not None:
            self._mirror.sync()

    def close(self) -> None:
        """Ends the event file."""
        if self._events is not None:
            self._events.close()
        if self._mirror is not None:
            self._mirror.close()


def line(
    step: int, steps: int, values: Mapping[str, float], speed: Mapping[str, float], unit: str
) -> str:
    """Returns e.g. `step 1200/20000  loss 1.23  epe 2.10  12.3 pair/s  step 0.33s  data 3%  save
    0.2s  mfu 41%  mem 5.1G  eta 00:41:10`, where `unit` is what the speed counts, "pair".
    """
    parts = [f"step {step}/{steps}"]
    parts += [f"{name} {value:.4g}" for name, value in values.items()]
    if "step_s" in speed:
        parts.append(f"{speed[f'{unit}s_per_s']:.3g} {unit}/s  step {speed['step_s']:.3g}s")
        parts.append(f"data {100 * speed['data_share']:.0f}%")
    if speed["save_s"]:
        parts.append(f"save {speed['save_s']:.1f}s")
    if "mfu" in speed:
        parts.append(f"mfu {100 * speed['mfu']:.0f}%")
    parts.append(f"mem {speed['memory_bytes'] / 2**30:.1f}G")
    if "eta_s" in speed:
        parts.append(f"eta {str(datetime.timedelta(seconds=round(speed['eta_s']))):0>8}")
    return "  ".join(parts)


def memory_bytes() -> int:
    """Returns the peak memory of the fullest local device, or of this process where devices do not
    say.
    """
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    own = resident * (1 if sys.platform == "darwin" else 1024)
    return max(values.get("peak_bytes_in_use", 0) for values in stats) or own


def environment() -> dict[str, Any]:
    """Returns versions, devices and the command of this run."""
    devices = jax.devices()
    return {
        "command": sys.argv,
        "python": sys.version.split()[0],
        "versions": checkpoints.versions(),
        "platform": devices[0].platform,
        "device": devices[0].device_kind,
        "devices": len(devices),
        "processes": jax.process_count(),
    }


def _cut(path: Path, step: int) -> None:
    """Drops the lines after `step`: they are of steps that a resumed run will do again."""
    if not path.exists():
        return
    kept = []
    for text in path.read_text().splitlines():
        try:
            kept += [text] if json.loads(text)["step"] <= step else []
        except json.JSONDecodeError:  # the last line of a killed process
            continue
    path.write_text("".join(f"{text}\n" for text in kept))


def _open_events(workdir: Path, resumed_at: int):
    try:
        import tensorboardX
    except ImportError as error:
        remedy = "Install tensorboardX or set log.tensorboard to False"
        raise errors.UserError(
            "config.log.tensorboard", "tensorboardX is missing", remedy, 3
        ) from error
    return tensorboardX.SummaryWriter(str(workdir / "tensorboard"), purge_step=resumed_at + 1)
