"""What is run on what: case n of a seed is a function of both."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import configurations, grammars, mutate, options, seeds

RECIPES = ("jpeg", "blur", "noise", "combined", "lowlight", "realbasicvsr")
QUICK = 60  # cases that compile no network, the first ones
Made = tuple[str, list[str]]  # kind of the worker, its arguments


def make(seed: int, number: int, folder: Path) -> dict:
    """Writes the inputs of a case into the folder and returns the order for the worker."""
    rng = random.Random(f"{seed}/{number}")
    kinds = {name: kind for name, kind in KINDS.items() if name != "network" or number >= QUICK}
    name = rng.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
    folder.mkdir(parents=True)
    (folder / "tmp").mkdir()
    kind, argv = KINDS[name][1](rng, folder)
    return {"name": name, "kind": kind, "argv": argv, "folder": str(folder)}


def picture(rng: random.Random, folder: Path) -> Made:
    """A damaged picture, sometimes between good ones or under another format's name."""
    kind = rng.choice(seeds.PICTURES)
    data = mutate.damaged(rng, seeds.picture(kind)) if rng.random() < 0.95 else b""
    as_kind = kind if rng.random() < 0.85 else rng.choice((*seeds.PICTURES, "mp4", "exr", "txt"))
    given = folder / "in" / f"a2.{as_kind}"
    _put(given, data)
    if rng.random() < 0.3:
        for name in ("a1.png", "a3.png"):
            _put(folder / "in" / name, seeds.picture("png"))
        given = given.parent
    return "daflow", [*_degrade(rng), str(given)]


def bomb(rng: random.Random, folder: Path) -> Made:
    """A picture or flow that says it is huge."""
    kind, data = grammars.bomb(rng)
    _put(folder / f"a.{kind}", data)
    if kind in ("flo", "pfm") or (kind == "png" and rng.random() < 0.3):
        return "daflow", ["convert", "flow", "--quiet", f"a.{kind}", "out/b.npy"]
    return "daflow", [*_degrade(rng), f"a.{kind}"]


def video(rng: random.Random, folder: Path) -> Made:
    """A damaged video, sometimes beside a good one."""
    kind = rng.choice(list(seeds.VIDEOS))
    given = folder / "in" / f"a.{kind if rng.random() < 0.9 else rng.choice(list(seeds.VIDEOS))}"
    _put(given, mutate.damaged(rng, seeds.video(kind)))
    if rng.random() < 0.2:
        _put(folder / "in" / "b.mp4", seeds.video("mp4"))
        given = given.parent
    return "daflow", [*_degrade(rng), str(given)]


def _degrade(rng: random.Random) -> list[str]:
    return ["degrade", "--quiet", "--out", "out", "--recipe", rng.choice(RECIPES)]


def flow(rng: random.Random, folder: Path) -> Made:
    """A damaged or wrongly written flow file, converted."""
    made = {name: getattr(grammars, name) for name in ("pfm", "npy", "npz", "flo5")}
    if rng.random() < 0.4:
        kind = rng.choice(list(made))
        data = made[kind](rng)
    else:
        kind = rng.choice(seeds.FLOWS)
        data = mutate.damaged(rng, seeds.flow(kind))
    _put(folder / f"a.{kind}", data)
    to = rng.choice(seeds.FLOWS)
    if rng.random() < 0.2:
        _put(folder / "in" / "b.flo", seeds.flow("flo"))
        (folder / f"a.{kind}").rename(folder / "in" / f"a.{kind}")
        return "daflow", ["convert", "flow", "--quiet", "in", rng.choice(("out", "in")), "--to", to]
    target = f"out/b.{to}"
    return "daflow", ["convert", "flow", "--quiet", f"a.{kind}", target]


