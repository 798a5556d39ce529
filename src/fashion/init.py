"""Write params.yaml for your own images, and print what they are: the command `fashion init`."""

import hashlib
import io
import re
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion.errors import InputError
from fashion.files import write_text

if TYPE_CHECKING:
    from fashion.sources.ingest import Description

TEMPLATE = Path(__file__).with_name("own_images.yaml")
WEIGHTS_TEMPLATE = Path(__file__).with_name("own_weights.yaml")
WEIGHTS = "data/weights"  # pretrained networks, in files with the networks' names in timm
WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
SOURCES = {  # files or folders in data/raw by source: the first one identifies the source, the others are optional
    "folder": ("train", "val", "validation", "test", "evaluate"),
    "csv": ("train.csv", "val.csv", "validation.csv", "test.csv", "evaluate.csv"),
    "idx": ("idx",),
}
OFFICIAL_TEST = {"folder": "test", "csv": "test.csv", "idx": "idx"}  # what has the official test set, by source
SPLIT_TABLE = "split.csv"  # in data/raw, of any source: the part of each labelled image
GROUPS_TABLE = "groups.csv"  # and which images stay together
WRITTEN = re.compile(
    rb"(  source|  classes_from|  shape|  scheme|  file|  folds|choose_by|{size): (\w+|\[[\d, ]+\]|split\.csv)"
    rb"(?=\r?\n|  #|}|, s)"
)
NOT_DATA = ("README.md", ".dvc", ".part")  # ends of names in data/raw that are not images
ADAPTED = re.compile(rb"^  (from_nothing|finetuned):", re.MULTILINE)  # variants whose recipe depends on the images
FEW_IMAGES = 5000  # labelled; with fewer, the split is in folds
FOLDS = 5
SIZES = (128, 224)  # least and largest side of images for a pretrained network, see benchmarks/pretrained.json
VARIANT_KEYS = ("family", "arguments", "image_folder", "input", "batch_size", "phases", "baseline")  # keys of a variant
LARGE_SIDE, VERY_FEW_IMAGES = 48, 500  # from this side, or below this number, a pretrained network is better
MODEL_BEGIN, MODEL_END = "# The final model. Its number", "# The variants to compare it with."  # in the template
UNEVEN = 10  # ratio of the largest class to the smallest, from which classes are uneven
SEEDS = ("seeds/dvc.lock", "seeds/seeds.json")  # results of `make seeds`


def write_params(
    project: Path, source: str | None, *, force: bool, nested: bool = False, shape: list[int] | None = None
) -> None:
    """Write params.yaml for the images in data/raw, and print what they are and the next commands.

    source: a key of `SOURCES`; None detects it. force: overwrite params.yaml even if it has uncommitted changes.
    nested, shape: see `classes_from` and `shape` of `IngestSettings`. A params.yaml that this function wrote with other
    options is overwritten.
    Results of other images that the report would show are removed: durations of trainings, and trainings with other
    seeds. InputError for faulty images, after params.yaml is written: some faults are mended there.
    """
    params, raw, durations = project / "params.yaml", project / "data/raw", project / "benchmarks/durations.json"
    if not (project / "dvc.yaml").exists():
        raise InputError("dvc.yaml: no such file; run from the project's root")
    source = source or detect_source(raw)
    ingest = {"source": source, "classes_from": "nested" if nested else "top", "shape": shape}
    check_options(ingest)
    inputs = [name for name in SOURCES[source] if (raw / name).exists()]
    scheme = "official" if OFFICIAL_TEST[source] in inputs else "fractions"
    split_file = SPLIT_TABLE if inputs and (raw / SPLIT_TABLE).exists() else None
    text = TEMPLATE.read_text(encoding="utf-8").replace("SOURCE", source, 1).replace("SCHEME", scheme, 1)
    for old, new in (
        ("classes_from: top", f"classes_from: {ingest['classes_from']}"),
        ("shape: null", f"shape: {shape or 'null'}"),
        ("file: null", f"file: {split_file or 'null'}"),
    ):
        text = text.replace(f"  {old}  #", f"  {new}  #", 1)
    plain, weights = text, find_weights(project)
    if weights:
        text = add_weights(plain, *weights)
    written_before = (plain, text, *([add_weights(plain, *weights, final=False)] if weights else []))
    if (
        not force
        and has_uncommitted_changes(params)
        and not any(same_but_options(params.read_bytes(), written.encode()) for written in written_before)
    ):
        raise InputError(f"{params}: has uncommitted changes; commit them, or run `fashion init --force`")
    write_text(params, text)
    if durations.exists():
        write_text(durations, "{}\n")
    remove_seed_results(project)
    tables = [name for name in (split_file, GROUPS_TABLE) if name and (raw / name).exists()]
    names = [*(inputs or SOURCES[source][:1]), *tables]
    paths = " ".join(str(raw / name) for name in names)
    print(f"wrote {params} for {paths}")
    if weights:
        paths += f" {project / weights[1]}"
    if inputs:
        found = describe_images(raw, ingest, split_file)
        if weights:
            final = gains_by_weights(found)
            text = add_weights(plain, *weights, found, final=final)
            chosen = "set model to" if final else "added the variant finetuned:"
            reason = (
                "" if final else f", since there are {VERY_FEW_IMAGES} images or more, of less than {LARGE_SIDE} pixels"
            )
            print(
                f"{chosen} {weights[0]} with the weights {weights[1]}{reason}; the variants features_logistic and "
                "features_neighbours have its features (docs/pretrained.md)"
            )
        write_text(params, fit_to_images(text, found))
    print(
        f'next:\n  source .venv/bin/activate\n  dvc add {paths}\n  git commit --all -m "Use our images"\n  make repro'
    )


