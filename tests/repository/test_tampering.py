"""A change that cheats is caught: what `make validate` says of copies of the project whose results were edited.

What only a run would catch, docs/validation.md says.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import agreement
import numpy as np
import pytest
import validate
from ruamel.yaml import YAML

from clone import ROOT, run
from conftest import copy_of_tree
from fashion.params import check
from fashion.results.scores import score
from fashion.settings.parsing import load_yaml

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC

# A text of a file, what stands there instead, and what is said. `Z` at the end of a picture.
EDITED = {
    "metrics/final.json": ('"macro_f1": 0.9', '"macro_f1": 0.8', "compare: output metrics/final.json: not as"),
    "metrics/variants.json": ("0.8826", "0.8926", "compare: output metrics/variants.json: not as"),
    "plots/confusion.csv": ("Bag,Bag", "Bag,Coat", "compare: output plots/confusion.csv: not as"),
    "plots/roc.csv": (",0.0,", ",0.1,", "compare: output plots/roc.csv: not as"),
    "plots/learning_curves.csv": ("adam,1,0.5", "adam,1,0.4", "compare: output plots/learning_curves.csv: not as"),
    "plots/accuracies.csv": ("0.8826", "0.8926", "compare: output plots/accuracies.csv: not as"),
    "plots/final/report.svg": ("</svg>", "</svg> ", "show_predictions: output plots/final/report.svg: not as"),
    "plots/final/mistakes.png": (None, "Z", "show_predictions: output plots/final/mistakes.png: not as"),
    "plots/systems/base.svg": ("</svg>", "</svg> ", "show_systems: output plots/systems: not as"),
    "data/predicted/results.csv": ("\n0,9\n", "\n0,8\n", "predict: output data/predicted/results.csv: not as"),
    "report.html": ("94.82%", "95.82%", "report: output report.html: not as"),
    "seeds/seeds.json": ('"mean": 0.8', '"mean": 0.9', "seeds/dvc.yaml:spread@seeds: output "),
    "metrics/seeds.json": ('"mean": 0.8', '"mean": 0.9', "report: dependency metrics/seeds.json: changed"),
    "seeds/params.yaml": ("base-2", "base-7", "seeds/dvc.yaml:train_again@base-7: "),
    "benchmarks/durations.json": ("4.1", "3.1", "report: dependency benchmarks/durations.json: changed"),
    "params.yaml": ("  views: six", "  views: one", "finetune: parameter params.yaml:model.views: "),
    "src/fashion/results/scores.py": (
        "CONFUSIONS = 10",
        "CONFUSIONS = 9",
        "evaluate@base: dependency src/fashion/results/scores.py: changed",
    ),
    "stages/predict.py": ("import pandas", "import  pandas", "predict: dependency stages/predict.py: changed"),
    "dvc.yaml": (
        "cmd: python stages/describe.py",
        "cmd: python -B stages/describe.py",
        "describe: command: `python stages/describe.py` in the lock, now `python -B stages/describe.py`",
    ),
}


def forge_lock(stages: dict) -> None:
    """Edit entries of a lock: one is missing, two are swapped, and single values are others."""
    del stages["augment"]
    stages["train@wide"], stages["train@deep"] = stages["train@deep"], stages["train@wide"]
    of(stages["evaluate@l2"]["deps"], "models/l2.safetensors")["md5"] = "f" * 32
    of(stages["evaluate@sgd"]["outs"], "data/evaluated/sgd.npy")["md5"] = "f" * 32
    of(stages["describe"]["deps"], "src/fashion/files.py")["size"] = 1
    stages["train@better"]["params"]["params.yaml"]["variants.better.batch_size"] = 999
    stages["show_data"]["deps"].append({"path": "more.npy", "hash": "md5", "md5": "f" * 32, "size": 1})


IN_THE_LOCK = [
    "augment: entry: not in dvc.lock",
    "train@wide: parameter params.yaml:variants.wide.arguments: ",
    "train@deep: output models/deep.safetensors: not in the lock",
    "evaluate@l2: dependency models/l2.safetensors: not what train@l2 wrote last",
    "compare: dependency data/evaluated: changed",
    "describe: dependency src/fashion/files.py: 1 bytes in the lock, and has",
    "train@better: parameter params.yaml:variants.better.batch_size: 999 in the lock, now 1000",
    "show_data: dependency more.npy: in the lock, and no more in dvc.yaml",
]


def of(rows: list[dict], path: str) -> dict:
    (row,) = [row for row in rows if row["path"] == path]
    return row


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of a copy with all of these edits, each of which is one."""
    folder = copy_of_tree(tmp_path_factory.mktemp("edited"))
    for name, (old, new, _) in EDITED.items():
        content = (folder / name).read_bytes()
        assert old is None or old.encode() in content, name
        changed = content + new.encode() if old is None else content.replace(old.encode(), new.encode(), 1)
        (folder / name).write_bytes(changed)
    yaml = YAML(typ="safe")
    lock = yaml.load(folder / "dvc.lock")
    forge_lock(lock["stages"])
    yaml.dump(lock, folder / "dvc.lock")
    return run(folder, "python", ".ci/validate.py", status=2).splitlines()