def checkpoint(rng: random.Random, folder: Path) -> Made:
    """A checkpoint that lies, as .pth or .safetensors, or shards with a wrong index."""
    if rng.random() < 0.5:
        name, data = "a.pth", grammars.pth(rng)
    elif rng.random() < 0.7:
        name, data = "a.safetensors", grammars.safetensors(rng)
    else:
        name, data = "a.safetensors", mutate.damaged(rng, seeds.safetensors())
    if rng.random() < 0.1:
        _put(folder / "model-00001-of-00001.safetensors", data)
        names = dict.fromkeys(seeds.arrays(), "model-00001-of-00001.safetensors")
        text = mutate.changed_json(rng, {"metadata": {"total_size": 384}, "weight_map": names})
        name, data = "model.safetensors.index.json", text.encode("utf-8", "surrogatepass")
    _put(folder / name, data)
    return "daflow", ["convert", "weights", "--quiet", name, "out"]


def model(rng: random.Random, folder: Path) -> Made:
    """A model folder with a changed configuration or damaged weights."""
    files = dict(seeds.model(rng.choice(("flow", "flow", "daflow", "restorer"))))
    meta = json.loads(files["config.json"])
    if rng.random() < 0.8:
        meta.pop("config_sha256", None)  # as one who edits by hand does
    if rng.random() < 0.7:
        part = rng.choice(("arch", "defaults", None))
        if part is None:
            text = mutate.changed_json(rng, meta)
        else:
            text = json.dumps({**meta, part: json.loads(_sound(rng, meta[part]))})
        files["config.json"] = text.encode("utf-8", "surrogatepass")
    else:
        meta.pop("sha256", None)
        files["config.json"] = json.dumps(meta).encode()
        files["model.safetensors"] = mutate.damaged(rng, files["model.safetensors"])
    for name, data in files.items():
        _put(folder / "m" / name, data)
    if rng.random() < 0.2:  # a picture that cannot be read, so that no network is compiled
        _put(folder / "a.png", seeds.picture("png")[:40])
        return "daflow", ["flow", "a.png", "a.png", "--model", "m", "--out", "out", "--quiet"]
    return "load", ["m"]


def _sound(rng: random.Random, value: dict) -> str:
    """Returns changed JSON that is JSON."""
    while True:
        text = mutate.changed_json(rng, value)
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            continue
        return text


def pairs(rng: random.Random, folder: Path) -> Made:
    """A folder of pairs in which one file is damaged, missing, or a link to nowhere."""
    for pair in ("p1", "p2"):
        meta = {"dataset": "d", "name": pair, "frames": ["a", "b"], "scale": 1.0}
        files = {
            "frame1.png": seeds.picture("png"), "frame2.png": seeds.picture("png"),
            "flow.flo": _flow_of_frames(), "meta.json": json.dumps(meta).encode(),
        }  # fmt: skip
        victim = rng.choice(sorted(files)) if pair == "p2" else ""
        if victim == "meta.json" and rng.random() < 0.8:
            files[victim] = mutate.changed_json(rng, meta).encode("utf-8", "surrogatepass")
        elif victim and rng.random() < 0.15:
            del files[victim]
            if rng.random() < 0.5:
                (folder / "d" / pair).mkdir(parents=True, exist_ok=True)
                (folder / "d" / pair / victim).symlink_to("nowhere")
        elif victim:
            files[victim] = mutate.damaged(rng, files[victim])
        for name, data in files.items():
            _put(folder / "d" / pair / name, data)
    if rng.random() < 0.3:
        kind = rng.choice(seeds.FLOWS)
        _put(folder / "pred" / "d" / "p1.flo", _flow_of_frames())
        _put(folder / "pred" / "d" / f"p2.{kind}", mutate.damaged(rng, seeds.flow(kind)))
        return "daflow", ["eval", "--predictions", "pred", "d", "--out", "out", "--quiet"]
    verb = rng.choice(
        (["data", "check"], ["data", "stats"], ["eval", "--baseline", "zero"], ["degrade"])
    )
    return "daflow", [*verb, ".", "--out", "out", "--quiet"]


def _flow_of_frames() -> bytes:
    height, width = seeds.frame().shape[:2]
    return b"PIEH" + width.to_bytes(4, "little") + height.to_bytes(4, "little") + bytes(
        8 * width * height
    )  # fmt: skip


