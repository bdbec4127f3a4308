"""Ranges of the sizes in a configuration, checked when it is made."""

from typing import Any


def check(config: Any, **ranges: tuple[int, int]) -> None:
    """Raises ValueError for a field that is no whole number of its range, least and most included.

    A field with several numbers is checked number by number; None is left out.
    """
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        for number in value if isinstance(value, tuple | list) else (value,):
            whole = isinstance(number, int) and not isinstance(number, bool)
            if number is not None and not (whole and least <= number <= most):
                raise ValueError(f"{name} is {value!r}; use whole numbers of {least} to {most}")


def check_choice(config: Any, **choices: tuple[str, ...]) -> None:
    """Raises ValueError for a field that is none of its choices."""
    for name, known in choices.items():
        value = getattr(config, name)
        if value not in known:
            raise ValueError(f"{name} is {value!r}; use one of {', '.join(known)}")
