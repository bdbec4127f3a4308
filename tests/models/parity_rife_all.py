"""The RIFE fixtures that are at hand, by name: networks, training steps, published weights."""

import functools
from collections.abc import Callable, Iterator

from tests.models import parity_rife, parity_rife_real, parity_rife_train
from tests.models import published_rife as published
from tests.models.parity import Row


def available() -> dict[str, Callable[[], Iterator[Row]]]:
    """Returns fixture -> what yields its rows."""
    table = {**parity_rife.ROWS, "rife_train": parity_rife_train.rows}
    if parity_rife_real.WEIGHTS.is_dir():
        table["rife_real"] = parity_rife_real.rows
    return {
        f"{name}_{part}": functools.partial(rows, part)
        for name, rows in table.items()
        for part in "ab"
        if (published.GOLDEN / f"{name.removesuffix('_one_way')}_{part}.npz").is_file()
    }
