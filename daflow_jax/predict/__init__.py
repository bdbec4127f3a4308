"""Models called on frames of any size and length: pad, window, batch, tile, run, crop."""

from daflow_jax.ops.coarse_to_fine import Grid
from daflow_jax.ops.pad import Padding, crop, fit, pad
from daflow_jax.predict.features.model import FeatureModel
from daflow_jax.predict.flow.estimator import Estimator
from daflow_jax.predict.flow.layout import Layout
from daflow_jax.predict.flow.model import FlowModel
from daflow_jax.predict.flow.result import Result
from daflow_jax.predict.flow.stream import Stream
from daflow_jax.predict.frames import as_frames
from daflow_jax.predict.interpolation.model import InterpolationModel
from daflow_jax.predict.model import Model
from daflow_jax.predict.options import Options
from daflow_jax.predict.placement import Placement, spread
from daflow_jax.predict.program import Programs
from daflow_jax.predict.restoration.model import COLOR_FIXES, RestorationModel
from daflow_jax.predict.segmentation.model import SegmentationModel
from daflow_jax.predict.tracks.model import TrackModel, Tracks

KINDS: dict[str, type[Model]] = {  # of models: what `api.load` returns for each
    "flow": FlowModel,
    "restoration": RestorationModel,
    "interpolation": InterpolationModel,
    "features": FeatureModel,
    "segmentation": SegmentationModel,
    "tracks": TrackModel,
}

__all__ = [
    "COLOR_FIXES", "KINDS", "Estimator", "FeatureModel", "FlowModel", "Grid", "InterpolationModel",
    "Layout", "Model", "Options", "Padding", "Placement", "Programs", "RestorationModel", "Result",
    "SegmentationModel", "Stream", "TrackModel", "Tracks", "as_frames", "crop", "fit", "pad",
    "spread",
]  # fmt: skip
