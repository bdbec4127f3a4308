"""What a run leaves behind: flow and frames in files, and a record from which it goes on."""

from daflow_jax.outputs.flow_files import FORMATS, FlowFiles, parse_formats
from daflow_jax.outputs.flow_of import FlowOptions, write_flow
from daflow_jax.outputs.frame_files import FrameFiles
from daflow_jax.outputs.frames_between import Between, Wanted, write_between
from daflow_jax.outputs.record import Record
from daflow_jax.outputs.targets import Existing, check, refuse_inside

__all__ = [
    "FORMATS",
    "Between",
    "Existing",
    "FlowFiles",
    "FlowOptions",
    "FrameFiles",
    "Record",
    "Wanted",
    "check",
    "parse_formats",
    "refuse_inside",
    "write_between",
    "write_flow",
]