def network(rng: random.Random, folder: Path) -> Made:
    """A small network on frames of which one may be damaged."""
    for name, data in seeds.model().items():
        _put(folder / "m" / name, data)
    kind = rng.choice(("png", "jpg", "webp", "mp4", "mkv"))
    good = seeds.video(kind) if kind in seeds.VIDEOS else seeds.picture(kind)
    _put(folder / "in" / f"a2.{kind}", mutate.damaged(rng, good) if rng.random() < 0.7 else good)
    for name in ("a1.png", "a3.png") if kind not in seeds.VIDEOS else ():
        _put(folder / "in" / name, seeds.picture("png"))
    formats = rng.choice(("flo", "png16", "npy,wheel", "flo5,overlay", "npz"))
    rest = rng.choice(([], ["--bidirectional"], ["--occlusion"], ["--stride", "2"]))
    settings = ["--model", "m", "--iters", "1", "--scales", "none", "--formats", formats]
    return "daflow", ["flow", "in", *settings, *rest, "--out", "out", "--quiet"]


def recipe(rng: random.Random, folder: Path) -> Made:
    """A recorded recipe with changed values."""
    text = mutate.changed_json(rng, seeds.recipe())
    _put(folder / "recipe.json", text.encode("utf-8", "surrogatepass"))
    for name in ("a1.png", "a2.png"):
        _put(folder / "in" / name, seeds.picture("png"))
    return "daflow", ["degrade", "in", "--recipe", "recipe.json", "--out", "out", "--quiet"]


def names(rng: random.Random, folder: Path) -> Made:
    """Odd names, links, folders and pipes where files are expected, and lists of names."""
    name = rng.choice(("a\u00b2.png", "-a.png", "a b.png", "x" * 245 + ".png", "a\n.png", ".png"))
    _put(folder / "in" / name, seeds.picture("png"))
    kind = rng.randrange(6)
    other = folder / "in" / "b.png"
    if kind == 0:
        other.symlink_to("b.png")
    elif kind == 1:
        other.mkdir()
    elif kind == 2:
        os.mkfifo(other)
    elif kind == 3:
        (folder / "in" / "loop").symlink_to("..")
    elif kind == 4:
        text = rng.choice(("in/" + name, "", "\ufeffin/b.png", "nosuch.png", "\x00", '"in/b.png"'))
        _put(folder / "list.txt", text.encode())
    given = rng.choice(("in", "in/*.png", "@list.txt", "in/b.png", str(folder / "in" / name), "."))
    rest = rng.choice(([], [], ["--recursive"], ["--overwrite"], ["--skip-existing"]))
    out = rng.choice(("out", "out", "in", ".", "in/b.png", "list.txt/x", "new/..", "in/../in"))
    verb = ["degrade", "--recipe", "blur"]
    if rng.random() < 0.4:
        for file, data in seeds.model().items():
            _put(folder / "m" / file, data)
        formats = rng.choice(("flo", "png16", "wheel"))
        verb = ["flow", "--model", "m", "--iters", "1", "--scales", "none", "--formats", formats]
    return "daflow", [*verb, "--quiet", "--out", out, *rest, "--", given]


def configuration(rng: random.Random, folder: Path) -> Made:
    """A configuration file with wrong fields or wrong code, and overrides."""
    text, overrides = configurations.make(rng)
    _put(folder / "c.py", text.encode("utf-8", "surrogatepass"))
    return "build", ["--config", "c.py", "--workdir", "out", *overrides]


def option(rng: random.Random, folder: Path) -> Made:
    """A command with flags of odd values."""
    _put(folder / "a.png", seeds.picture("png"))
    _put(folder / "cut.png", seeds.picture("png")[:40])
    _put(folder / "a.flo", seeds.flow("flo"))
    for name in ("frame1.png", "frame2.png"):
        _put(folder / "pairs/d/p" / name, seeds.picture("png"))
    _put(folder / "pairs/d/p/flow.flo", _flow_of_frames())
    return "daflow", options.make(rng)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


KINDS: dict[str, tuple[int, Callable[[random.Random, Path], Made]]] = {  # weight and function
    "picture": (14, picture),
    "video": (10, video),
    "flow": (14, flow),
    "checkpoint": (14, checkpoint),
    "model": (10, model),
    "pairs": (9, pairs),
    "recipe": (6, recipe),
    "names": (5, names),
    "configuration": (10, configuration),
    "option": (8, option),
    "bomb": (4, bomb),
    "network": (3, network),
}
