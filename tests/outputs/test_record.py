"""The record of a run: kept while it works, kept with what came before, typed when read."""

import json

import pytest

from daflow_jax.errors import UserError
from daflow_jax.outputs import Record

HEAD = {"schema": 1, "model": {"name": "a"}, "options": {"iters": 2}}


def entry(folder, name):
    (folder / name).write_text("flow")
    return {"input": name, "source": f"/{name}", "outputs": [str(folder / name)]}


def test_it_is_saved_at_once_and_goes_on_with_other_inputs_and_models(tmp_path):
    first = Record(tmp_path, HEAD)
    first.add(entry(tmp_path, "one"))
    saved = json.loads((tmp_path / "manifest.json").read_text())  # no `save`: as after a kill
    assert [e["input"] for e in saved["sequences"]] == ["one"]
    other = Record(tmp_path, {**HEAD, "model": {"name": "b"}})
    assert other.finished("one", "/one") is None, "made by another model"
    other.add(entry(tmp_path, "two"))
    saved = json.loads((tmp_path / "manifest.json").read_text())
    one, two = saved["sequences"]
    assert one["model"] == {"name": "a"} and "model" not in two and len(other.own["sequences"]) == 1
    again = Record(tmp_path, HEAD)
    assert again.finished("one", "/one")["outputs"] == [str(tmp_path / "one")]
    assert again.finished("one", "/elsewhere/one") is None
    (tmp_path / "one").unlink()
    assert again.finished("one", "/one") is None


def test_a_run_that_made_nothing_leaves_nothing(tmp_path):
    record = Record(tmp_path / "o", HEAD)
    record.fail({"input": "a", "error": "bad"})
    record.save()
    assert not (tmp_path / "o").exists()
    record.fail({"input": "b", "error": "cut", "outputs": ["o/b.flo"]})
    record.save()
    assert len(json.loads((tmp_path / "o/manifest.json").read_text())["failures"]) == 2


GOOD = {**HEAD, "sequences": [], "failures": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"name": "my app"}', "has no field model"),
        (json.dumps({**GOOD, "model": 3}), "model is 3"),
        (json.dumps({**GOOD, "sequences": [1]}), "it has to be a list of objects"),
        (json.dumps({**GOOD, "sequences": [{"input": "a"}]}), r"sequences\[0\].outputs"),
        (json.dumps({**GOOD, "failures": [{}]}), r"failures\[0\].input"),
    ],
)
def test_a_broken_or_foreign_file_is_one_line(tmp_path, text, message):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UserError, match=message):
        Record(tmp_path, HEAD)
    assert (tmp_path / "manifest.json").read_text() == text
