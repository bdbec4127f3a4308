"""URLs, and a service in trouble: every one is one line with its exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

from daflow_jax import errors
from daflow_jax.io import atomic, json_file, storage
from daflow_jax.io.storage import places


@pytest.mark.parametrize(
    "url, said",
    [
        ("gss://pictures/a", "scheme gss://, which is not read. Did you mean gs://"),
        ("http://pictures/a", "scheme http://"),
        ("gs://", "names the bucket ''"),
        ("gs://No/a", "names the bucket 'No'"),
        ("gs://pictures/a/../b", "a part that is empty or a dot"),
        ("gs://pictures//b", "a part that is empty"),
        ("gs://pictures/a?b", "has a sign that names here do not"),
        ("gs://pictures/*", "has a sign"),
    ],
)
def test_a_wrong_url_is_refused(url, said):
    with pytest.raises(errors.UserError, match=said) as caught:
        storage.place(url)
    assert caught.value.code == 2


def test_paths_of_this_machine_stay_what_they_were():
    assert storage.place("a/../b") == Path("a/../b") and type(storage.place("a")) is type(Path())
    assert storage.absolute("a") == Path("a").absolute()
    code = (
        "import sys, daflow_jax.io.storage as _; print({'etils.epath', 'gcsfs'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert said.strip() == "set()"


def test_a_store_without_its_package_names_it(monkeypatch):
    monkeypatch.setitem(places.PACKAGES, "s3", "a_package_that_is_not_there")
    places._prepare.cache_clear()
    with pytest.raises(errors.UserError, match="needs the package a_package") as caught:
        storage.place("s3://pictures/a")
    assert caught.value.code == 3


def test_small_files_go_there_and_back(bucket):
    file = storage.place(bucket) / "a" / "b.json"
    atomic.write_text(file, '{"a": 1}')
    assert json_file.read(file) == {"a": 1}
    with pytest.raises(ZeroDivisionError), atomic.replacing(file) as part:
        part.write_text("half")
        1 / 0  # noqa: B018
    assert json_file.read(f"{bucket}/a/b.json") == {"a": 1}
    with pytest.raises(errors.UserError, match="not found"):
        json_file.read(f"{bucket}/a/c.json")


@pytest.mark.parametrize(
    "answer, said",
    [
        ((404, "Not Found"), "there is no such bucket"),
        ((403, "pages does not have storage.objects.list access"), "does not allow it"),
        ((401, "Anonymous caller does not have storage.objects.list"), "no credentials"),
    ],
)
def test_what_the_service_refuses_is_one_line(server, bucket, answer, said):
    server.gate.refuse = answer
    with pytest.raises(errors.UserError, match=said) as caught:
        storage.check(storage.place(bucket))
    assert caught.value.code == 3 and "\n" not in str(caught.value)


def test_a_bucket_that_is_not_there(server):
    with pytest.raises(errors.UserError, match="gs://nothing-here/a: there is no such bucket"):
        storage.check(storage.place("gs://nothing-here/a"))


def test_a_service_that_is_busy_is_asked_again_and_then_one_line(server, bucket, monkeypatch):
    import asyncio

    asked, sleep = [], asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda s, *a: asked.append(s) or sleep(0, *a))
    place = storage.place(bucket)
    server.gate.refuse = lambda line: (503, "busy") if len(asked) < 3 else None
    storage.check(place)
    assert [round(pause) for pause in asked] and asked == sorted(asked)
    server.gate.refuse = (503, "busy")
    with pytest.raises(errors.UserError, match="did not answer for a while") as caught:
        storage.check(place)
    assert caught.value.code == 3


def test_only_what_a_store_raises_is_explained():
    said = "UNAVAILABLE: Error writing 'gs://pictures/a/d/1': HTTP 503 after 7 attempts"
    assert "did not answer" in str(storage.explain(ValueError(said), "w"))
    denied = ValueError("PERMISSION_DENIED: Error reading gs://pictures/a [http_response: 403]")
    assert "does not allow it" in str(storage.explain(denied, "w"))
    for error in (ValueError("no"), KeyError("gs://a"), FileNotFoundError("b/pictures/o/a.json")):
        assert storage.explain(error) is None
