"""The whole pipeline on 400 real images, run as a user would, in a clone of its own."""

import gzip
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from clone import ENVIRONMENT, SYSTEMS, checksums, edit_params, run, train_for_ever
from dvc_project import stages_run
from fashion.settings.parsing import load_yaml

MINE = (
    "{family: mlp, arguments: {hidden: [32]}, images: split, input: {size: 28, scaling: unit}, batch_size: 50, "
    "phases: {adam: {optimizer: adam, lr: 0.01, max_epochs: 2}}}"
)
SHOWN = {"show_systems", "show_groups", "show_predictions", "report"}  # after a change of how the final model learns


def test_a_clone_reproduces_every_stage_and_leaves_the_contract_files(reproduced: tuple[Path, str]) -> None:
    folder, output = reproduced
    stages = {
        "ingest",
        "split",
        "augment",
        "finetune",
        "evaluate_final",
        "compare",
        "predict",
        *SHOWN,
        "describe",
        "show_data",
    }
    stages |= {f"{stage}@{name}" for stage in ("train", "evaluate") for name in SYSTEMS if name != "final"}
    assert set(re.findall(r"^(.+): done in ", output, re.MULTILINE)) == stages
    variants = json.loads((folder / "metrics/variants.json").read_text())
    assert set(variants) == set(SYSTEMS)
    assert all({"parameters", "epochs", "val_accuracy", "test_accuracy"} <= set(row) for row in variants.values())
    assert variants["base"]["parameters"] == 624_778
    assert variants["final"]["epochs"] == 4
    final = json.loads((folder / "metrics/final.json").read_text())
    assert final["test_accuracy"] == variants["final"]["test_accuracy"]
    assert set(final["per_class"]) >= {"Bag", "Ankle boot"}
    curves = pd.read_csv(folder / "plots/learning_curves.csv")
    assert set(curves["variant"]) == set(SYSTEMS)
    results = pd.read_csv(folder / "data/predicted/results.csv")
    assert results["ID"].tolist() == list(range(100))
    confusion = pd.read_csv(folder / "plots/confusion.csv")
    assert (confusion["actual"] == confusion["predicted"]).mean() == pytest.approx(final["test_accuracy"])
    numbers = {name: number for number, name in enumerate(YAML().load(folder / "params.yaml")["classes"])}
    assert results["label"].tolist() == confusion["predicted"].map(numbers).tolist()  # the same images, by default


def test_nothing_is_left_beside_the_results(reproduced: tuple[Path, str]) -> None:
    folder, _ = reproduced
    assert not list(folder.rglob("*.part"))
    assert run(folder, "git", "status", "--porcelain") == ""


def test_repro_again_does_nothing(project: Path) -> None:
    assert stages_run(run(project, "dvc", "repro")) == set()


def test_dvc_repro_gives_the_same_bytes_as_the_runner_did(project: Path) -> None:
    before, lock = checksums(project), (project / "dvc.lock").read_text()
    system = ["train@base_cnn", "evaluate@base_cnn", "finetune", "evaluate_final"]
    shown = ["describe", "show_data", "show_systems", "show_groups", "show_predictions", "report"]
    stages = ["ingest", "split", "augment", *system, "compare", "predict", *shown]
    output = run(project, "dvc", "repro", "--force", "--no-run-cache", "--single-item", *stages)
    assert stages_run(output) == set(stages)
    assert checksums(project) == before
    assert (project / "dvc.lock").read_text() == lock


def test_each_copy_of_an_image_has_its_label(reproduced: tuple[Path, str]) -> None:
    data = reproduced[0] / "data"
    for part in ("train", "validation"):
        images, labels = (np.load(data / f"split/{part}_{what}.npy") for what in ("images", "labels"))
        copies, theirs = (np.load(data / f"augmented/{part}_{what}.npy") for what in ("images", "labels"))
        for copy in range(4):
            np.testing.assert_array_equal(theirs[copy::4], labels)
        np.testing.assert_array_equal(copies[::4], images)


def test_the_device_and_where_the_raw_files_lie_make_nothing_run_again(project: Path) -> None:
    for packed in (project / "data/raw").glob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert stages_run(run(project, "dvc", "repro", environment={"FASHION_DEVICE": "cpu:0"})) == set()