@pytest.mark.parametrize("said", [*(said for _, _, said in EDITED.values()), *IN_THE_LOCK])
def test_what_no_run_followed_is_named(said: str, edited: list[str]) -> None:
    assert any(line.startswith(f"error: {said}") for line in edited), edited


def test_the_remedy_is_said(edited: list[str]) -> None:
    (remedy,) = [line for line in edited if line.startswith("error: dvc.lock: not fresh")]
    assert "run `make repro`, or `make relock` after a refactoring, and commit what it writes" in remedy


def replaced(old: str, new: str, times: int = 1) -> Callable[[str], str]:
    def replace(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, times)

    return replace


def set_key(*keys: str, to: object) -> Callable[[str], str]:
    """Set a value of JSON."""

    def change(text: str) -> str:
        content = json.loads(text)
        place = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to
        return json.dumps(content, indent=2) + "\n"

    return change


FORGED = [
    ("metrics/final.json", set_key("macro_f1", to=0.99), "metrics/final.json: macro_f1 is 0.99, and 0.94"),
    ("metrics/final.json", set_key("test_accuracy", to=0.99), "metrics/final.json: test_accuracy is 0.99, and 0.9482"),
    ("metrics/final.json", set_key("per_class", "Bag", "recall", to=1.0), "metrics/final.json: Bag.recall is 1.0, and"),
    ("metrics/final.json", set_key("per_class", "Coat", "roc_auc", to=1.0), "metrics/final.json: Coat.roc_auc is 1.0"),
    (
        "metrics/final.json",
        set_key("val_accuracy", to=0.99),
        "metrics/variants.json: final.val_accuracy is 0.9548",
    ),
    ("metrics/final.json", set_key("confusions", to=[]), "metrics/final.json: confusions is [], and"),
    ("metrics/variants.json", set_key("base", "test_accuracy", to=0.9), "metrics/variants.json: base.test_interval is"),
    (
        "metrics/variants.json",
        set_key("wide", "against_baseline", "p_value", to=0.001),
        "metrics/variants.json: wide.against_baseline.p_value is 0.001, and",
    ),
    (
        "metrics/variants.json",
        set_key("sgd", "against_final", to=None),
        "metrics/variants.json: sgd.against_final is",
    ),
    (
        "metrics/variants.json",
        set_key("l2", "against_baseline", "only_this_right", to=0),
        "metrics/variants.json: l2.against_baseline: 0 and ",
    ),
    ("metrics/variants.json", set_key("deep", "reported", to=0.9), "metrics/variants.json: deep.reported is 0.9, and"),
    (
        "metrics/variants.json",
        set_key("better", "val_accuracy", to=0.95),
        "metrics/variants.json: better.val_accuracy",
    ),
    (
        "metrics/variants.json",
        set_key("kernel_3", "epochs", to=9),
        "metrics/variants.json: kernel_3.epochs is 9",
    ),
    ("plots/accuracies.csv", replaced("0.8826", "0.8926"), "plots/accuracies.csv: not what follows from"),
    ("plots/final/answers.json", set_key("mistakes", to=1), "plots/final/answers.json: mistakes is 1, and 518"),
    (
        "data/predicted/results.csv",
        replaced(",9\n", ",8\n", 50),
        "data/predicted/results.csv: 50 labels",
    ),
    (
        "seeds/seeds.json",
        set_key("base", "test_accuracy", "mean", to=0.96),
        "metrics/seeds.json: base.test_accuracy is",
    ),
]
COPIES = {"seeds/seeds.json": ("seeds/seeds.json", "metrics/seeds.json")}