def check_options(ingest: dict[str, Any]) -> None:
    """Raise InputError for options that do not fit the source. ingest: settings, as in params.yaml."""
    from fashion.settings.ingest import IngestSettings
    from fashion.settings.parsing import parse

    parse(IngestSettings, ingest, source="fashion init", key="ingest")


def same_but_options(first: bytes, second: bytes) -> bool:
    """Tell whether two files params.yaml differ only in what `fashion init` fills in."""
    first, second = (ADAPTED.split(text)[0] for text in (first, second))
    return WRITTEN.sub(rb"\1:", first) == WRITTEN.sub(rb"\1:", second)


def describe_images(raw: Path, ingest: dict[str, Any], split_file: str | None) -> "Description":
    """Print what the images of a source are, what their owner should know, and what else lies in data/raw.

    ingest: settings, as in params.yaml.
    """
    # Here, since the command `fashion` runs without the packages of the pipeline, too.
    from fashion.settings.ingest import IngestSettings
    from fashion.settings.parsing import load_yaml
    from fashion.sources.ingest import describe_raw

    settings = IngestSettings.model_validate(load_yaml(TEMPLATE)["ingest"] | ingest)
    found = describe_raw(raw, settings, split_file=split_file)
    notes = list(found.notes)
    print(f"found {found.summary}")
    used = {*SOURCES[settings.source], split_file, GROUPS_TABLE}
    unused = sorted(path.name for path in raw.iterdir() if path.name not in used and not path.name.endswith(NOT_DATA))
    if unused := [name for name in unused if name[0] != "."]:
        notes.append(f"{', '.join(unused)} in {raw} is not used; docs/your_own_data.md names what is")
    for note in notes:
        print(f"note: {note}")
    return found


def fit_to_images(text: str, found: "Description") -> str:
    """Fill in the settings that depend on the number of images and on the sizes of the classes, and print them.

    text: of params.yaml. The rules come from benchmarks/small_data.json and benchmarks/uneven_data.json.
    """
    counts = {name: size for name, size in found.class_sizes.items() if size or not found.has_test}  # not only tested
    total, sizes, folds = sum(counts.values()), counts.values(), 0
    if total < FEW_IMAGES and max(sizes) >= 2 * FOLDS and not found.has_validation:
        folds = FOLDS
        text = text.replace("  folds: 0\n", f"  folds: {FOLDS}\n", 1)
        use = (
            "validates a model that is trained on others"
            if found.has_test
            else "is tested by a model that has not seen it"
        )
        print(
            f"set split.folds: {FOLDS}, since there are fewer than {FEW_IMAGES:,} labelled images: each {use}, and a "
            f"system is trained {FOLDS} times"
        )
    if max(sizes) > UNEVEN * min(sizes):
        text = text.replace("choose_by: accuracy}", "choose_by: balanced_accuracy}")
        print(
            f"set choose_by: balanced_accuracy, since the largest class has more than {UNEVEN} times the images of the "
            "smallest: systems are chosen by the mean recall of the classes"
        )
    needed = 3 - found.has_test - found.has_validation + bool(folds)  # a fold may have two images of a class
    small = [f"{name} ({size})" for name, size in counts.items() if size < needed]
    if small:
        print(
            f"note: a class needs {needed} images in train/: add some, or set ingest.min_class_size: {needed} in "
            f"params.yaml to leave out {', '.join(small)}"
        )
    return text


