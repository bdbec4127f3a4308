"""Video in and out, one frame at a time (PyAV, which brings its own FFmpeg).

`info` says what a video is, `frames` yields its pictures, `timed` its pictures with their times and
what is missing between them, `Writer` writes one; `prefetched` reads ahead in a thread.
"""

from daflow_jax.io.video.background import prefetched
from daflow_jax.io.video.clock import Stamp
from daflow_jax.io.video.damage import Damage
from daflow_jax.io.video.header import Info, info
from daflow_jax.io.video.names import EXTENSIONS, is_video
from daflow_jax.io.video.read import Frame, frames, runs, split, timed
from daflow_jax.io.video.write import Writer

__all__ = [
    "EXTENSIONS",
    "Damage",
    "Frame",
    "Info",
    "Stamp",
    "Writer",
    "frames",
    "info",
    "is_video",
    "prefetched",
    "runs",
    "split",
    "timed",
]
