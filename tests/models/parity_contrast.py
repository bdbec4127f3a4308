"""DenseCL and DoRA, array by array, against the authors' own classes."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from daflow_jax import models
from daflow_jax.losses import dense_agreement, dino, info_nce
from daflow_jax.nn import heads
from daflow_jax.ops import conv, moving_average, object_tubes, photometric
from tests.golden import weights
from tests.models.parity import Row
from tests.models.parity_motion import SEEDS, golden, names, norms, state_of

DENSECL_INPUTS = (
    *("image_query", "image_key", "settings_momentum_lambda_temperature"),
    *("ptr_before", "num_grid"),
)
DORA_INPUTS = (
    *("images", "local0", "local1", "local2", "chosen_heads", "center_before", "temperature"),
)
_OUT = ("", "_grid", "_dense_pooled")  # of global vector, cells, mean of cells


def densecl(part: str) -> Iterator[Row]:
    """Yields a row for every array of DenseCL's fixture."""
    g, described = golden(f"densecl_{part}"), names(f"densecl_{part}")
    state = state_of(described["params"], part)
    momentum, share, temperature = map(float, g["settings_momentum_lambda_temperature"])
    query, key = (
        {n.removeprefix(p): x for n, x in state.items() if n.startswith(p)}
        for p in ("encoder_q.", "encoder_k.")
    )
    key = moving_average.follow(key, query, momentum)
    yield Row("key_conv1_after", key["0.conv1.weight"], g["key_conv1_after"], 1e-6)
    maps, *keys = _encode(key, g["image_key"])
    yield Row("backbone_k", maps, g["backbone_k"], 4e-6)
    for name, ours in zip(_OUT, keys, strict=True):
        yield Row(f"k{name}", ours, g[f"k{name}"], 1e-6)
    queues = [_queue(name, g, SEEDS[part]) for name in ("queue", "queue2")]

    def losses(params):
        own, *outputs = _encode(params, g["image_query"])
        cells = (dense_agreement.unit(x.reshape(4, -1, x.shape[-1])) for x in (own, maps))
        nearest, margin = info_nce.correspondence(*cells)
        pooled, grid, _ = outputs
        chosen = jnp.take_along_axis(keys[1], nearest[..., None], 1)
        positive = jnp.sum(grid * chosen, -1).reshape(-1)
        single = jnp.sum(pooled * keys[0], -1)
        single = info_nce.info_nce(pooled, single, queues[0].rows, temperature)
        dense = info_nce.info_nce(grid.reshape(-1, 8), positive, queues[1].rows, temperature)
        single, dense = (1 - share) * jnp.mean(single), share * jnp.mean(dense)
        seen = dict(zip((f"q{name}" for name in _OUT), outputs, strict=True))
        seen |= {"backbone_q": own, "correspondence_margin": margin, "positive_dense": positive}
        seen |= {"loss_single": single[None], "loss_dense": dense[None]}
        return single + dense, (seen, nearest)

    grads, (seen, nearest) = jax.jit(jax.grad(losses, has_aux=True))(query)
    yield Row("correspondence", nearest, g["correspondence"], 0, "exact")
    for name, ours in seen.items():
        yield Row(name, ours, g[name], 4e-6)
    order = [name.removeprefix("encoder_q.") for name in described["with_gradient"]]
    yield Row("grad_norms", norms(grads, order), g["grad_norms"], 2.5e-5)
    yield Row("grad_conv2", grads["0.conv2.weight"], g["grad_conv2"], 1e-5)
    yield Row("grad_mlp2_2", grads["1.mlp2.2.weight"], g["grad_mlp2_2"], 1e-5)
    pushed = [info_nce.push(q, new) for q, new in zip(queues, (keys[0], keys[2]), strict=True)]
    yield Row("queue_after", pushed[0].rows.T, g["queue_after"], 1e-6)
    yield Row("queue2_after", pushed[1].rows.T, g["queue2_after"], 1e-6)
    yield Row("ptr_after", np.array([q.pointer for q in pushed]), g["ptr_after"], 0, "exact")


