"""PWC-Net (Sun et al., CVPR 2018) in PyTorch, from its published layers, without its CUDA code.

The cost volume is the usual loop in plain PyTorch: one shifted product and mean a displacement.
"""

import torch
from torch import nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64, 96, 128, 196)
DENSE = (128, 128, 96, 64, 32)
RADIUS = 4


def conv(inputs, outputs, stride=1, dilation=1):
    layer = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation)
    return nn.Sequential(layer, nn.LeakyReLU(0.1))


def deconv(inputs, outputs):
    return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)


def cost_volume(first, second):
    height, width = first.shape[2:]
    around = F.pad(second, (RADIUS,) * 4)
    side = 2 * RADIUS + 1
    planes = [
        (first * around[:, :, y : y + height, x : x + width]).mean(1, keepdim=True)
        for y in range(side)
        for x in range(side)
    ]
    return torch.cat(planes, 1)


def warp(x, flow):
    b, _, h, w = x.shape
    ys, xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    at = torch.stack([xs, ys]).to(x)[None] + flow
    at = torch.stack([2 * at[:, 0] / (w - 1) - 1, 2 * at[:, 1] / (h - 1) - 1], -1)
    read = F.grid_sample(x, at, align_corners=True)
    mask = F.grid_sample(torch.ones_like(x), at, align_corners=True)
    return read * (mask >= 0.9999).to(x)


class PWCNet(nn.Module):
    """The released network; names of its parameters are the released ones."""

    def __init__(self):
        super().__init__()
        inputs = 3
        for level, width in enumerate(WIDTHS, 1):
            for name, stride in zip(
                ("aa", "a", "b") if level == 6 else ("a", "aa", "b"), (2, 1, 1)
            ):
                self.add_module(f"conv{level}{name}", conv(inputs, width, stride))
                inputs = width
        for level in range(6, 1, -1):
            inputs = (2 * RADIUS + 1) ** 2 + (0 if level == 6 else WIDTHS[level - 1] + 4)
            for i, width in enumerate(DENSE):
                self.add_module(f"conv{level}_{i}", conv(inputs, width))
                inputs += width
            self.add_module(f"predict_flow{level}", nn.Conv2d(inputs, 2, 3, 1, 1))
            self.add_module(f"deconv{level}", deconv(2, 2))
            if level > 2:
                self.add_module(f"upfeat{level}", deconv(inputs, 2))
        context = zip((128, 128, 128, 96, 64, 32), (1, 2, 4, 8, 16, 1))
        for i, (width, dilation) in enumerate(context, 1):
            self.add_module(f"dc_conv{i}", conv(inputs, width, 1, dilation))
            inputs = width
        self.dc_conv7 = nn.Conv2d(inputs, 2, 3, 1, 1)

    def layer(self, name, x):
        return getattr(self, name)(x)

    def pyramid(self, x):
        levels = []
        for level in range(1, 7):
            for name in ("aa", "a", "b") if level == 6 else ("a", "aa", "b"):
                x = self.layer(f"conv{level}{name}", x)
            levels.append(x)
        return levels

    def forward(self, first, second):
        """Flow at the size of the frames, which are BGR in 0..1 with sides of multiples of 64."""
        ones, twos = self.pyramid(first), self.pyramid(second)
        flow = features = None
        for level in range(6, 1, -1):
            one, two = ones[level - 1], twos[level - 1]
            known = []
            if flow is not None:
                two = warp(two, flow * (20 / 2**level))
                known = [one, flow, features]
            x = torch.cat([F.leaky_relu(cost_volume(one, two), 0.1), *known], 1)
            for i in range(len(DENSE)):
                x = torch.cat([self.layer(f"conv{level}_{i}", x), x], 1)
            flow = self.layer(f"predict_flow{level}", x)
            if level > 2:
                features = self.layer(f"upfeat{level}", x)
                flow = self.layer(f"deconv{level}", flow)
        for i in range(1, 8):
            x = self.layer(f"dc_conv{i}", x)
        return 20 * F.interpolate(flow + x, scale_factor=4, mode="bilinear", align_corners=False)
