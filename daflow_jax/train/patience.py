"""How long the writer of checkpoints asks a bucket again before it gives up."""

from orbax.checkpoint._src.serialization import tensorstore_utils  # it has no public place for this

_RETRIES = {"max_retries": 7, "initial_delay": "1s", "max_delay": "32s"}  # [choice] about 95 s


def limit() -> None:
    """Bounds the retries of TensorStore, of which its own default are 32 in a quarter of an hour:
    the process could not end for so long. Where Orbax has changed inside, that default stays.
    """
    for name in ("_BASE_TS_CONTEXT", "_DEFAULT_OCDBT_TS_CONTEXT"):
        context = getattr(tensorstore_utils, name, None)
        if isinstance(context, dict):
            context.setdefault("gcs_request_retries", dict(_RETRIES))
