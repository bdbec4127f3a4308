"""Stored flow as a method: what another program, or `daflow flow`, wrote."""

from pathlib import Path

from daflow_jax import errors
from daflow_jax.evaluate.methods import Estimate, Method


def of_folder(folder: str | Path) -> Method:
    """Returns the method that reads stored flow: NAME.flo, or NAME/frame1.flo of `daflow flow`."""
    from daflow_jax.io import flow

    if not Path(folder).is_dir():
        raise errors.UserError(folder, "is not a folder", "Give the folder of stored predictions")

    def read(first, second, pair, neighbour):
        for file in _candidates(Path(folder), pair, flow.EXTENSIONS):
            if file.is_file():
                stored, valid = flow.read_flow(file)
                if stored.shape[:2] != first.shape[:2]:
                    size = f"{stored.shape[1]}x{stored.shape[0]}"
                    rule = f"{size}, but the frames are {first.shape[1]}x{first.shape[0]}"
                    raise errors.UserError(file, rule, "Predict at the size of the frames")
                if not valid.all():
                    rule = f"{int((~valid).sum())} pixels have no flow"
                    raise errors.UserError(file, rule, "Predict every pixel")
                return Estimate(stored)
        raise errors.UserError(
            Path(folder) / f"{pair.name}.flo",
            "not found",
            "Predictions are NAME.flo or NAME/frame1.flo",
        )

    return Method({"name": f"predictions:{Path(folder).name}"}, read, looks=False)


def _candidates(folder, pair, extensions):
    """Yields where the stored flow of a pair may be; `flow` puts the root's own name in front."""
    depth = len(Path(pair.name).parts)
    root = pair.folder.absolute().parents[depth - 1].name
    for base in (folder, folder / root):
        for extension in extensions:
            yield base / f"{pair.name}{extension}"
            yield base / pair.name / f"frame1{extension}"