def _encode(params, images):
    """Returns maps of the fixture's two convolutions, and the neck's outputs at unit length."""
    x = images
    for name in ("0.conv1", "0.conv2"):
        kernel = params[f"{name}.weight"].transpose(2, 3, 1, 0)
        x = jax.nn.relu(conv.conv2d(x, kernel, (2, 2)) + params[f"{name}.bias"])
    neck = {}
    for ours, theirs in (("global", "mlp"), ("cells", "mlp2")):
        for layer in (1, 2):
            name = f"1.{theirs}.{2 * layer - 2}"
            kernel = params[f"{name}.weight"]
            kernel = kernel.reshape(kernel.shape[0], -1).T
            neck[f"{ours}{layer}"] = {"kernel": kernel, "bias": params[f"{name}.bias"]}
    outputs = heads.DenseNeck(24, 8).apply({"params": neck}, x)
    return x, *(dense_agreement.unit(y) for y in outputs)


def _queue(name, g, seed) -> info_nce.Queue:
    columns = weights.normal(name, (8, 64), seed)
    rows = (columns / np.linalg.norm(columns, axis=0)).T
    return info_nce.Queue(jnp.asarray(rows), jnp.int32(g["ptr_before"]))


def dora(part: str) -> Iterator[Row]:
    """Yields a row for every array of DoRA's fixture."""
    g, described = golden(f"dora_{part}"), names(f"dora_{part}")
    teacher, student = (
        _scaled(state_of(described[side], part), side) for side in ("teacher", "student")
    )
    clips = g["images"].swapaxes(0, 1)
    t, b = clips.shape[:2]
    tokens, out = jax.jit(_run)(teacher, clips.reshape(-1, *clips.shape[2:]))
    target = out.reshape(t, b, -1)
    seen = tokens.attended
    first = {"attn_cls0": seen.class_attention, "query0": seen.query}
    first["teacher_patches0"] = tokens.patches.reshape(t * b, 16, -1)
    keys = seen.key.reshape(t, b, *seen.key.shape[1:])
    yield Row("keys", keys, g["keys"], 2.7e-5)
    yield Row("teacher_out", target, g["teacher_out"], 8e-6)
    for name, ours in first.items():
        yield Row(name, ours[:b], g[name], 4e-6 if name == "attn_cls0" else 2.3e-5)
    tubes = object_tubes.find(
        first["attn_cls0"][:b, :, 1:], first["query0"][:b, :, 1:], first["teacher_patches0"][:b],
        keys[..., 1:, :], g["chosen_heads"],
    )  # fmt: skip
    yield Row("prototypes", tubes.prototypes, g["prototypes"], 2.7e-5)
    unit = dense_agreement.unit(first["teacher_patches0"][:b])
    logits = jnp.einsum("bnc,bkc->bnk", unit, tubes.prototypes, precision="highest")
    yield Row("logits", logits, g["logits"], 2.7e-5)
    yield Row("assignment", tubes.assignment, g["assignment"], 1e-5)
    yield Row("objects", tubes.objects, g["objects"], 2.7e-5)
    yield Row("tube_attention", tubes.attention, g["tube_attention"], 1e-5)
    yield Row("tube_margin", tubes.margin, g["tube_margin"], 1e-5)
    yield Row("tube_mask", tubes.mask, g["tube_mask"], 0, "exact")
    yield from _distillation(g, described, student, target, clips)
    center = dino.moved_center(g["center_before"][0], target)
    yield Row("center_after", center[None], g["center_after"], 1e-6)


