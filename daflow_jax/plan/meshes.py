"""Which meshes are worth a compilation."""

import math
from collections.abc import Mapping

# (seq, tensor) that are tried [choice]: more parts of a clip cost more exchanges
_TRAIN = ((1, 1), (2, 1), (4, 1), (1, 2))
_PREDICT = ((1, 1), (4, 1), (8, 1), (4, 2), (2, 8), (8, 2))


def text(sizes: Mapping[str, int]) -> str:
    """Returns "data=4,fsdp=4": the axes that split something."""
    return ",".join(f"{name}={size}" for name, size in sizes.items() if size != 1) or "data=1"


def candidates(devices: int, batch: int, predict: bool, slices: int = 1) -> list[dict[str, int]]:
    """Returns meshes to try on so many devices, from few exchanges to many.

    The batch divides over `dcn`, which is the number of slices, `data` and `fsdp`. Where all
    devices of a slice can hold a clip each, parameters are spread over all of them and over a
    quarter of them. Prediction does not need `fsdp`.
    """
    if slices > 1:
        if devices % slices or batch % slices:
            return []
        inside = candidates(devices // slices, batch // slices, predict)
        return [{"dcn": slices, **sizes} for sizes in inside]
    found = []
    for seq, tensor in _PREDICT if predict else _TRAIN:
        clips = devices // (seq * tensor)
        if seq * tensor * clips != devices or clips < 1 or batch % clips:
            continue
        for fsdp in (1,) if predict else (clips, clips // 4):
            if fsdp > 1 or predict or clips == 1:
                sizes = {"data": clips // max(fsdp, 1), "fsdp": fsdp, "seq": seq, "tensor": tensor}
                if sizes not in found and math.prod(sizes.values()) == devices:
                    found.append(sizes)
    return found
