"""Settings for your own images: `fashion init`."""

import subprocess
from pathlib import Path

from fashion.errors import InputError
from fashion.files import write_text

TEMPLATE = Path(__file__).with_name("own_images.yaml")
SOURCES = {  # what lies in data/raw tells which; the first that is there
    "folder": ("train", "evaluate"),
    "csv": ("train.csv", "evaluate.csv"),
    "idx": ("idx",),
}


def write_params(project: Path, source: str | None, *, force: bool) -> None:
    """Write params.yaml for the images in data/raw, and say what to do next."""
    params, raw, durations = project / "params.yaml", project / "data/raw", project / "benchmarks/durations.json"
    if not (project / "dvc.yaml").exists():
        raise InputError("dvc.yaml: no such file; run from the project's root")
    if not force and changed(params):
        raise InputError(f"{params}: has changes that git does not know; commit them, or run `fashion init --force`")
    source = source or found_in(raw)
    text = TEMPLATE.read_text(encoding="utf-8")
    scheme = "official" if source == "idx" else "fractions"
    write_text(params, text.replace("SOURCE", source, 1).replace("SCHEME", scheme, 1))
    if durations.exists():
        write_text(durations, "{}\n")  # they were those of other images, and the report shows them
    forget_seeds(project)
    places = " ".join(str(raw / name) for name in SOURCES[source])
    print(f"wrote {params} for {places}")
    print(f"next:\n  dvc add {places}\n  make repro")


def forget_seeds(project: Path) -> None:
    """Take away what `make seeds` found with other images."""
    write_text(project / "metrics/seeds.json", "{}\n")
    write_text(project / "seeds/params.yaml", "trainings: {}\nfinetunings: {}\ntables: []\n")
    for name in ("dvc.lock", "seeds.json"):
        (project / "seeds" / name).unlink(missing_ok=True)


def changed(path: Path) -> bool:
    """Tell whether git would lose something if the file were replaced."""
    status = subprocess.run(["git", "status", "--porcelain", "--", path.name], cwd=path.parent, capture_output=True)
    return path.exists() and (status.returncode != 0 or bool(status.stdout))


def found_in(raw: Path) -> str:
    """Tell what kind of images lie in data/raw."""
    for source, names in SOURCES.items():
        if (raw / names[0]).exists():
            return source
    wanted = "a folder train/ with one folder a class, a table train.csv, or a folder idx/"
    raise InputError(f"{raw}: found no images; put there {wanted}, or say --source")