def find_weights(project: Path) -> tuple[str, Path, str] | None:
    """Find a pretrained network in data/weights: its name in timm, file and SHA-256. Print which files are not used."""
    files = sorted(path for path in (project / WEIGHTS).glob("*") if path.suffix in WEIGHTS_SUFFIXES)
    if not files:
        return None
    from fashion.networks.families.timm import import_timm

    try:
        networks = [path for path in files if import_timm().is_model(path.stem)]
    except InputError as error:
        print(f"note: {WEIGHTS} is not used: {error}, and then this command again")
        return None
    for path in files:
        if path not in networks[:1]:
            reason = f"{networks[0].name} is" if networks else "its name is not that of a network of timm"
            print(f"note: {path.relative_to(project)} is not used: {reason}")
    if not networks:
        return None
    with networks[0].open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return networks[0].stem, networks[0].relative_to(project), sha256


def add_weights(
    text: str, network: str, file: Path, sha256: str, found: "Description | None" = None, *, final: bool = True
) -> str:
    """Add a pretrained network to the text of params.yaml: the final model or a variant, and variants on its features.

    found: sets the size of the network's images, and the recipe of a variant, by the size and number of the images.
    final: whether it is the final model; then the model that is trained from nothing is a variant.
    """
    from ruamel.yaml import YAML

    added = WEIGHTS_TEMPLATE.read_text(encoding="utf-8")
    size = min(max(2 * found.side, SIZES[0]), SIZES[1]) if found else SIZES[0]
    for name, value in (("NETWORK", network), ("FILE", str(file)), ("SHA256", sha256), ("SIZE", str(size))):
        added = added.replace(f": {name}", f": {value}")
    _, embed, pretrained, variants = added.split("---\n")
    text = text.replace("embed: {}\n", embed)
    before, _, rest = text.partition(MODEL_BEGIN)
    from_nothing, _, after = rest.partition(MODEL_END)
    images = sum(found.class_sizes.values()) if found else 1
    if not final:
        return text + variants + as_variant("finetuned", YAML(typ="safe").load(pretrained)["model"], images)
    other = YAML(typ="safe").load(f"# {from_nothing}")["model"]
    return before + pretrained + MODEL_END + after + variants + as_variant("from_nothing", other, images)


def gains_by_weights(found: "Description") -> bool:
    """Tell whether a pretrained network shall be the final model, by the size and number of the images.

    The rule comes from benchmarks/pretrained.json.
    """
    return found.side >= LARGE_SIDE or sum(found.class_sizes.values()) < VERY_FEW_IMAGES


def as_variant(name: str, settings: dict[str, Any], num_images: int) -> str:
    """Give the settings of a final model, adapted to so many labelled images, as a variant: part of params.yaml."""
    from ruamel.yaml import YAML

    from fashion.settings.model import FinalModel

    model = FinalModel.model_validate(settings | {"corruption": None})
    dumped = model.at_size(model.size).for_number(round(0.8 * num_images)).model_dump(exclude_defaults=True)
    for phase in dumped["phases"].values():
        phase["lr"] = float(f"{phase['lr']:.3g}")
    stream, yaml = io.StringIO(), YAML(typ="safe")
    yaml.default_flow_style, yaml.width = None, 120  # short lists and mappings on one line
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump({name: {key: dumped[key] for key in VARIANT_KEYS}}, stream)
    return textwrap.indent(stream.getvalue(), "  ")


def remove_seed_results(project: Path) -> None:
    """Remove the results of `make seeds`, and say what git will show."""
    write_text(project / "metrics/seeds.json", "{}\n")
    write_text(project / "seeds/params.yaml", "trainings: {}\nfinetunings: {}\ntables: []\n")
    removed = [name for name in SEEDS if (project / name).exists()]
    for name in removed:
        (project / name).unlink()
    if removed:
        print(
            f"removed {' and '.join(removed)}, results of other images: git shows them as deleted, and keeps them in "
            "its history"
        )


def has_uncommitted_changes(path: Path) -> bool:
    """Return whether a file exists with changes that git cannot restore."""
    status = subprocess.run(["git", "status", "--porcelain", "--", path.name], cwd=path.parent, capture_output=True)
    return path.exists() and (status.returncode != 0 or bool(status.stdout))


def detect_source(raw: Path) -> str:
    """Detect the source of the images in data/raw."""
    for source, names in SOURCES.items():
        if (raw / names[0]).exists():
            return source
    if files := sorted(raw.glob("*ubyte*")):
        raise InputError(f"{files[0]}: IDX files belong into a folder of their own; put all four into {raw / 'idx'}")
    expected = "a folder train/ with a folder for each class, a table train.csv, or a folder idx/"
    raise InputError(f"{raw}: no images found; put {expected} there, or choose with --source")
