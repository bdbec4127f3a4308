"""Sides of the windows that are averaged around a token: numbers alone, without JAX."""

CELLS = 5  # a side of a window is averaged to so many values of each channel [choice]


def check(stride: int, side: int) -> None:
    """Raises ValueError for a window that does not lie around tokens of `stride` pixels."""
    if side % CELLS or side < stride or (side - stride) % 2:
        raise ValueError(
            f"windows: {side} px; a side is a multiple of {CELLS}, at least {stride}, and differs "
            f"from {stride} by an even number"
        )
