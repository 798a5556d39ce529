"""Make a clone of the project with the sample of tests/data, run commands in it, and edit its params.yaml."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from ruamel.yaml import YAML

import dvc_project

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parents[1]
ON_CPU = {"FASHION_DEVICE": "cpu"}
ENVIRONMENT = dvc_project.ENVIRONMENT | ON_CPU
CHECKSUMS = {
    "train_images": "e8df2ecfe9e917594ce738f3f8dce351adafc77daa8de16089a9ea8818b3dc1c",
    "train_labels": "5cd13eb2065de1c56981427489efc967911b17ee5e3fdbe8f21fd2d61e1a6c65",
    "test_images": "a00ee5887647dabdc9c4649e4ae047789fe0d67ca86f5ba6c760341c1bd06de7",
    "test_labels": "9ef533be234460a50861815334f1c44c72453b670823aae2199cb1a147b836c5",
}
SYSTEMS = ("base", "base_cnn", "mlp_200", "keras_2", "final")


def run(folder: Path, *command: str, status: int | None = 0, environment: dict[str, str] | None = None) -> str:
    """Run a command in a project on the CPU; give its output. status: required exit status; None for any."""
    return dvc_project.run(folder, *command, status=status, environment=ON_CPU | (environment or {}))


def edit_params(folder: Path, change: Callable[[dict], None]) -> None:
    """Change params.yaml of a project.

    >>> edit_params(project, lambda params: params["train"].update(seed=1))
    """
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    change(params)
    yaml.dump(params, folder / "params.yaml")


def shrink(params: dict) -> None:
    """Keep four variants, and train all systems on the sample's images for one or two epochs."""
    params["ingest"]["sha256"] = CHECKSUMS
    params["ingest"]["mirrors"] = []
    params["split"]["validation"] = 100
    params["train"]["max_epochs"] = 2
    for name in [name for name in params["variants"] if name not in SYSTEMS]:
        del params["variants"][name]
    for name in ("mlp_200", "keras_2"):
        params["variants"][name]["baseline"] = None
    params["finetune"].update(threads=1, max_epochs=2)
    params["model"].update(baseline="base_cnn", size="tiny")
    params["model"]["sizes"] = {"tiny": {"arguments": {"channels": [8, 8]}, "max_epochs": {"main": 2, "finetune": 1}}}
    params["model"]["phases"]["main"]["validate_every"] = 1


def train_forever(params: dict) -> None:
    """Let trainings run until they are stopped."""
    params["train"].update(max_epochs=100_000, threads=1)
    for variant in params["variants"].values():
        variant["phases"][next(iter(variant["phases"]))]["patience"] = None


def checksums(folder: Path) -> dict[str, int]:
    """Hash the content of all results, by path; not of locks, since they list the code, too."""
    paths = [
        *folder.glob("metrics/**/*"),
        *folder.glob("plots/**/*"),
        *folder.glob("models/*"),
        *folder.glob("data/*/*"),
    ]
    return {str(path.relative_to(folder)): hash(path.read_bytes()) for path in paths if path.is_file()}


def make_clone(folder: Path) -> None:
    """Copy the files that git tracks or would track, without results, into a repository with the sample's data."""
    files = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").split("\n")
    results = ("metrics/", "plots/", "data/predicted/", "dvc.lock", "seeds/dvc.lock", "seeds/seeds.json", "report.html")
    for file in filter(None, files):
        is_result = file.startswith(results) and not file.endswith("README.md")  # plots/embedding must exist
        if (ROOT / file).is_file() and not is_result:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
    for path in DATA.glob("*.gz"):
        shutil.copy(path, folder / "data" / "raw")
    (folder / "benchmarks/durations.json").write_text("{}", encoding="utf-8")
    (folder / "seeds/params.yaml").write_text("trainings: {}\nfinetunings: {}\ntables: []\n", encoding="utf-8")
    (folder / "metrics").mkdir()
    (folder / "metrics/seeds.json").write_text("{}", encoding="utf-8")
    edit_params(folder, shrink)
    run(folder, "git", "init", "--quiet", "--initial-branch=main")


def make_clone_without_images(folder: Path) -> Path:
    """Make a clone that is committed, with nothing in data/raw."""
    folder.mkdir()
    make_clone(folder)
    for path in (folder / "data/raw").glob("*.gz"):
        path.unlink()
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message=Clone")
    return folder


def make_once(
    factory: pytest.TempPathFactory, worker_id: str, name: str, make: Callable[[Path], str]
) -> tuple[Path, str]:
    """Make a project in the first process of pytest-xdist that needs it, for all; give its folder and its output.

    make: makes the project in a folder that it creates, and gives the output.
    """
    base = factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "output").exists():
            shutil.rmtree(folder, ignore_errors=True)  # left by a process in which it failed; this one shows the error
            folder.mkdir()
            (folder / "output").write_text(make(folder / "project"), encoding="utf-8")
    return folder / "project", (folder / "output").read_text(encoding="utf-8")


def copy_project(source: Path, target: Path) -> Path:
    """Copy a clone that other tests may read: git locks its index for a moment when it looks for changes."""
    return shutil.copytree(source, target, ignore=shutil.ignore_patterns("index.lock"))
