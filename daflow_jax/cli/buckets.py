"""Which options of the commands may name a bucket, and what becomes of a result that goes there."""

import argparse
import contextlib
from collections.abc import Iterator

from daflow_jax import errors

TAKEN = {  # command, or command and kind -> options; all commands take --model
    ("export",): ("out",),
    ("plan",): ("out",),
    ("eval",): ("pairs", "out"),
    ("table",): ("results", "out"),
    ("data", "label"): ("root", "out"),
}
_STAGED = {("eval",): ("results.json",)}  # made on this machine, then published, these last


@contextlib.contextmanager
def resolved(args: argparse.Namespace) -> Iterator[None]:
    """Checks every URL among the options before anything else is done.

    Raises UserError: code 2 for a URL that is none, or where none is taken; 3 where the bucket is
    not there or not open to us.
    """
    given = [(name, text) for name, value in vars(args).items() for text in _urls(name, value)]
    if not given:
        yield
        return
    from daflow_jax.io import storage

    command = (args.command, getattr(args, "kind", None))
    taken = next((TAKEN[key] for key in (command[:1], command) if key in TAKEN), ())
    for name, text in given:
        found = storage.place(text)
        if name not in (*taken, "model"):
            rule = "is in a bucket; here it has to be on this machine"
            remedy = "Fetch it first: gcloud storage cp -r URL FOLDER"
            raise errors.UserError(text, rule, remedy)
        storage.check(found)
    out = next((text for name, text in given if name == "out"), None)
    if out is None or command[:1] not in _STAGED:
        yield
        return
    with storage.staged(storage.place(out), _STAGED[command[:1]]) as folder:
        args.out = str(folder)
        yield


def _urls(name: str, value: object) -> list[str]:
    """Returns the URLs in the value of an option."""
    if name == "overrides":  # of a configuration, which checks its own
        return []
    values = value if isinstance(value, list | tuple) else [value]
    return [text for text in values if isinstance(text, str) and "://" in text]
