"""The share of the local correlation in a training step of JFFRA.

python benchmarks/jffra.py [--threads 1] [--repeat 5]

A step is the network's forward and backward pass on crops of 64 x 64, without data and optimiser.
The correlations are timed alone, with their gradients, at every size that the network calls them
with. One line of JSON for the nano network (4 clips) and one for that of the paper's size (1 clip,
zero start flow).
"""

import argparse
import dataclasses
import json
import os
import statistics
import time

CROP, FRAMES = 64, 3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--threads", type=int, default=0, help="pin to so many cores")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    if args.threads:  # before JAX starts its threads
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: args.threads]))
    for name, clips in (("jffra-nano", 4), ("jffra", 1)):
        print(json.dumps(share(name, clips, args.repeat)), flush=True)


def share(name, clips, repeat):
    """Returns one row."""
    import jax
    import jax.numpy as jnp

    from daflow_jax import models
    from daflow_jax.ops import local_correlation as op

    module = models.build(dataclasses.replace(models.preset(name), start=""))
    frames = jax.random.uniform(jax.random.key(0), (clips, FRAMES, CROP, CROP, 3))
    variables = jax.jit(module.init)(jax.random.key(1), frames)

    def loss(variables):
        return jnp.mean(jnp.abs(module.apply(variables, frames).frame - frames[:, FRAMES // 2]))

    calls, plain = [], op.local_correlation

    def noted(first, second, radius, stride=1):
        calls.append((first.shape, radius))
        return plain(first, second, radius, stride)

    op.local_correlation = noted
    step = jax.jit(jax.value_and_grad(loss)).lower(variables).compile()
    op.local_correlation = plain
    programs = [alone(shape, radius) for shape, radius in calls]
    seconds = [timed(step, variables, repeat=repeat)]
    seconds += [timed(program, *inputs, repeat=repeat) for program, inputs in programs]
    shapes = ["x".join(map(str, shape)) for shape, _ in calls]
    row = {"network": name, "step_s": seconds[0], "correlations": list(zip(shapes, seconds[1:]))}
    return row | {"share": round(sum(seconds[1:]) / seconds[0], 3)}


def alone(shape, radius):
    """Returns the compiled correlation with its gradients, and its inputs."""
    import jax

    from daflow_jax.ops.local_correlation import local_correlation

    first, second, grad = (
        jax.random.normal(jax.random.key(i), (*shape[:3], channels))
        for i, channels in enumerate((shape[3], shape[3], (2 * radius + 1) ** 2))
    )

    def both(first, second, grad):
        out, pull = jax.vjp(lambda a, b: local_correlation(a, b, radius), first, second)
        return out, pull(grad)

    inputs = first, second, grad
    return jax.jit(both).lower(*inputs).compile(), inputs


def timed(program, *inputs, repeat):
    """Returns the median of `repeat` calls."""
    import jax

    jax.block_until_ready(program(*inputs))
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        jax.block_until_ready(program(*inputs))
        seconds.append(time.perf_counter() - start)
    return round(statistics.median(seconds), 5)


if __name__ == "__main__":
    main()
