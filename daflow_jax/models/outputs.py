"""What flow networks return, and interpolators in training."""

from typing import NamedTuple

from jaxtyping import Array, Float


class FlowOutput(NamedTuple):
    """flows: (m, b, f-1, h, w, 2) float32 pixels, one per returned iteration, the best one last.

    low: (b, f-1, h/stride, w/stride, 2), the last flow on a grid of `config.stride` pixels a step,
        in steps of that grid (warm start).
    info: (m, b, f-1, h, w, 4) float32, of networks that predict a mixture of two Laplace
        distributions: weights before the softmax w0, w1 and log scales b0, b1 before clipping
        (SEA-RAFT, sec. 3.2); None of others.
    levels: of networks that learn at several sizes at once, flow (b, f-1, h / 2^l, w / 2^l, 2) in
        units of 20 pixels of the frames, float32, for l = 2, 3 ... (`losses.multiscale`).
    """

    flows: Float[Array, "m b pairs h w 2"]
    low: Float[Array, "b pairs hl wl 2"]
    info: Float[Array, "m b pairs h w 4"] | None = None
    levels: tuple[Float[Array, "b pairs _ _ 2"], ...] | None = None


class InterpolationOutput(NamedTuple):
    """What an interpolator returns in training, in the order of its blocks, coarse to fine.

    frames: (b, h, w, 3) in [0, 1], the result.
    flows: (n, b, h, w, 4) float32 pixels from the new frame to the first and to the second.
    blends: (n, b, h, w, 3), the frames that these flows give without any correction.
    teacher_flow, teacher_frames: of a block that was shown the true frame (b, h, w, 4 and 3); None
        of networks that have none.
    """

    frames: Float[Array, "b h w 3"]
    flows: Float[Array, "n b h w 4"]
    blends: Float[Array, "n b h w 3"]
    teacher_flow: Float[Array, "b h w 4"] | None = None
    teacher_frames: Float[Array, "b h w 3"] | None = None
