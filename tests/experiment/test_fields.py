"""Every field of a configuration is typed and ranged, and what is no configuration is named."""

import time

import pytest

from daflow_jax import errors, experiment, models
from daflow_jax.experiment import config_file

GOOD = {
    "task": {"name": "optical_flow"},
    "model": {"name": "raft-small"},
    "optimizer": {"lr": 1e-4},
    "data": {"scene": {"height": 128, "width": 128}},
    "train": {"steps": 4, "batch_size": 8},
}
NAN, HUGE = float("nan"), 10**40
WRONG = [
    ("seed", -1, "config.seed: is -1. Use whole numbers of 0 to 4294967295"),
    ("seed", 2.5, "config.seed: is 2.5. Use a whole number"),
    ("seed", None, "config.seed: is None"),
    ("precision", 7, "config.precision: is 7. Use text or a table"),
    ("mesh", {"data": "all"}, "config.mesh: is {'data': 'all'}. Use a table of names"),
    ("mesh", 3, "config.mesh: is 3"),
    ("train", None, "config.train: is None, not a section"),
    ("train", [1], "config.train: is .1,., not a section"),
    ("train.steps", 0, "config.train.steps: is 0. Use whole numbers of 1 to 1000000000"),
    ("train.steps", HUGE, "config.train.steps: is a number of more than 128 bits"),
    ("train.steps", "9", "config.train.steps: is '9'. Use a whole number"),
    ("train.batch_size", True, "config.train.batch_size: is True. Use a whole number"),
    ("train.max_bad_steps", 0, "config.train.max_bad_steps: is 0"),
    ("optimizer.lr", -1e-4, "config.optimizer.lr: is -0.0001. Use numbers of 0 to 1000"),
    ("optimizer.lr", NAN, "config.optimizer.lr: is nan. Use a number"),
    ("optimizer.lr", "fast", "config.optimizer.lr: is 'fast'"),
    ("optimizer.ema_decay", 2, "config.optimizer.ema_decay: is 2.0. Use numbers of 0 to below 1"),
    ("optimizer.clip_norm", 0.0, "config.optimizer.clip_norm: is 0.0. Use numbers above 0"),
    ("optimizer.frozen", ["["], "config.optimizer.frozen: holds '.', no regular expression"),
    ("optimizer.nesterov", "yes", "config.optimizer.nesterov: is 'yes'. Use true or false"),
    ("optimizer.groups", [{"match": ["a"], "lr_scale": -1}], "lr_scale: is -1.0"),
    ("eval.batches", 0, "config.eval.batches: is 0"),
    ("eval.every", -5, "config.eval.every: is -5"),
    ("checkpoint.keep", -1, "config.checkpoint.keep: is -1. Use whole numbers of 1 to"),
    ("checkpoint.init_from", 5, "config.checkpoint.init_from: is 5. Use text or a table"),
    ("log.every", 1.5, "config.log.every: is 1.5"),
    ("log.profile", [1, 2, 3], "config.log.profile"),
    ("data.num_workers", -1, "config.data.num_workers: is -1. Use whole numbers of 0 to 1024"),
    ("data.source", {}, "config.data.source"),
    ("data.scene.frames", 1, "config.data.scene.frames: is 1. Use whole numbers of 2 to 1024"),
    ("data.scene.height", HUGE, "config.data.scene.height: is a number of more than 128 bits"),
    ("data.scene.max_motion", 0.0, "config.data.scene.max_motion: is 0.0"),
    ("data.scene.num_textures", 60000, "config.data.scene.num_textures: 60000 of 512x512"),
    ("degrade.clean_share", 1.5, "config.degrade.clean_share: is 1.5. Use numbers of 0 to 1"),
    ("degrade.mode", 3, "config.degrade.mode: is 3. Use text"),
    ("degrade", {"single_share": 0.4, "mode": "frame"}, "degrade.single_share: is for clips of"),
    ("degrade", {"single_share": 0.4, "pipeline": "star"}, "degrade.single_share: is for clips of"),
    ("task", "optical_flow", "config.task: is 'optical_flow', not a section"),
    ("task.name", ["x"], "config.task.name: unknown task"),
    ("task.iters", 2.5, "config.task.iters: is 2.5. Use a whole number"),
    ("task.iters", 10**9, "config.task.iters: is 1000000000. Use whole numbers of 1 to 1000"),
    ("task.scales", [0.5, 0.25], "config.task.scales: is .0.5, 0.25.. Write them in ascending"),
    ("model.radius", -1, "model.radius: is -1. Use whole numbers of 1 to 64"),
    ("model.radius", {"a": 1}, "model.radius: has no fields"),
    ("model.uncertainty", "yes", "model.uncertainty: is 'yes'. Use true or false"),
    ("model.name", 3, "config.model.name: unknown 3"),
    ("networks", 3, "config.networks: is 3, not a section"),
]


