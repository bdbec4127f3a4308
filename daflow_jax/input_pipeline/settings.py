"""The settings of the data: what a stream of clips consists of, and what is done to it."""

import dataclasses

from daflow_jax import ranges
from daflow_jax.degrade import published
from daflow_jax.errors import UserError
from daflow_jax.synthetic import scene as scenes

NUM_CLIPS = 2**31 - 1  # of an endless stream
KINDS = ("built", "folder", "synthetic")
AUGMENTS = ("none", "dense", "sparse")


@dataclasses.dataclass(frozen=True)
class DegradeConfig:
    """How clean clips are degraded: by the training mixture of `degrade.mixture`, whose mode,
    severities and shares stand here, or by a published pipeline, which has its own. A clip with one
    corruption alone has one of `degrade.corruptions.DETAIL`, of severity 2 to 5."""

    pipeline: str = "mixture"  # or a name in `degrade.published.PIPELINES`: "realbasicvsr", ...
    mode: str = "clip"  # "clip": one degradation a clip; "frame": a new one for each frame
    min_severity: float = 0.0  # on the scale of the combined recipe (3 medium, 5 severe)
    max_severity: float = 5.5
    codec_share: float = 0.2  # share of degraded clips with video compression (host only)
    single_share: float = 0.0  # share of degraded clips with one corruption alone (host only)
    clean_share: float = 0.25  # share of clips that stay clean
    jitter_share: float = 0.2  # share of clips whose frames get unequal exposure and colour
    jitter: float = 0.2  # largest relative change of gain, gamma and colour

    def __post_init__(self):
        shares = dict.fromkeys(
            ("codec_share", "single_share", "clean_share", "jitter_share"), (0, 1)
        )
        ranges.check(self, **shares, jitter=(0, ranges.BELOW_1))
        ranges.check_choice(self, mode=("clip", "frame"))
        if self.pipeline != "mixture":
            published.get(self.pipeline)
        if self.single_share and (self.pipeline != "mixture" or self.mode == "frame"):
            rule = "is for clips of the mixture that are degraded alike in all frames"
            raise UserError("degrade.single_share", rule, "Leave it out")
        if not 0 <= self.min_severity <= self.max_severity <= 7:
            raise UserError(
                "degrade.min_severity",
                f"{self.min_severity} to {self.max_severity}; severities are ordered and in 0..7",
                "Correct the range",
            )


@dataclasses.dataclass(frozen=True)
class Source:
    """One source of a mixture, and how its clips are augmented.

    Attributes:
        kind: "built" (by `python -m data.build`), "folder" (a known layout, read in place) or
            "synthetic" (clips of `data.scene`).
        weight: share of the clips, relative to the other sources.
        path, split: of a built set; `path` and `layout` ("sintel:final") of a folder.
        skip_bad: leave out clips of a folder that are broken, with a warning that counts them.
        augment: RAFT's "dense" form for flow known everywhere, "sparse" for flow at scattered
            pixels, or "none": a window of the scene's size, nothing else.
        min_scale, max_scale: powers of two of the resize; SEA-RAFT on Spring uses -1 to -0.8.
        flip: False keeps left and right (RAFT's last stage on KITTI).
        degrade: False keeps the degraded frames of a pairs folder, or whatever the frames are.
    """

    kind: str
    weight: float = 1.0
    path: str = ""
    layout: str = "auto"
    split: str = ""
    skip_bad: bool = False
    augment: str = "none"
    min_scale: float = -0.2
    max_scale: float = 0.6
    flip: bool = True
    degrade: bool = True

    def __post_init__(self):
        scales = dict.fromkeys(("min_scale", "max_scale"), (-8, 8))
        ranges.check(self, weight=(ranges.ABOVE_0, ranges.COUNT), **scales)
        ranges.check_choice(self, kind=KINDS, augment=AUGMENTS)
        if self.min_scale > self.max_scale:
            rule = f"{self.min_scale} is above max_scale {self.max_scale}"
            raise UserError("source.min_scale", rule, "Swap them")
        _check_place(self, "source")


@dataclasses.dataclass(frozen=True)
class EvalSource:
    """One named set of clips for evaluations, the same clips at every one.

    Attributes:
        name: in logs, `eval/NAME/metric`.
        kind: "built" or "folder", or a name of `sources` ("synthetic"): its held-out clips.
        path, split, layout, skip_bad: as of `Source`.
        batches: how many at most; 0 = `eval.batches`.
        degrade: whether frames are degraded as those of training are, or kept as they are.
    """

    name: str
    kind: str = "folder"
    path: str = ""
    layout: str = "auto"
    split: str = ""
    skip_bad: bool = False
    batches: int = 0
    degrade: bool = True

    def __post_init__(self):
        ranges.check(self, batches=(0, ranges.COUNT))
        if not self.name or "/" in self.name:
            where, remedy = f"eval set {self.name!r}", "Write one word, such as sintel"
            raise UserError(where, "is not a name of a set", remedy)
        _check_place(self, f"eval set {self.name}")


def _check_place(found: Source | EvalSource, where: str) -> None:
    files = found.kind in ("built", "folder")
    unread = {
        "path": found.path and not files,
        "split": found.split and found.kind != "built",
        "layout": found.layout != "auto" and found.kind != "folder",
        "skip_bad": found.skip_bad and found.kind != "folder",
    }
    for field in (name for name, wrong in unread.items() if wrong):
        raise UserError(f"{where}.{field}", f"means nothing for {found.kind}", "Leave it out")
    if not found.path and files:
        raise UserError(f"{where}.path", "is missing", f"Name the folder of the {found.kind} set")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What a stream consists of: the generator's clips, a "mixture" of `sources` cut to the size of
    `scene`, or clips of a registered source (`sources.register`).
    """

    name: str = "synthetic"
    sources: tuple[Source, ...] = ()
    scene: scenes.SceneConfig = scenes.SceneConfig()
    degrade: DegradeConfig = DegradeConfig()
    gap: tuple[int, int] = (1, 1)  # least and most frames from one of a clip of files to the next
    seed: int = 0
    num_workers: int = 0  # processes that make clips; 0 = the training process itself
    keys: tuple[str, ...] = ()  # of a batch; empty: all that a clip has

    def __post_init__(self):
        ranges.check(self, seed=(0, 2**64 - 1), num_workers=(0, 1024), gap=(1, ranges.COUNT))
        if self.gap[0] > self.gap[1]:
            raise UserError("data.gap", f"{self.gap[0]} is above {self.gap[1]}", "Swap them")
        if self.gap != (1, 1) and self.name == "synthetic":
            remedy = "Leave it out, or raise scene.max_motion"
            raise UserError("data.gap", "the generator does not read it", remedy)
        if self.sources and self.name != "mixture":
            remedy = 'Set data.name to "mixture" or leave them out'
            raise UserError("data.sources", f"{self.name} does not read them", remedy)
        if self.name == "mixture" and not self.sources:
            remedy = "Give at least one, as configs/raft/mixture.py does"
            raise UserError("data.sources", "is empty", remedy)

    @property
    def backward(self) -> bool:
        """Whether flow from later to earlier frames is wanted."""
        return any(key.endswith("_back") for key in self.keys)

    @property
    def degrades(self) -> bool:
        """Whether degraded frames are wanted."""
        return not self.keys or "lq" in self.keys
