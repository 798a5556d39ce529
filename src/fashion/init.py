"""Write params.yaml for your own images: the command `fashion init`."""

import subprocess
from pathlib import Path

from fashion.errors import InputError
from fashion.files import write_text

TEMPLATE = Path(__file__).with_name("own_images.yaml")
SOURCES = {  # files or folders in data/raw by source; the first one of each identifies the source
    "folder": ("train", "evaluate"),
    "csv": ("train.csv", "evaluate.csv"),
    "idx": ("idx",),
}


def write_params(project: Path, source: str | None, *, force: bool) -> None:
    """Write params.yaml for the images in data/raw, and print the next commands.

    source: a key of `SOURCES`; None detects it. force: overwrite params.yaml even if it has uncommitted changes.
    Results of other images that the report would show are removed: durations of trainings, and trainings with other
    seeds.
    """
    params, raw, durations = project / "params.yaml", project / "data/raw", project / "benchmarks/durations.json"
    if not (project / "dvc.yaml").exists():
        raise InputError("dvc.yaml: no such file; run from the project's root")
    if not force and has_uncommitted_changes(params):
        raise InputError(f"{params}: has uncommitted changes; commit them, or run `fashion init --force`")
    source = source or detect_source(raw)
    text = TEMPLATE.read_text(encoding="utf-8")
    scheme = "official" if source == "idx" else "fractions"
    write_text(params, text.replace("SOURCE", source, 1).replace("SCHEME", scheme, 1))
    if durations.exists():
        write_text(durations, "{}\n")
    remove_seed_results(project)
    inputs = " ".join(str(raw / name) for name in SOURCES[source])
    print(f"wrote {params} for {inputs}")
    print(f"next:\n  dvc add {inputs}\n  make repro")


def remove_seed_results(project: Path) -> None:
    """Remove the results of `make seeds`."""
    write_text(project / "metrics/seeds.json", "{}\n")
    write_text(project / "seeds/params.yaml", "trainings: {}\nfinetunings: {}\ntables: []\n")
    for name in ("dvc.lock", "seeds.json"):
        (project / "seeds" / name).unlink(missing_ok=True)


def has_uncommitted_changes(path: Path) -> bool:
    """Return whether a file exists with changes that git cannot restore."""
    status = subprocess.run(["git", "status", "--porcelain", "--", path.name], cwd=path.parent, capture_output=True)
    return path.exists() and (status.returncode != 0 or bool(status.stdout))


def detect_source(raw: Path) -> str:
    """Detect the source of the images in data/raw."""
    for source, names in SOURCES.items():
        if (raw / names[0]).exists():
            return source
    expected = "a folder train/ with a folder for each class, a table train.csv, or a folder idx/"
    raise InputError(f"{raw}: no images found; put {expected} there, or choose with --source")
