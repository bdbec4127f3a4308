"""Our network with the same weights and frames: `compare.py` starts it."""

import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from originals import worker  # noqa: E402
from originals.cases import CASES  # noqa: E402


def start(name: str, work: Path):
    import jax
    import jax.numpy as jnp
    import numpy as np

    import daflow_jax as daflow
    from daflow_jax import models
    from daflow_jax.predict import memory

    model = daflow.load(work / f"{name}-model")
    module, variables = models.build(model.config), model.variables
    kind = models.entry_of(model.config).kind
    frames = jnp.asarray(np.load(work / f"{name}.npy"))[None]
    times = jnp.full((1,), 0.5)

    def forward(variables, frames):
        if kind == "interpolation":
            return module.apply(variables, frames, times)
        found = module.apply(variables, frames)
        return found.flows[-1] if kind == "flow" else found

    begin = time.perf_counter()
    if CASES[name].step:
        return training(module, variables, frames)
    compiled = jax.jit(forward).lower(variables, frames).compile()
    facts = {
        "jax": jax.__version__,
        "compile_s": time.perf_counter() - begin,
        "program_mb": compiled.memory_analysis().temp_size_in_bytes / 1e6,
    }

    memory.give_back()  # as `daflow_jax.predict` does

    def ours():
        found = np.asarray(compiled(variables, frames))
        return found.reshape(-1, *found.shape[-3:])

    return facts, ours


def training(module, variables, frames):
    """As `start`, for steps of RAFT on a target of zero; a call returns the loss."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    from daflow_jax.losses import sequence
    from daflow_jax.predict import memory

    params, aux = variables["params"], {k: v for k, v in variables.items() if k != "params"}
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-4))

    def step(params, state):
        def loss(params):
            tree = {"params": params, **aux}
            flows = module.apply(tree, frames, 12, all_iterations=True).flows
            target = jnp.zeros(flows.shape[1:])
            return sequence.sequence_loss(flows, target, jnp.ones(target.shape[:-1]))

        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(grads, state, params)
        return value, optax.apply_updates(params, updates), state

    begin, state = time.perf_counter(), (params, optimizer.init(params))
    compiled = jax.jit(step).lower(*state).compile()
    facts = {"jax": jax.__version__, "compile_s": time.perf_counter() - begin}
    facts["program_mb"] = compiled.memory_analysis().temp_size_in_bytes / 1e6
    memory.give_back()

    def ours():
        nonlocal state
        value, *state = compiled(*state)
        return np.asarray(value)

    return facts, ours


if __name__ == "__main__":
    name, work, threads = sys.argv[1:]
    assert name in CASES
    worker.bind(int(threads))
    worker.serve(lambda: start(name, Path(work)), f"{work}/{name}-ours.npy")
