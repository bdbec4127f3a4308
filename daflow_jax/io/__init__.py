"""Files in and out: images, flow fields, video, pairs folders. NumPy only."""

from daflow_jax.io.flow import read_flow, write_flow
from daflow_jax.io.image import read_image, write_image

__all__ = ["read_flow", "read_image", "write_flow", "write_image"]
