"""What the libraries of a store raise, as one line: who cannot be reached, what is not allowed.

The clients try again by themselves before they raise: gcsfs six times in about half a minute,
TensorStore (arrays of checkpoints, `train/patience.py`) seven times in about a minute and a half,
each with growing pauses.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from daflow_jax.errors import UserError

_CLIENTS = ("gcsfs", "fsspec", "aiohttp", "requests", "urllib3", "s3fs", "botocore", "adlfs")
_AGAIN = "Run the same command again: what was written before is whole"
_RULES = {
    "busy": ("the store did not answer for a while, though asked again and again", _AGAIN),
    "bucket": ("there is no such bucket", "Check the name, or make it: gcloud storage buckets"
               " create gs://NAME --location=REGION"),
    "denied": ("the store does not allow it", "Give the account the role Storage Object User on "
               "the bucket"),
    "credentials": ("there are no credentials that the store accepts",
                    "Run: gcloud auth application-default login, or set "
                    "GOOGLE_APPLICATION_CREDENTIALS"),
}  # fmt: skip
_TEXTS = {  # how TensorStore, which raises ValueError, words it
    "UNAVAILABLE": "busy",
    "DEADLINE_EXCEEDED": "busy",
    "RESOURCE_EXHAUSTED": "busy",
    "PERMISSION_DENIED": "denied",
    "UNAUTHENTICATED": "credentials",
}


def explain(error: BaseException, where: object = "") -> UserError | None:
    """Returns the one-line error (code 3) for what the client of a store raised, or what it caused;
    None for anything else."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        kind = _kind(current)
        if kind is not None:
            rule, remedy = _RULES[kind]
            return UserError(where or "the bucket", rule, remedy, 3)
        current = current.__cause__ or current.__context__
    return None


@contextmanager
def explained(where: object) -> Iterator[None]:
    """Turns what the client of a store raises inside into one line about `where`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        told = explain(error, where)
        if told is None:
            raise
        raise told from error


def _kind(error: BaseException) -> str | None:
    text = str(error)
    code = str(getattr(error, "code", None) or getattr(error, "status", None) or "")
    if isinstance(error, FileNotFoundError) and text.partition("/")[0] == "b":
        return "bucket" if text.count("/") in (1, 2) else None  # "b/NAME/o": the list of a bucket
    if isinstance(error, OSError) and text.startswith("Forbidden: "):
        anonymous = "nonymous caller" in text
        return "credentials" if anonymous else "denied"
    module = type(error).__module__.partition(".")[0]
    if type(error).__module__.startswith("google.auth"):
        return "credentials"
    if module in _CLIENTS:
        return {"401": "credentials", "403": "denied"}.get(code, "busy")
    if isinstance(error, ValueError | RuntimeError) and any(
        word in text for word in ("gs://", "storage", "HTTP", "CURL")
    ):
        return next((kind for word, kind in _TEXTS.items() if word in text), None)
    return None
