"""How large a file may say it is: asked before memory is set aside for what it declares.

The limit is generous (16384 x 8192 pixels) and one number for pictures and flow. A program sets it
with `set_max_pixels`, a person with DAFLOW_MAX_PIXELS, which child processes see as well.
"""

import os

from daflow_jax.errors import UserError

VARIABLE = "DAFLOW_MAX_PIXELS"
MAX_PIXELS = 2**27  # [choice] 4 times an 8K frame; its 16-bit RGB takes 0.8 GB
MAX_RATIO = 200  # [choice] of declared to stored bytes; deflate reaches 1032 on zeros
SMALL = 2**28  # bytes that may be declared at any ratio: unmoving flow packs well
_FILE_BYTES = 16  # per pixel: two float64 of flow, the largest we read


def max_pixels() -> int:
    """Returns the largest number of pixels that a file may declare."""
    text = os.environ.get(VARIABLE)
    if not text:
        return MAX_PIXELS
    if not text.isdecimal() or not 1 <= int(text[:20]) <= 2**40:
        raise UserError(VARIABLE, f"is {text[:40]!r}, not a number of pixels", "Unset it")
    return int(text)


def set_max_pixels(count: int | None) -> None:
    """Sets the limit for this process and its children; None is the default again."""
    if count is None:
        os.environ.pop(VARIABLE, None)
        return
    if not 1 <= count <= 2**40:
        raise UserError("max_pixels", f"is {count}", "Give a number of pixels, 1 to 2^40")
    os.environ[VARIABLE] = str(count)


def check_size(where: object, width: int, height: int, pictures: int = 1) -> None:
    """Raises UserError for a declared size that is 0 or has more pixels than the limit."""
    if width < 1 or height < 1:
        raise UserError(where, f"declares {width}x{height} pixels", "Copy the file again")
    limit = max_pixels()
    if width * height * pictures > limit:
        times = f"{pictures} times " if pictures > 1 else ""
        rule = f"declares {times}{width}x{height} pixels, more than the limit of {limit}"
        raise UserError(where, rule, f"Set {VARIABLE} higher if you trust the file")


def check_packed(where: object, declared: int, stored: int) -> None:
    """Raises UserError for packed bytes that would grow out of proportion (a bomb)."""
    if declared > SMALL and declared > MAX_RATIO * stored:
        rule = f"{stored} packed bytes declare {declared}, which no real flow or picture does"
        raise UserError(where, rule, "Copy or write the file again")


def check_file(where: object, size: int) -> None:
    """Raises UserError for a file too large to be one picture or one flow."""
    most = max(_FILE_BYTES * max_pixels(), SMALL)
    if size > most:
        rule = f"has {size} bytes, more than one picture or flow may have ({most})"
        raise UserError(where, rule, f"Set {VARIABLE} higher if you trust the file")