@pytest.mark.parametrize("place, value, message", WRONG)
def test_a_wrong_field_is_named_with_its_rule(place, value, message):
    section, _, name = place.partition(".")
    config = {key: dict(part) for key, part in GOOD.items()}
    node = config
    while name:
        node[section] = dict(node.get(section, {}))
        node, (section, _, name) = node[section], name.partition(".")
    node[section] = value
    start = time.monotonic()
    with pytest.raises(errors.UserError, match=message) as refusal:
        experiment.build(config)
    assert refusal.value.code == 2 and "\n" not in str(refusal.value)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "text, message",
    [
        ("def get_config(:", "line 1 raises SyntaxError"),
        ("import nosuchmodule", "line 1 raises ModuleNotFoundError: No module named"),
        ("def get_config():\n    return 1 / 0", "line 2 raises ZeroDivisionError"),
        ("def get_config():\n    return None", "returns None, no configuration"),
        ("def get_config():\n    return {3: 4}", "not a section of named fields"),
        ("def get_config():\n    return {'a.b': 4}", "is not the name of a field"),
        ("def get_config():\n    raise SystemExit", "line 2 raises SystemExit"),
        ("get_config = 3", "raises TypeError"),
        ("def get_config(", "raises SyntaxError"),
        ("", "has no get_config"),
    ],
)
def test_a_file_that_is_no_configuration_is_named_with_its_line(text, message, tmp_path):
    (tmp_path / "x.py").write_text(text)
    with pytest.raises(errors.UserError, match=f"x.py.*{message}"):
        config_file.read(str(tmp_path / "x.py"))


def test_an_override_of_a_name_needs_a_section(tmp_path):
    (tmp_path / "x.py").write_text("def get_config():\n    return {'model': 3}")
    with pytest.raises(errors.UserError, match="config.model: is 3, not a section"):
        config_file.read(str(tmp_path / "x.py"), ["--config.model.name=raft"])


def test_a_file_may_return_a_plain_dict(tmp_path):
    (tmp_path / "x.py").write_text(f"def get_config():\n    return {GOOD!r}")
    assert config_file.read(str(tmp_path / "x.py"), ["--config.train.steps=6"]).train.steps == 6
    for text in ("(" * 500, "None)", "[" * 9999):
        with pytest.raises(errors.UserError, match="is not of type int"):
            config_file.read(str(tmp_path / "x.py"), [f"--config.train.steps={text}"])


def test_the_name_of_a_network_may_replace_one_inside_of_another(tmp_path):
    model = {"name": "raft-adaptive", "rank": 4}
    (tmp_path / "x.py").write_text(f"def get_config():\n    return {{'model': {model}}}")
    file = str(tmp_path / "x.py")
    made = config_file.read(file, ["--config.model.flow=sea-raft-s"]).model
    assert (made.flow, made.rank) == ("sea-raft-s", 4)
    found = models.preset(**made.to_dict() | {"name": "raft-adaptive"})
    assert models.entry_of(found.flow).family == "sea_raft"
    with pytest.raises(errors.UserError, match="--config.model.flow=sea-raft: is not of type"):
        config_file.read(file, ["--config.model.flow=sea-raft"])
