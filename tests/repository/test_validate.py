"""Test `make validate` on copies of the project with edited files; docs/validation.md lists the checks."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from clone import ROOT, run
from conftest import copy_working_tree
from fashion.params import Params, check
from fashion.settings.parsing import load_yaml
from tools import validate

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC

# By file: a text, its replacement, and the error. None: the replacement is appended, to a picture.
EDITS = {
    "metrics/final.json": ('"macro_f1": 0.9', '"macro_f1": 0.8', "compare: output metrics/final.json: not what"),
    "metrics/summary.json": (
        '"val_accuracy": 0.8',
        '"val_accuracy": 0.9',
        "compare: output metrics/summary.json: not what",
    ),
    "metrics/systems/base.json": (
        '"val_accuracy": 0.8',
        '"val_accuracy": 0.9',
        "compare: output metrics/systems: not what",
    ),
    "metrics/variants.json": ('"epochs": 6', '"epochs": 7', "compare: output metrics/variants.json: not what"),
    "plots/confusion.csv": ("Bag,Bag", "Bag,Coat", "compare: output plots/confusion.csv: not what"),
    "plots/roc.csv": (",0.0,", ",0.1,", "compare: output plots/roc.csv: not what"),
    "plots/learning_curves.csv": ("adam,1,0.5", "adam,1,0.4", "compare: output plots/learning_curves.csv: not what"),
    "plots/accuracies.csv": ("base,wide,0.8", "base,wide,0.9", "compare: output plots/accuracies.csv: not what"),
    "plots/final/report.svg": ("</svg>", "</svg> ", "show_predictions: output plots/final/report.svg: not what"),
    "plots/final/mistakes.png": (None, "Z", "show_predictions: output plots/final/mistakes.png: not what"),
    "plots/systems/base.svg": ("</svg>", "</svg> ", "show_systems: output plots/systems: not what"),
    "data/predicted/results.csv": ("\n0,9", "\n0,8", "predict: output data/predicted/results.csv: not what"),
    "report.html": ("accuracy", "Accuracy", "report: output report.html: not what"),
    "seeds/seeds.json": ('"mean": 0.8', '"mean": 0.9', "seeds/dvc.yaml:compare_seeds@seeds: output "),
    "metrics/seeds.json": ('"mean": 0.8', '"mean": 0.9', "report: dependency metrics/seeds.json: changed"),
    "seeds/params.yaml": ("base-2", "base-7", "seeds/dvc.yaml:train_again@base-7: "),
    "benchmarks/durations.json": ("4.1", "3.1", "report: dependency benchmarks/durations.json: changed"),
    "params.yaml": (
        "test_time_augmentation: shift_and_flip",
        "test_time_augmentation: shift",
        "finetune: parameter params.yaml:model.test_time_augmentation: ",
    ),
    "src/fashion/results/metrics.py": (
        "CONFUSIONS = 10",
        "CONFUSIONS = 9",
        "evaluate@base: dependency src/fashion/results/metrics.py: changed",
    ),
    "stages/models/predict.py": (
        "import pandas",
        "import  pandas",
        "predict: dependency stages/models/predict.py: changed",
    ),
    "dvc.yaml": (
        "cmd: python -m stages.results.describe",
        "cmd: python -B -m stages.results.describe",
        "describe: command: `python -m stages.results.describe` in the lock, now `python -B -m stages.results.",
    ),
}


def edit_lock(stages: dict) -> None:
    """Remove an entry of a lock, swap two, and change single values of others."""
    del stages["augment"]
    stages["train@wide"], stages["train@deep"] = stages["train@deep"], stages["train@wide"]
    find(stages["evaluate@l2"]["deps"], "models/l2.safetensors")["md5"] = "f" * 32
    find(stages["describe"]["deps"], "src/fashion/files.py")["size"] = 1
    stages["train@better"]["params"]["params.yaml"]["variants.better.batch_size"] = 999
    stages["show_data"]["deps"].append({"path": "more.npy", "hash": "md5", "md5": "f" * 32, "size": 1})


LOCK_ERRORS = [
    "augment: entry: not in dvc.lock",
    "train@wide: parameter params.yaml:variants.wide.arguments: ",
    "train@deep: output models/deep.safetensors: not in the lock",
    "evaluate@l2: dependency models/l2.safetensors: not what train@l2 wrote",
    "describe: dependency src/fashion/files.py: 1 bytes in the lock, now ",
    "train@better: parameter params.yaml:variants.better.batch_size: 999 in the lock, now 1000",
    "show_data: dependency more.npy: in the lock, but no longer in dvc.yaml",
]


def find(items: list[dict], path: str) -> dict:
    (item,) = [item for item in items if item["path"] == path]
    return item


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give the errors for a copy with all of these edits."""
    folder = copy_working_tree(tmp_path_factory.mktemp("edited"))
    for name, (old, new, _) in EDITS.items():
        content = (folder / name).read_bytes()
        assert old is None or old.encode() in content, name
        edited = content + new.encode() if old is None else content.replace(old.encode(), new.encode(), 1)
        (folder / name).write_bytes(edited)
    yaml = YAML(typ="safe")
    lock = yaml.load(folder / "dvc.lock")
    edit_lock(lock["stages"])
    yaml.dump(lock, folder / "dvc.lock")
    return run(folder, "python", "-m", "tools.validate", status=2).splitlines()


def test_every_edited_result_setting_code_file_or_lock_entry_is_an_error(errors: list[str]) -> None:
    expected = [*(error for _, _, error in EDITS.values()), *LOCK_ERRORS]
    assert [error for error in expected if not any(line.startswith(f"error: {error}") for line in errors)] == []


