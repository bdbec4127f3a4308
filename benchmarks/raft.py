"""RAFT on this machine: look-up, one iteration, forward pass, training step, as ratios.

python benchmarks/raft.py {lookup,iteration,forward,train} [--threads 1] [--repeat 5]
"""

import argparse
import functools
import json
import os
import resource
import statistics
import time


def measure(function, *args, repeat):
    """Returns {"median_s", "min_s", "compile_s"} of a jitted call."""
    import jax

    start = time.perf_counter()
    compiled = jax.jit(function).lower(*args).compile()
    compile_s = time.perf_counter() - start
    jax.block_until_ready(compiled(*args))
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*args))
        seconds.append(time.perf_counter() - start)
    return {
        "median_s": round(statistics.median(seconds), 4),
        "min_s": round(min(seconds), 4),
        "compile_s": round(compile_s, 1),
        "temp_mb": round(compiled.memory_analysis().temp_size_in_bytes / 1e6),
    }


def report(name, ours, plain=None):
    """Prints one row."""
    import jax

    row = {"name": name, "device": jax.devices()[0].device_kind, "jax": jax.__version__, **ours}
    if plain:
        row["plain"] = plain
        row["ratio"] = round(ours["min_s"] / plain["min_s"], 3)
    row["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    print(json.dumps(row), flush=True)


def lookup(repeat):
    """The two look-ups at 55 x 128, radius 4, forward and gradient."""
    import jax
    import jax.numpy as jnp

    from daflow_jax.ops import coords, correlation

    f1, f2 = (jax.random.normal(jax.random.key(i), (1, 55, 128, 64)) for i in range(2))
    corr = correlation.pyramid(f1, f2, 4, correlation.SPARE)
    noise = 8 * jax.random.normal(jax.random.key(2), (1, 55, 128, 2))
    target = coords.pixel_grid(55, 128)[None] + noise

    def forward(name, corr, target):
        return correlation.lookup(corr, target, 4, name)

    forms = {
        name: measure(functools.partial(forward, name), corr, target, repeat=repeat)
        for name in correlation.LOOKUPS
    }
    report("lookup gather", forms["gather"], forms["matmul"])
    grads = jnp.ones((12, 1, 55, 128, 324))
    targets = jnp.stack([target] * 12)
    summed = lambda corr, t: jnp.sum(correlation.lookup_matmul(corr, t, 4))  # noqa: E731

    def plain(corr, targets):
        def body(total, t):
            return jax.tree.map(jnp.add, total, jax.grad(summed)(corr, t)), None

        return jax.lax.scan(body, jax.tree.map(jnp.zeros_like, corr), targets)[0]

    after = measure(correlation.volume_gradient, corr, targets, grads, repeat=repeat)
    report("gradient of 12 look-ups", after, measure(plain, corr, targets, repeat=repeat))


def _network(lookup_name="gather"):
    import jax
    import jax.numpy as jnp

    from daflow_jax import models

    module = models.build(models.preset("raft", lookup=lookup_name))
    clip = jnp.zeros((1, 2, 128, 128, 3))
    variables = jax.jit(functools.partial(module.init, iters=1))(jax.random.key(0), clip)
    return module, variables


def _published_iteration(radius, tape, corr, context, state):
    """One iteration as released: gates over [hidden, context, motion], mask head every time."""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    from daflow_jax.models.raft import refine
    from daflow_jax.ops import coords, correlation, upsample

    target = jax.lax.stop_gradient(state.target)
    flow = target - coords.pixel_grid(*target.shape[1:3])
    motion = refine.encode_motion(tape, correlation.lookup(corr, target, radius, "gather"), flow)
    net = state.net
    for name in ("gru1", "gru2"):
        x = jnp.concatenate([context, motion], -1)
        both = jnp.concatenate([net, x], -1)
        z = nn.sigmoid(tape.conv(f"{name}/z", both))
        r = nn.sigmoid(tape.conv(f"{name}/r", both))
        q = nn.tanh(tape.conv(f"{name}/q", jnp.concatenate([r * net, x], -1)))
        net = (1 - z) * net + z * q
    delta = tape.conv("flow_head/conv2", nn.relu(tape.conv("flow_head/conv1", net)))
    mask = 0.25 * tape.conv("mask/conv2", nn.relu(tape.conv("mask/conv1", net)))
    state = refine.RefineState(net, target + delta)
    return state, upsample.convex_upsample(
        state.target - coords.pixel_grid(*target.shape[1:3]), mask
    )


def iteration(repeat):
    """One refinement iteration at 55 x 128 with what is saved against the published formulation."""
    import jax
    import jax.numpy as jnp

    from daflow_jax.models.raft import refine
    from daflow_jax.nn import loop
    from daflow_jax.ops import correlation

    module, variables = _network()
    keys = jax.random.split(jax.random.key(0), 4)
    shape = (1, 55, 128, 128)
    net, context, f1, f2 = (jax.random.normal(k, shape) for k in keys)
    corr = correlation.pyramid(f1, f2, 4, correlation.SPARE)
    flow = jnp.zeros((1, 55, 128, 2))
    bound = module.bind(variables).update
    params = variables["params"]["update"]
    pair = lambda node: (node["kernel"], node["bias"])  # noqa: E731
    kernels = {f"encoder/{k}": pair(v) for k, v in params["encoder"].items()}
    kernels |= {f"flow_head/{k}": pair(v) for k, v in params["flow_head"].items()}
    kernels |= {f"mask/{k}": pair(v) for k, v in params["mask_head"].items()}
    for i in "12":
        kernels |= {f"gru{i}/{g}": pair(params[f"gru{i}"][f"conv{g}{i}"]) for g in "zrq"}
    start = refine.RefineState(net, flow + refine.coords.pixel_grid(55, 128))
    terms = {name: cell.context_terms(context) for name, cell in bound.grus.items()}
    own = bound._loop_kernels()

    def ours(kernels, corr, terms, start):
        return refine.refine_step(4, "gather", loop.Tape(kernels), corr, terms, start)

    def plain(kernels, corr, context, start):
        return _published_iteration(4, loop.Tape(kernels), corr, context, start)

    first = measure(ours, own, corr, terms, start, repeat=repeat)
    report(
        "refinement iteration", first, measure(plain, kernels, corr, context, start, repeat=repeat)
    )


def forward(repeat):
    """The whole network on one pair; the plain form uses `matmul` and upsamples every time."""
    import jax

    clip = jax.random.uniform(jax.random.key(1), (1, 2, 440, 1024, 3))
    for iters in (12, 32):
        module, variables = _network()
        run = functools.partial(module.apply, iters=iters)
        plain_module, _ = _network("matmul")
        plain = functools.partial(plain_module.apply, iters=iters, all_iterations=True)
        ours = measure(run, variables, clip, repeat=repeat)
        other = measure(plain, variables, clip, repeat=repeat) if iters == 12 else None
        report(f"forward 436x1024, {iters} iterations", ours, other)


def _unrolled(plan, kernels, corr, terms, state):
    """The loop written out and differentiated by JAX alone."""
    import jax
    import jax.numpy as jnp

    from daflow_jax.nn import loop

    states = []
    for _ in range(plan.iters):
        state = plan.step(loop.Tape(kernels), corr, terms, state)
        states.append(state)
    return jax.tree.map(lambda *xs: jnp.stack(xs), *states)


def train(repeat):
    """Forward, backward and AdamW at 368 x 496, batch 1, 12 iterations."""
    import jax
    import jax.numpy as jnp
    import optax

    from daflow_jax.losses import sequence
    from daflow_jax.nn import loop

    clip = jax.random.uniform(jax.random.key(1), (1, 2, 368, 496, 3))
    target = jax.random.normal(jax.random.key(2), (1, 1, 368, 496, 2))
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(4e-4, weight_decay=1e-4))

    def make(lookup_name):
        module, variables = _network(lookup_name)

        def loss(params, stats):
            variables = {"params": params, "batch_stats": stats}
            out, mutated = module.apply(
                variables, clip, iters=12, train=True, all_iterations=True, mutable=["batch_stats"]
            )
            valid = jnp.ones(target.shape[:-1])
            return sequence.sequence_loss(out.flows, target, valid), mutated["batch_stats"]

        def step(params, stats, opt_state):
            grads, stats = jax.grad(loss, has_aux=True)(params, stats)
            updates, opt_state = tx.update(grads, opt_state, params)
            return optax.apply_updates(params, updates), stats, opt_state

        params = variables["params"]
        return step, (params, variables["batch_stats"], tx.init(params))

    step, state = make("gather")
    ours = measure(step, *state, repeat=repeat)
    report("training step 368x496", ours)
    deferred, loop.refine_scan = loop.refine_scan, _unrolled
    step, state = make("matmul")
    plain = measure(step, *state, repeat=repeat)
    loop.refine_scan = deferred
    report("training step 368x496 against plain", ours, plain)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("lookup", "iteration", "forward", "train"))
    parser.add_argument("--threads", type=int, default=0, help="pin to so many cores")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    if args.threads:  # before JAX starts its threads
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: args.threads]))
    {"lookup": lookup, "iteration": iteration, "forward": forward, "train": train}[args.what](
        args.repeat
    )


if __name__ == "__main__":
    main()