def _distillation(g, described, student, target, clips) -> Iterator[Row]:
    t, b = clips.shape[:2]
    masks = g["tube_mask"].reshape(t, b, 3, 4, 4).repeat(8, -2).repeat(8, -1)
    masked = (clips[:, :, None] * masks[..., None]).transpose(2, 0, 1, 3, 4, 5)
    local = jnp.stack([g[f"local{k}"] for k in range(3)]).transpose(2, 0, 1, 3, 4, 5)
    center, temperature = g["center_before"][0], float(g["temperature"][0])

    def losses(params):
        ours = [
            _run(params, x.reshape(-1, *x.shape[3:]))[1].reshape(*x.shape[:3], -1)
            for x in (masked, local)
        ]
        wanted = (target, target[:, None])
        found = [
            jnp.mean(dino.cross_entropy(x, y, center, teacher_temperature=temperature), -1)
            for x, y in zip(ours, wanted, strict=True)
        ]
        return dino.over_objects(*found, published=True), (ours, found)

    (loss, (ours, found)), grads = jax.jit(jax.value_and_grad(losses, has_aux=True))(student)
    yield Row("student_masked", ours[0], g["student_masked"], 1e-5)
    yield Row("student_local", ours[1].reshape(t, 3 * b, -1), g["student_local"], 1e-5)
    yield Row("loss_masked", found[0], g["loss_masked"], 2e-5)
    yield Row("loss_local", found[1], g["loss_local"], 2e-5)
    yield Row("loss_authors", loss[None], g["loss_authors"], 2e-5)
    plain = dino.over_objects(*found, published=False)
    yield Row("loss_plain", plain[None], g["loss_plain"], 2e-5)
    order = described["student_with_gradient"]
    yield Row("grad_norms", norms(grads, order), g["grad_norms"], 9e-5)


def _scaled(state, side):
    return {
        name.removeprefix(f"{side}."): x * np.float32(1.25) if name.endswith("qkv.weight") else x
        for name, x in state.items()
    }


def _run(params, images):
    """Returns the tokens and the head's outputs of images that are standardised already."""
    config = models.preset("vit-nano", width=48, depth=2, heads=6, mlp_ratio=2.0, table=32)
    body, head = _converted(params)
    images = images * photometric.DEVIATION + photometric.MEAN
    tokens = models.build(config).apply({"params": body}, images, method="tokens")
    module = heads.DINOHead(32, 16, 40, gain=False)
    return tokens, module.apply({"params": head}, tokens.class_token)


def _converted(p):
    """Returns the transformer's and the head's parameters under our names."""
    positions = p["backbone.pos_embed"][0]
    patch = p["backbone.patch_embed.proj.weight"].transpose(2, 3, 1, 0)
    body = {
        "class_token": p["backbone.cls_token"][0, 0],
        "class_position": positions[0],
        "positions": positions[1:].reshape(4, 4, -1),
        "patch": {"kernel": patch, "bias": p["backbone.patch_embed.proj.bias"]},
        "norm": _norm(p, "backbone.norm"),
    }
    for number in range(2):
        name = f"backbone.blocks.{number}"
        block = {norm: _norm(p, f"{name}.{norm}") for norm in ("norm1", "norm2")}
        for ours, theirs in (("out", "attn.proj"), ("fc1", "mlp.fc1"), ("fc2", "mlp.fc2")):
            block[ours] = _linear(p, f"{name}.{theirs}")
        kernels = jnp.split(p[f"{name}.attn.qkv.weight"], 3)
        biases = jnp.split(p[f"{name}.attn.qkv.bias"], 3)
        for ours, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
            block[ours] = {"kernel": kernel.T, "bias": bias}
        body[f"block{number}"] = block
    head = {f"dense{k + 1}": _linear(p, f"head.mlp.{2 * k}") for k in range(3)}
    return body, head | {"direction": p["head.last_layer.weight_v"].T}


def _linear(p, name):
    return {"kernel": p[f"{name}.weight"].T, "bias": p[f"{name}.bias"]}


def _norm(p, name):
    return {"scale": p[f"{name}.weight"], "bias": p[f"{name}.bias"]}