def forge(folder: Path, file: str, change: Callable[[str], str]) -> None:
    """Change a file, and its checksum and size wherever the locks have them."""
    text = change((folder / file).read_text(encoding="utf-8"))
    content = text.encode("utf-8")
    for copy in COPIES.get(file, [file]):
        (folder / copy).write_bytes(content)
        entry = rf"(- path: {re.escape(copy)}\n +hash: md5\n +md5: )\w+(\n +size: )\d+"
        found = 0
        for lock in (folder / "dvc.lock", folder / "seeds/dvc.lock"):
            state = rf"\g<1>{hashlib.md5(content).hexdigest()}\g<2>{len(content)}"
            forged, places = re.subn(entry, state, lock.read_text(encoding="utf-8"))
            lock.write_text(forged, encoding="utf-8")
            found += places
        assert found


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of a copy with all of these figures edited together with their checksums."""
    folder = copy_of_tree(tmp_path_factory.mktemp("forged"))
    for file, change, _ in FORGED:
        forge(folder, file, change)
    return run(folder, "python", ".ci/validate.py", status=2).splitlines()


@pytest.mark.parametrize("said", [said for _, _, said in FORGED])
def test_a_figure_that_was_edited_with_its_checksum_is_betrayed_by_the_others(said: str, forged: list[str]) -> None:
    (line,) = [line for line in forged if line.startswith(f"error: {said}")]
    assert line.endswith("; run `make repro`")


def test_nothing_but_the_figures_betrays_them(forged: list[str]) -> None:
    assert not [line for line in forged if "dvc.lock" in line or "output" in line]


def test_a_report_that_was_edited_with_its_checksum_is_made_anew_and_compared(checkout: Path) -> None:
    forge(checkout, "report.html", replaced("94.82%", "95.82%"))
    assert validate.stale_stages(checkout) == []
    params = check(load_yaml(checkout / "params.yaml"), source="params.yaml")
    (said,) = validate.bad_figures(params)
    assert said.startswith("report.html: does not show the results in git; run `dvc repro")


PAGES = {
    "README.md": ("| base | 624,778 |", "| base | 724,778 |"),
    "docs/model_card.md": ("| test accuracy | 0.9", "| test accuracy | 0.8"),
    "docs/final_model.md": ("| 64 256 256 |", "| 64 256 257 |"),
    "docs/performance.md": ("| base | 1 |", "| base | 3 |"),
    "docs/your_own_data.md": ("| **0.9", "| **0.8"),
    "docs/scaling.md": ("| 1 | 416 s |", "| 1 | 316 s |"),
    "packages/abreast/README.md": ("| `dvc repro` | ", "| `dvc repro` | 1"),
}


def test_a_figure_between_the_marks_of_any_page_is_refused(checkout: Path) -> None:
    for name, (old, new) in PAGES.items():
        text = (checkout / name).read_text(encoding="utf-8")
        (checkout / name).write_text(replaced(old, new)(text), encoding="utf-8")
    remedy = "it does not say what its sources do; run `python .ci/validate.py --write`"
    assert sorted(validate.bad_pages()) == sorted(f"{name}: {remedy}" for name in PAGES)


def test_every_mark_of_every_page_is_one_of_those() -> None:
    marked = {
        name for name in run(ROOT, "git", "ls-files", "*.md").split() if "<!-- end of " in (ROOT / name).read_text()
    }
    assert marked == set(PAGES)


@pytest.mark.parametrize(
    ("file", "change", "page"),
    [
        ("benchmarks/study.json", replaced('"val_accuracy": 0.9391', '"val_accuracy": 0.9491'), "docs/final_model.md"),
        ("benchmarks/robust.json", replaced('"accuracy": 0.957', '"accuracy": 0.967'), "docs/model_card.md"),
        ("benchmarks/precision.json", replaced("0.8872", "0.8972"), "docs/performance.md"),
        ("benchmarks/other_data.json", replaced("0.9666666666666667", "0.8666666666666667"), "docs/your_own_data.md"),
        ("packages/abreast/benchmarks/runner.json", replaced('"all": ', '"all": 1'), "packages/abreast/README.md"),
        ("benchmarks/scaling.json", replaced("415.6", "315.6"), "docs/scaling.md"),
        ("benchmarks/results/avx2.json", replaced('"mean": 1.76', '"mean": 2.76'), "README.md"),
    ],
)
def test_a_measurement_that_was_edited_is_not_what_the_pages_say(
    file: str, change: Callable[[str], str], page: str, checkout: Path
) -> None:
    path = checkout / file
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert any(said.startswith(f"{page}: it does not say") for said in validate.bad_pages())


def test_results_of_few_images_agree(reproduced: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = reproduced[0]
    monkeypatch.setattr("pages.ROOT", folder)
    params = check(load_yaml(folder / "params.yaml"), source="params.yaml")
    assert list(agreement.disagreements(params, folder)) == []


def test_a_class_without_test_images_is_no_fault_of_the_scores() -> None:
    actual, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    final = score(actual, np.eye(3)[predicted], ["NA", "7", "None"])
    assert list(agreement.wrong_scores(final, actual, predicted)) == []
    assert final["per_class"]["None"]["roc_auc"] is None
    final["per_class"]["NA"]["recall"] = 1.0
    (said,) = agreement.wrong_scores(final, actual, predicted)
    assert said == "metrics/final.json: NA.recall is 1.0, and 0.5 by plots/confusion.csv"
