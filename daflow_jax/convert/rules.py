"""Rules of the layers that published networks are made of, as PyTorch names their tensors."""

from daflow_jax.convert.engine import Layout, Rule, conv, same


def layer(pattern: str, path: str, layout: Layout = conv) -> list[Rule]:
    """Returns the rules for weight and bias of a convolution or, with `layout`, a linear layer."""
    return [
        (pattern + r"\.weight", f"params/{path}/kernel", layout),
        (pattern + r"\.bias", f"params/{path}/bias", same),
    ]


def norm(pattern: str, path: str) -> list[Rule]:
    """Returns the rules for scale and bias of a norm."""
    return [
        (pattern + r"\.weight", f"params/{path}/scale", same),
        (pattern + r"\.bias", f"params/{path}/bias", same),
    ]


def batch_norm(pattern: str, path: str) -> list[Rule]:
    """Returns the rules for one batch norm with its running statistics."""
    return [
        *norm(pattern, path),
        (pattern + r"\.running_mean", f"batch_stats/{path}/mean", same),
        (pattern + r"\.running_var", f"batch_stats/{path}/var", same),
    ]


COUNTERS = (r".*\.num_batches_tracked", "a counter that inference does not read")