def test_a_system_can_be_trained_and_judged_in_bf16_on_any_machine(project: Path) -> None:
    run(project, "dvc", "repro", "--single-item", "train@mlp_200", "evaluate@mlp_200")
    edit_params(project, lambda params: params["train"].update(precision="bf16"))
    run(project, "dvc", "repro", "--single-item", "train@mlp_200", "evaluate@mlp_200")
    figures = json.loads((project / "data/evaluated/mlp_200.json").read_text())
    assert figures["environment"]["precision"] == "bf16"
    assert figures["val_accuracy"] > 0.3


def test_no_variants_name_reaches_a_shell(project: Path) -> None:
    name = "a; touch broken_out;"
    edit_params(project, lambda params: params["variants"].update({name: params["variants"].pop("keras_2")}))
    output = run(project, "dvc", "repro", status=None)
    assert f"error: params.yaml: variants.{name}: not a usable name" in output
    assert not (project / "broken_out").exists()


def test_an_error_of_our_own_costs_no_model_either(project: Path) -> None:
    before = checksums(project)
    family = project / "src/fashion/networks/families/mlp.py"
    family.write_text(family.read_text().replace("layers: list[nn.Module] = [", "raise AssertionError  # "))
    for stage in ("train@base", "describe"):  # files, and a folder
        assert "AssertionError" in run(project, "dvc", "repro", "--single-item", stage, status=None)
    assert checksums(project) == before


def test_a_learning_rate_runs_that_variant_its_evaluation_and_compare(project: Path) -> None:
    def change(params: dict) -> None:
        params["variants"]["base"]["phases"]["adam"]["lr"] = 0.002

    edit_params(project, change)
    assert stages_run(run(project, "dvc", "repro")) == {
        "train@base",
        "evaluate@base",
        "compare",
        "describe",
        "show_systems",
        "show_groups",
        "report",
    }
    run(project, "git", "checkout", "params.yaml")
    output = run(project, "dvc", "repro")
    assert "train@base' is cached" in output, "going back costs no training"


def test_editing_a_family_makes_its_own_systems_stale_alone(project: Path) -> None:
    with (project / "src/fashion/networks/families/mlp.py").open("a") as file:
        file.write("# edited\n")
    each = {f"{stage}@{name}" for stage in ("train", "evaluate") for name in ("base", "mlp_200")} | {"describe"}
    assert stages_run(run(project, "dvc", "repro", "--dry")) == each


def test_editing_an_optimiser_makes_all_trainings_stale_and_no_evaluation_or_prediction(project: Path) -> None:
    with (project / "src/fashion/training/optimizers.py").open("a") as file:
        file.write("# edited\n")
    trainings = {f"train@{name}" for name in SYSTEMS if name != "final"} | {"finetune"}
    assert stages_run(run(project, "dvc", "repro", "--dry")) == trainings


def test_plots_are_rendered_from_the_projects_own_templates(project: Path) -> None:
    run(project, "dvc", "plots", "show")
    page = (project / "dvc_plots/index.html").read_text()
    for title in ("Loss by epoch", "Accuracy by epoch", "Best validation accuracy", "Confusion of the final", "ROC of"):
        assert title in page
    assert "<DVC_METRIC" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page), "it opens without network"


def test_a_variant_is_added_by_an_entry_alone(project: Path) -> None:
    output = run(project, "dvc", "exp", "run", "-S", f"+variants.mine={MINE}")
    assert stages_run(output) == {
        "train@mine",
        "evaluate@mine",
        "compare",
        "describe",
        "show_systems",
        "show_groups",
        "report",
    }
    assert json.loads((project / "metrics/variants.json").read_text())["mine"]["epochs"] == 2


def test_a_variant_that_is_taken_out_leaves_nothing_in_the_comparison(project: Path) -> None:
    edit_params(project, lambda params: params["variants"].pop("keras_2"))
    assert stages_run(run(project, "dvc", "repro")) == {"compare", "describe", "show_systems", "show_groups", "report"}
    assert set(json.loads((project / "metrics/variants.json").read_text())) == set(SYSTEMS) - {"keras_2"}
    assert not (project / "data/evaluated/keras_2.json").exists()
    assert not (project / "plots/systems/keras_2.svg").exists()
    assert stages_run(run(project, "dvc", "repro")) == set()


def test_a_fresh_clone_without_data_knows_that_the_lock_is_fresh(project: Path, tmp_path: Path) -> None:
    run(tmp_path, "git", "clone", "--quiet", str(project), "clone")
    assert stages_run(run(tmp_path / "clone", "dvc", "repro", "--dry", "--allow-missing")) == set()

    def change(params: dict) -> None:
        params["variants"]["base"]["batch_size"] = 128

    edit_params(tmp_path / "clone", change)
    assert "train@base" in run(tmp_path / "clone", "dvc", "repro", "--dry", "--allow-missing", status=255)


