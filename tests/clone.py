"""A clone of the project with the sample's data, and what tests do with it as a user would."""

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
    """Run a command in a project; give what it printed, and require its exit status if one is named."""
    return dvc_project.run(folder, *command, status=status, environment=ON_CPU | (environment or {}))


def edit_params(folder: Path, change: Callable[[dict], None]) -> None:
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    change(params)
    yaml.dump(params, folder / "params.yaml")


def shrink(params: dict) -> None:
    """Keep four variants, on the sample's images, for an epoch or two."""
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


def train_for_ever(params: dict) -> None:
    """Give trainings no end of their own."""
    params["train"].update(max_epochs=100_000, threads=1)
    for variant in params["variants"].values():
        variant["phases"][next(iter(variant["phases"]))]["patience"] = None


def checksums(folder: Path) -> dict[str, int]:
    """Give the content of all results, but not of locks, which also list the code."""
    places = [*folder.glob("metrics/*"), *folder.glob("plots/**/*"), *folder.glob("models/*"), *folder.glob("data/*/*")]
    return {str(path.relative_to(folder)): hash(path.read_bytes()) for path in places if path.is_file()}


def make_clone(folder: Path) -> None:
    """Copy what git knows, but no results; put the sample's data there."""
    listed = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").split("\n")
    results = ("metrics/", "plots/", "data/predicted/", "dvc.lock", "seeds/dvc.lock", "seeds/seeds.json", "report.html")
    for file in filter(None, listed):
        if (ROOT / file).is_file() and not file.startswith(results):
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


def made_once(
    factory: pytest.TempPathFactory, worker_id: str, name: str, make: Callable[[Path], str]
) -> tuple[Path, str]:
    """Let the process of pytest-xdist that first needs a project make it; give its folder, and what was printed."""
    base = factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / name
    with FileLock(f"{place}.lock"):
        if not (place / "printed").exists():
            shutil.rmtree(place, ignore_errors=True)  # of a process that failed: let this one say why
            place.mkdir()
            (place / "printed").write_text(make(place / "project"), encoding="utf-8")
    return place / "project", (place / "printed").read_text(encoding="utf-8")
