"""Attention over long token sequences, and the folding of frames into one sequence.

`joint` attends over the streams of a clip, on one device or on a mesh; `attend` over one sequence
on one device. Implementations of one function, chosen by name:
  auto       splash on TPUs, cudnn on NVIDIA GPUs for 16-bit inputs, else blockwise
  plain      logits of the whole sequence at once: fast for short sequences, memory S x S
  blockwise  online softmax over blocks of keys, own backward pass: memory linear in S, any device
  cudnn      fused kernel of NVIDIA GPUs, 16-bit inputs only
  splash     fused Pallas kernels of TPUs
"""

from daflow_jax.nn.attention.blockwise import ATTENDED
from daflow_jax.nn.attention.one_device import IMPLEMENTATIONS, attend, choose
from daflow_jax.nn.attention.streams import Part, joint, merge_frames

__all__ = ["ATTENDED", "IMPLEMENTATIONS", "Part", "attend", "choose", "joint", "merge_frames"]