@pytest.mark.parametrize(
    ("section", "key", "value", "complaint"),
    [
        ("model", "dropout", 1.5, "error: params.yaml: model.dropout: 1.5 is out of range"),
        ("augment", "crop", 14, "error: params.yaml: augment.crop: 14 leaves 4 of 32 pixels a side"),
        ("split", "validation", 400, "error: params.yaml: split.validation: 400 of 400 labelled images"),
    ],
)
def test_a_refused_setting_costs_one_line_and_no_file(
    project: Path, section: str, key: str, value: object, complaint: str
) -> None:
    before = checksums(project)
    edit_params(project, lambda params: params[section].update({key: value}))
    output = run(project, "dvc", "repro", status=None)
    assert complaint in output
    assert "Traceback" not in output
    assert checksums(project) == before


def test_a_network_that_does_not_fit_its_images_is_refused_and_the_old_model_kept(project: Path) -> None:
    before = checksums(project)
    edit_params(project, lambda params: params["variants"]["base_cnn"]["arguments"].update(kernels=[3, 40]))
    output = run(project, "dvc", "repro", status=None)
    assert "error: params.yaml: variants.base_cnn: convolution 2: kernel 40" in output
    left = checksums(project)
    assert [path for path in before if left[path] != before[path]] in ([], ["data/layers/base_cnn.json"])


def test_a_stage_alone_exits_with_status_2_on_bad_settings(project: Path) -> None:
    edit_params(project, lambda params: params.update(trian=1))
    output = run(project, "python", "stages/check.py", status=2)
    assert output.startswith("error: params.yaml: trian: unknown key (did you mean train?)")
    assert len(output.splitlines()) == 1


def test_a_stage_says_what_it_does_when_asked(project: Path) -> None:
    output = run(project, "python", "stages/train.py", "--help")
    assert "Train one variant" in output
    assert "there is no variant 'bas'" in run(project, "python", "stages/train.py", "bas", status=2)


def test_csv_tables_are_split_learned_from_and_labelled(project: Path, images, labels) -> None:
    columns = [f"pix{number}" for number in range(1, 785)]
    table = pd.DataFrame(images.reshape(400, -1), columns=columns)
    table.assign(label=labels).to_csv(project / "data/raw/train.csv", index=False)
    unlabelled = table[:7].assign(ID=[f"image-{number}" for number in range(7)])
    unlabelled.to_csv(project / "data/raw/evaluate.csv", index=False)
    edit_params(project, lambda params: params["ingest"].update(source="csv"))
    assert stages_run(run(project, "dvc", "repro", "predict")) == {"ingest", "split", "finetune", "predict"}
    results = pd.read_csv(project / "data/predicted/results.csv")
    assert results["ID"].tolist() == [f"image-{number}" for number in range(7)]
    unlabelled[:6].to_csv(project / "data/raw/evaluate.csv", index=False)
    assert stages_run(run(project, "dvc", "repro", "predict")) == {"ingest", "predict"}
    assert len(pd.read_csv(project / "data/predicted/results.csv")) == 6


def test_an_interrupted_training_keeps_the_old_model_and_goes_on_next_time(project: Path) -> None:
    before = checksums(project)
    edit_params(project, train_for_ever)
    pipe = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(["dvc", "repro", "train@base"], cwd=project, env=ENVIRONMENT, **pipe) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("base adam epoch 3"):
                break
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
    assert "train@base: interrupted" in rest
    assert checksums(project) == before
    run(project, "git", "checkout", "params.yaml")
    assert stages_run(run(project, "dvc", "repro")) == set()


def test_a_stage_opens_no_result_that_dvc_yaml_does_not_name_for_it(reproduced: tuple[Path, str]) -> None:
    folder, _ = reproduced
    entries = load_yaml(folder / "dvc.lock")["stages"]
    named = {
        (name, key): [item["path"] for item in entry.get(key, [])]
        for name, entry in entries.items()
        for key in ("deps", "outs")
    }
    opened = {tuple(line.split(" ", 2)) for line in (folder.parent / "opened").read_text().splitlines()}
    assert {stage for stage, _, _ in opened} == set(entries)
    for stage, how, path in opened:
        written = re.sub(r"/\.(.+)\.\d+\.part$", r"/\1", path)
        places = named[stage, "outs" if how == "w" else "deps"]
        assert any(written == place or written.startswith(f"{place}/") for place in places), f"{stage}: {path}"