def test_the_last_line_gives_the_remedy(errors: list[str]) -> None:
    assert errors[-1].startswith("error: dvc.lock: not fresh; run `make repro`, or `make relock` after a refactoring")


def test_the_results_in_git_are_valid(checkout: Path) -> None:
    assert run(checkout, "python", "-m", "tools.validate").startswith("validated: dvc.lock is fresh")


def replacing(old: str, new: str) -> Callable[[str], str]:
    """Give a function that replaces the first `old` in a text."""

    def replace(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return replace


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


TABLES = {
    "README.md": ("| **final** | 1,962,112 |", "| **final** | 1,962,113 |"),
    "docs/results.md": ("| base | 624,778 |", "| base | 724,778 |"),
    "docs/model_card.md": ("| test accuracy | 0.9", "| test accuracy | 0.8"),
    "docs/final_model.md": ("| 64 256 256 |", "| 64 256 257 |"),
    "docs/performance.md": ("| base | 1 |", "| base | 3 |"),
    "docs/pretrained.md": ("| icons in colour, 32x32 | 64 |", "| icons in colour, 32x32 | 65 |"),
    "docs/your_own_data.md": ("| **0.9", "| **0.8"),
    "docs/scaling.md": ("| 1 | 416 s |", "| 1 | 316 s |"),
    "packages/abreast/README.md": ("| `dvc repro` | ", "| `dvc repro` | 1"),
}


def test_an_edited_table_of_any_page_is_an_error_and_is_repaired_by_write(checkout: Path) -> None:
    texts = {name: (checkout / name).read_text(encoding="utf-8") for name in TABLES}
    for name, (old, new) in TABLES.items():
        edit(checkout / name, replacing(old, new))
    remedy = "not the tables of the results; run `python -m tools.validate --write`"
    output = run(checkout, "python", "-m", "tools.validate", status=2)
    assert sorted(output.splitlines()) == sorted(f"error: {name}: {remedy}" for name in TABLES)
    run(checkout, "python", "-m", "tools.validate", "--write")
    assert {name: (checkout / name).read_text(encoding="utf-8") for name in TABLES} == texts


def test_no_page_with_tables_is_missing_here() -> None:
    pages = run(ROOT, "git", "ls-files", "*.md").split()
    assert {name for name in pages if "<!-- end of " in (ROOT / name).read_text()} == set(TABLES)


@pytest.mark.parametrize(
    ("file", "change", "page"),
    [
        ("benchmarks/study.json", replacing('"val_accuracy": 0.9391', '"val_accuracy": 0.9491'), "docs/final_model.md"),
        ("benchmarks/robust.json", replacing('"accuracy": 0.957', '"accuracy": 0.967'), "docs/model_card.md"),
        ("benchmarks/precision.json", replacing("0.8872", "0.8972"), "docs/performance.md"),
        ("benchmarks/other_data.json", replacing("0.9666666666666667", "0.8666666666666667"), "docs/your_own_data.md"),
        ("benchmarks/small_data.json", replacing('"promised": 0.76', '"promised": 0.96'), "docs/your_own_data.md"),
        ("packages/abreast/benchmarks/runner.json", replacing('"all": ', '"all": 1'), "packages/abreast/README.md"),
        ("benchmarks/scaling.json", replacing("415.6", "315.6"), "docs/scaling.md"),
        ("benchmarks/results/avx2.json", replacing('"mean": 1.76', '"mean": 2.76'), "docs/performance.md"),
    ],
)
def test_an_edited_measurement_is_an_error_of_its_page(
    file: str, change: Callable[[str], str], page: str, checkout: Path
) -> None:
    edit(checkout / file, change)
    assert any(error.startswith(f"{page}: not the tables") for error in validate.page_errors())


def load_params(folder: Path) -> Params:
    return check(load_yaml(folder / "params.yaml"), source="params.yaml")


def test_a_report_that_does_not_show_the_results_is_an_error(checkout: Path) -> None:
    edit(checkout / "report.html", replacing(">ingest<", ">ingested<"))
    remedy = "run `dvc repro --force --single-item report`"
    assert validate.report_errors(load_params(checkout)) == [f"report.html: does not show the results in git; {remedy}"]


@pytest.mark.parametrize(
    ("file", "old", "new", "error"),
    [
        ("metrics/seeds.json", '"mean": 0.8', '"mean": 0.7', "metrics/seeds.json: not the copy of seeds/seeds.json"),
        ("seeds/params.yaml", "family: mlp", "family: cnn", "seeds/params.yaml: not of the systems in params.yaml"),
    ],
)
def test_results_of_other_seeds_that_differ_from_their_list_are_an_error(
    file: str, old: str, new: str, error: str, checkout: Path
) -> None:
    assert validate.seeds_errors(load_params(checkout)) == []
    edit(checkout / file, replacing(old, new))
    (message,) = validate.seeds_errors(load_params(checkout))
    assert message.startswith(error)


def test_a_run_that_is_no_longer_listed_is_an_error(checkout: Path) -> None:
    text = (checkout / "seeds/params.yaml").read_text(encoding="utf-8")
    edit(checkout / "seeds/params.yaml", replacing(re.findall(r"  base-.*\n", text)[-1], ""))
    (message,) = validate.seeds_errors(load_params(checkout))
    assert message.startswith("metrics/seeds.json: not the runs that seeds/params.yaml lists")
