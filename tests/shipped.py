"""The RAFT that lies in the model that ships, as a folder of its own: real weights for any test."""

from pathlib import Path

from daflow_jax import pretrained
from studies import adaptive


def plain_raft(folder: Path) -> Path:
    """Returns `folder` after writing the RAFT for degraded frames there, in 16 bits."""
    words = ["plain", str(folder), "--model", pretrained.DEFAULT_MODEL, "--share", "1"]
    assert adaptive.main(words) == 0
    return folder
