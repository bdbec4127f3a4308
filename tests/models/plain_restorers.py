"""SPyNet and BasicVSR once more, in plain NumPy, float64, channel-first, by published names."""

import numpy as np

MEAN = np.array([0.485, 0.456, 0.406])[:, None, None]
STD = np.array([0.229, 0.224, 0.225])[:, None, None]


def names(width: int, blocks: int, widths: tuple[int, ...], levels: int) -> dict:
    """Returns names and shapes of a published BasicVSR of this size."""
    found = {"spynet.mean": (1, 3, 1, 1), "spynet.std": (1, 3, 1, 1)}

    def add(name, out, inputs, side=3):
        found[f"{name}.weight"], found[f"{name}.bias"] = (out, inputs, side, side), (out,)

    for level in range(levels):
        for i, (inputs, out) in enumerate(zip((8, *widths), (*widths, 2), strict=True)):
            add(f"spynet.basic_module.{level}.basic_module.{2 * i}", out, inputs, 7)
    for trunk in ("backward_trunk", "forward_trunk"):
        add(f"{trunk}.main.0", width, width + 3)
        for block, k in np.ndindex(blocks, 2):
            add(f"{trunk}.main.2.{block}.conv{k + 1}", width, width)
    add("fusion", width, 2 * width, 1)
    add("upconv1", 4 * width, width)
    add("upconv2", 4 * width, width)
    add("conv_hr", width, width)
    add("conv_last", 3, width)
    return found


def conv(state, name, x):
    """Returns the convolution called `name` of (c, h, w), zeros outside."""
    kernel, (height, width) = np.float64(state[f"{name}.weight"]), x.shape[1:]
    around = kernel.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (around, around), (around, around)))
    out = np.float64(state[f"{name}.bias"])[:, None, None] + np.zeros((1, height, width))
    for i, j in np.ndindex(kernel.shape[2:]):
        out = out + np.einsum(
            "oc,chw->ohw", kernel[..., i, j], padded[:, i : i + height, j : j + width]
        )
    return out


def leaky(x):
    return np.where(x > 0, x, 0.1 * x)


def read(x, rows, columns, border):
    """Returns (c, h, w) at fractional rows and columns; outside is zero or the border."""
    height, width = x.shape[1:]
    if border:
        rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    total = 0
    for dy, dx in np.ndindex(2, 2):
        y, x0 = top + dy, left + dx
        weight = (1 - np.abs(rows - y)) * (1 - np.abs(columns - x0))
        known = (y >= 0) & (y < height) & (x0 >= 0) & (x0 < width)
        pixels = x[:, np.clip(y, 0, height - 1), np.clip(x0, 0, width - 1)]
        total = total + np.where(known, weight, 0) * pixels
    return total


def resized(x, size, aligned):
    """Returns (c, h, w) resized, bilinear, with aligned corners or aligned pixel centres."""
    at = []
    for old, new in zip(x.shape[1:], size, strict=True):
        place = np.arange(new, dtype=np.float64)
        scale = (old - 1) / max(new - 1, 1) if aligned else old / new
        at.append(place * scale if aligned else (place + 0.5) * scale - 0.5)
    return read(x, *np.meshgrid(*at, indexing="ij"), border=True)


def warped(x, flow, border):
    rows, columns = np.mgrid[: x.shape[1], : x.shape[2]].astype(np.float64)
    return read(x, rows + flow[1], columns + flow[0], border)


def spynet(state, one, two, levels, prefix="spynet."):
    """Returns the flow (2, h, w) from one picture to the other."""
    size, step = one.shape[1:], 2 ** (levels - 1)
    inner = tuple(-(-side // step) * step for side in size)
    pairs = [[(resized(x, inner, False) - MEAN) / STD for x in (one, two)]]
    for _ in range(levels - 1):
        pairs.append([_halved(x) for x in pairs[-1]])
    flow = np.zeros((2, inner[0] // step // 2, inner[1] // step // 2))
    for level, (a, b) in enumerate(reversed(pairs)):
        flow = 2 * resized(flow, a.shape[1:], True) if level else np.zeros((2, *a.shape[1:]))
        x = np.concatenate([a, warped(b, flow, True), flow])
        for i in range(5):
            x = conv(state, f"{prefix}basic_module.{level}.basic_module.{2 * i}", x)
            x = np.maximum(x, 0) if i < 4 else x
        flow = flow + x
    flow = resized(flow, size, False)
    return flow * np.array([size[1] / inner[1], size[0] / inner[0]])[:, None, None]


def _halved(x):
    c, h, w = x.shape
    return x.reshape(c, h // 2, 2, w // 2, 2).mean((2, 4))


def basicvsr(state, clip, blocks, levels):
    """Returns the restored frames (f, 3, 4 h, 4 w) of (f, 3, h, w), not clipped."""

    def trunk(name, frame, features):
        x = leaky(conv(state, f"{name}.main.0", np.concatenate([frame, features])))
        for i in range(blocks):
            inner = np.maximum(conv(state, f"{name}.main.2.{i}.conv1", x), 0)
            x = x + conv(state, f"{name}.main.2.{i}.conv2", inner)
        return x

    def direction(name, order):
        found, last = {}, None
        for i in order:
            features = np.zeros((width, *clip.shape[2:]))
            if last is not None:
                flow = spynet(state, clip[i], clip[last], levels)
                features = warped(found[last], flow, False)
            found[i], last = trunk(name, clip[i], features), i
        return found

    width, count = len(state["conv_hr.bias"]), len(clip)
    back = direction("backward_trunk", range(count - 1, -1, -1))
    forth = direction("forward_trunk", range(count))
    return np.stack([_head(state, clip[i], back[i], forth[i]) for i in range(count)])


def _head(state, frame, back, forth):
    x = leaky(conv(state, "fusion", np.concatenate([back, forth])))
    for name in ("upconv1", "upconv2"):
        x = conv(state, name, x)
        c, h, w = x.shape
        x = x.reshape(c // 4, 2, 2, h, w).transpose(0, 3, 1, 4, 2).reshape(c // 4, 2 * h, 2 * w)
        x = leaky(x)
    x = conv(state, "conv_last", leaky(conv(state, "conv_hr", x)))
    return x + resized(frame, x.shape[1:], False)
