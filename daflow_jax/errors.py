"""The one exception for mistakes that the person at the keyboard can fix."""

import difflib
from collections.abc import Iterable

FULL = ("No space left", "File too large", "Disk quota")


class UserError(Exception):
    """Names a file, flag or field, the rule that it breaks, and the remedy.

    The command line prints it as one line and exits with `code`: 2 bad input or usage, 3 the
    machine lacks something, 4 a requested threshold failed, 5 some items failed.
    """

    def __init__(self, where: object, rule: str, remedy: str = "", code: int = 2):
        self.where, self.rule, self.remedy, self.code = str(where), rule, remedy, code
        sentence = f"{self.where}: {rule.rstrip('.')}."
        whole = f"{sentence} {remedy.rstrip('.')}." if remedy else sentence
        super().__init__(one_line(whole))

    def __reduce__(self) -> tuple:
        return type(self), (self.where, self.rule, self.remedy, self.code)


def one_line(text: str) -> str:
    """Returns the text with line ends, control characters and undecodable bytes as escapes: names
    of files and of arrays may hold them, and a terminal would obey them.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def is_full(error: BaseException) -> bool:
    """Returns whether a write failed for want of room, whichever library says so."""
    texts = (str(e) for e in (error, error.__cause__, error.__context__))
    return any(word in text for text in texts for word in FULL)


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a remedy that lists the known names, the nearest to `name` first if one is near."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    listed = "Known: " + ", ".join(known)
    return f"Did you mean {close[0]}? {listed}" if close else listed
