"""What CI checks of the results in git: each fault is said, and nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path

import pages
import pytest
import validate

from clone import edit_params, run
from fashion.params import Params, check
from fashion.settings.parsing import load_yaml

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC


def faults(folder: Path) -> list[str]:
    """Name the faults of the tables, metrics, figures and pages, but not of the lock."""
    params: Params = check(load_yaml(folder / "params.yaml"), source="params.yaml")
    found = [*validate.bad_tables(params), *validate.bad_metrics(params)] or validate.bad_figures(params)
    return found or validate.bad_pages()


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, path
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def edit_json(path: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_what_is_in_git_has_no_fault(checkout: Path) -> None:
    assert validate.stale_stages(checkout) == []
    assert faults(checkout) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("README.md", "0.8826", "0.9999", "README.md: it does not say what its sources do"),
        ("docs/model_card.md", "| Shirt |", "| Shirts |", "docs/model_card.md: it does not say what its sources do"),
        ("docs/performance.md", "| base | 1 |", "| base | 3 |", "docs/performance.md: it does not say what its sou"),
        ("plots/roc.csv", "class,fpr,tpr", "class,tpr,fpr", "plots/roc.csv: columns ['class', 'tpr', 'fpr'], expected"),
        ("plots/roc.csv", "Trouser,", "Trousers,", "plots/roc.csv: class is not each of"),
        ("plots/learning_curves.csv", "base,adam,1,", "base,adam,,", "plots/learning_curves.csv: empty, or with empty"),
        ("plots/confusion.csv", "Bag,", "Bags,", "plots/confusion.csv: actual is not each of"),
        ("data/predicted/results.csv", "\n0,9\n", "\n0,10\n", "data/predicted/results.csv: a label is not the number"),
        ("metrics/variants.json", '"parameters": 624778', '"parameters": 1.5', "variants.json: base.parameters is 1.5"),
        ("metrics/variants.json", '"wide": {', '"wider": {', "metrics/variants.json: not the systems of params.yaml"),
        ("metrics/final.json", '"Bag": {', '"Bags": {', "metrics/final.json: per_class does not name each class"),
        (
            "metrics/final.json",
            '"test_accuracy": 0.9',
            '"test_accuracy": 0.8',
            "metrics/final.json: test_accuracy is 0.8482, and 0.9482 by plots/confusion.csv; run `make repro`",
        ),
    ],
)
def test_a_result_edited_by_hand_is_a_fault(file: str, old: str, new: str, fault: str, checkout: Path) -> None:
    replace(checkout / file, old, new)
    assert any(fault in said for said in faults(checkout)), faults(checkout)


def test_metrics_that_are_no_json_are_refused_in_one_line(checkout: Path) -> None:
    replace(checkout / "metrics/final.json", '"macro_f1": 0', '"macro_f1": "0')
    with pytest.raises(SystemExit, match="error: metrics/final.json: "):
        faults(checkout)


def test_a_report_that_shows_another_graph_is_a_fault(checkout: Path) -> None:
    page = checkout / "report.html"
    page.write_text(page.read_text(encoding="utf-8").replace(">ingest<", ">ingested<"), encoding="utf-8")
    remedy = "run `dvc repro --force --single-item report`"
    assert faults(checkout) == [f"report.html: does not show the results in git; {remedy}"]


def test_a_missing_table_is_a_fault(checkout: Path) -> None:
    (checkout / "plots/roc.csv").unlink()
    assert ["plots/roc.csv" in said for said in faults(checkout)] == [True]


def test_classes_may_be_called_numbers_or_nothing_and_lack_test_images(checkout: Path) -> None:
    names = dict(zip(load_yaml(checkout / "params.yaml")["classes"], [*"01234567", "NA", "None|x"], strict=True))
    edit_params(checkout, lambda params: params.update(classes=list(names.values())))
    missing = names["Bag"]

    def rename(final: dict) -> None:
        final["per_class"] = {names[name]: row for name, row in final["per_class"].items()}
        final["per_class"][missing].update(support=0, roc_auc=None)

    edit_json(checkout / "metrics/final.json", rename)
    for file in ("plots/roc.csv", "plots/confusion.csv"):
        head, *lines = (checkout / file).read_text().splitlines()
        cells = [line.split(",") for line in lines]
        renamed = [[names.get(cell, cell) for cell in row] for row in cells]
        kept = [",".join(row) for row in renamed if row[0] != missing]
        (checkout / file).write_text("\n".join([head, *kept, ""]))
    for path, text in pages.pages().items():
        path.write_text(text, encoding="utf-8")
    params = check(load_yaml(checkout / "params.yaml"), source="params.yaml")
    assert [*validate.bad_tables(params), *validate.bad_metrics(params), *validate.bad_pages()] == []
    card = (checkout / "docs/model_card.md").read_text()
    assert "| None\\|x | " in card
    assert f"| {missing} | " in card


@pytest.mark.parametrize(
    ("file", "old", "new", "stage"),
    [
        ("params.yaml", "batch_size: 256", "batch_size: 128", "train@base"),
        ("src/fashion/results/scores.py", "CONFUSIONS = 10", "CONFUSIONS = 9", "evaluate@base"),
        ("stages/predict.py", "import pandas", "import  pandas", "predict"),
        ("metrics/variants.json", '"parameters": 624778', '"parameters": 1', "compare"),
        ("dvc.lock", "train.threads: 1", "train.threads: 2", "evaluate"),
    ],
)
def test_a_setting_code_or_result_that_no_run_followed_makes_the_lock_stale(
    file: str, old: str, new: str, stage: str, checkout: Path
) -> None:
    replace(checkout / file, old, new)
    assert any(stage in fault for fault in validate.stale_stages(checkout)), validate.stale_stages(checkout)


def test_the_command_says_the_faults_and_exits_with_status_2(checkout: Path) -> None:
    text = (checkout / "README.md").read_text(encoding="utf-8")
    replace(checkout / "README.md", "0.8826", "0.9999")
    output = run(checkout, "python", ".ci/validate.py", status=2)
    assert output == "error: README.md: it does not say what its sources do; run `python .ci/validate.py --write`\n"
    run(checkout, "python", ".ci/validate.py", "--write")
    assert (checkout / "README.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("metrics/seeds.json", '"mean": 0.8', '"mean": 0.7', "metrics/seeds.json: not the copy of seeds/seeds.json"),
        ("seeds/params.yaml", "family: mlp", "family: cnn", "seeds/params.yaml: not of the systems in params.yaml"),
    ],
)
def test_trainings_with_other_seeds_are_those_that_are_listed(
    file: str, old: str, new: str, fault: str, checkout: Path
) -> None:
    params = check(load_yaml(checkout / "params.yaml"), source="params.yaml")
    assert validate.bad_seeds(params) == []
    replace(checkout / file, old, new)
    (said,) = validate.bad_seeds(params)
    assert said.startswith(fault)


def test_a_training_with_another_seed_that_is_no_longer_listed_is_one_too_many(checkout: Path) -> None:
    params = check(load_yaml(checkout / "params.yaml"), source="params.yaml")
    listed = (checkout / "seeds/params.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    replace(checkout / "seeds/params.yaml", [line for line in listed if line.startswith("  base-")][-1], "")
    (said,) = validate.bad_seeds(params)
    assert said.startswith("metrics/seeds.json: not the trainings that seeds/params.yaml lists")
