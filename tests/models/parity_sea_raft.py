"""SEA-RAFT after each stage against the published network."""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from daflow_jax import predict
from daflow_jax.losses import mixture_of_laplace as mixture
from daflow_jax.ops import coords, correlation
from tests.models import published_raft
from tests.models.parity import Row
from tests.models.parity_raft import sparse

INPUTS = ("image1", "image2", "flow_gt_x64", "valid_zero_box")
# ten times the published network's float32 error: S and M with 4 iterations, L with 12
TOLERANCE = {
    "cnet": (2.2e-5, 2.2e-5),
    "fmap1": (3e-5, 3e-5),
    "fmap2": (3e-5, 3e-5),
    "corr_it1": (2.8e-4, 2.8e-4),
    "net_it1": (7e-5, 7e-5),
    "net_last": (7e-5, 7e-5),
    "flow_low": (8e-5, 3e-4),
    "info_low": (5e-5, 5e-5),
    "flow_up": (2.3e-4, 1.1e-3),
    "info_up": (1.4e-5, 3e-5),
    "nf": (4e-4, 2.5e-3),
    "nf_mean": (3e-5, 8e-5),
    "loss_gamma085": (4e-5, 4e-5),
}


def rows(name: str, part: str, lookup: str = "gather") -> Iterator[Row]:
    """Yields a row for every array of the fixture `part` of "sea-raft-s", "-m" or "-l"."""
    golden = np.load(published_raft.GOLDEN / f"{name.replace('-', '_')}_{part}.npz")
    module, variables = published_raft.load(name, {"a": 0, "b": 1}[part], lookup=lookup)
    clip = published_raft.frames(golden)
    around = predict.fit(clip.shape[2:4], module.config.multiple)
    padded = predict.pad(clip, around)
    out, seen = published_raft.trace(module, variables, padded, None, module.config.iters)
    flows, infos = (predict.crop(np.asarray(x)[:, :, 0], around) for x in (out.flows, out.info))
    ours = _stages(module.config, seen) | _likelihood(golden, flows, infos)
    for i, (flow, info) in enumerate(zip(flows, infos)):
        ours |= {f"flow_up_{i}": flow, f"info_up_{i}": info}
    np.testing.assert_array_equal(out.low[:, 0], ours[f"flow_low_{module.config.iters}"])
    for key in golden:
        if key not in INPUTS:
            stage = max((k for k in ours if f"{key}_".startswith(f"{k}_")), key=len)
            prefix = max((k for k in TOLERANCE if key.startswith(k)), key=len)
            bound = TOLERANCE[prefix][name == "sea-raft-l"]
            yield Row(key, sparse(key.removeprefix(stage), ours[stage]), golden[key], bound)


def _stages(config, seen):
    first, second = seen["features"]
    state, corr = seen["states"], seen["correlate"]
    flows = state.target - coords.pixel_grid(*first.shape[1:3])
    lookup = correlation.lookup(corr, state.target[0], config.radius, config.lookup)
    stages = {"cnet": seen["contexts"], "fmap1": first, "fmap2": second, "corr_it1": lookup}
    stages |= {"net_it1": state.net[1], "net_last": state.net[-1]}
    for i in range(len(flows)):
        stages |= {f"flow_low_{i}": flows[i], f"info_low_{i}": state.info[i]}
    return stages


def _likelihood(golden, flows, infos):
    target = golden["flow_gt_x64"].astype(np.float32) / 64
    valid = np.ones(target.shape[:3], np.float32)
    y0, y1, x0, x1 = golden["valid_zero_box"]
    valid[:, y0:y1, x0:x1] = 0
    flows, infos, target, valid = map(jnp.asarray, (flows, infos, target, valid))
    nf = mixture.negative_log_likelihood(flows, infos, target[None])
    stages = {f"nf_{i}": x for i, x in enumerate(nf)}
    stages["nf_mean"] = jnp.mean(nf, axis=(1, 2, 3, 4))
    stages["loss_gamma085"] = mixture.mixture_loss(flows, infos, target, valid, gamma=0.85)
    return stages
