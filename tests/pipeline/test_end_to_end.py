"""Run the whole pipeline on 400 real images by the commands of a user, in a clone."""

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

from abreast.run import history
from clone import ENVIRONMENT, SYSTEMS, checksums, edit_params, run, train_forever
from dvc_project import ran, stages_run
from fashion.settings.parsing import load_yaml

NEW_VARIANT = (
    "{family: mlp, arguments: {hidden: [32]}, image_folder: split, input: {size: 28, scaling: unit}, batch_size: 50, "
    "phases: {adam: {optimizer: adam, lr: 0.01, max_epochs: 2}}}"
)
FINAL_STAGES = {
    *("finetune", "evaluate_final", "compare", "predict", "show_predictions", "cross_fit", "audit_labels"),
}
SYSTEM_STAGES = {"compare", "describe", "show_systems", "show_groups", "report"}  # depend on every variant


def test_a_clone_runs_every_stage_and_writes_all_results(reproduced: tuple[Path, str]) -> None:
    folder, output = reproduced
    stages = {"ingest", "split", "audit", "augment", "show_audit", "show_data", *FINAL_STAGES, *SYSTEM_STAGES}
    stages |= {f"{stage}@{name}" for stage in ("train", "evaluate") for name in SYSTEMS if name != "final"}
    assert ran(output) == stages
    assert set(load_yaml(folder / "dvc.lock")["stages"]) == stages, "an entry is lost when eight stages run at a time"
    variants = json.loads((folder / "metrics/variants.json").read_text())
    assert set(variants) == set(SYSTEMS)
    assert all({"parameters", "epochs", "val_accuracy", "test_accuracy"} <= set(row) for row in variants.values())
    summary = json.loads((folder / "metrics/summary.json").read_text())
    keys = ("val_accuracy", "test_accuracy", "macro_f1")
    assert summary == {name: {key: row[key] for key in keys} for name, row in variants.items()}
    files = {path.stem: json.loads(path.read_text()) for path in (folder / "metrics/systems").iterdir()}
    assert files == summary
    assert variants["base"]["parameters"] == 624_778
    assert variants["final"]["epochs"] == 4
    final = json.loads((folder / "metrics/final.json").read_text())
    assert final["test_accuracy"] == variants["final"]["test_accuracy"]
    assert set(final["per_class"]) >= {"Bag", "Ankle boot"}
    curves = pd.read_csv(folder / "plots/learning_curves.csv")
    assert set(curves["variant"]) == set(SYSTEMS)
    results = pd.read_csv(folder / "data/predicted/results.csv")
    assert results.columns.tolist() == ["ID", "label", "confidence", "out_of_distribution"]
    assert results["ID"].tolist() == list(range(100))
    assert results["confidence"].between(0.1, 1).all()
    confusion = pd.read_csv(folder / "plots/confusion.csv")
    assert (confusion["actual"] == confusion["predicted"]).mean() == pytest.approx(final["test_accuracy"])
    numbers = {name: number for number, name in enumerate(YAML().load(folder / "params.yaml")["classes"])}
    assert results["label"].tolist() == confusion["predicted"].map(numbers).tolist()  # both of the test images


def test_test_images_with_a_copy_in_another_part_are_left_out_of_a_second_accuracy(
    reproduced: tuple[Path, str],
) -> None:
    folder = reproduced[0]
    copies, samples = (pd.read_csv(folder / f"data/{name}.csv") for name in ("audit/copies", "split/samples"))
    across = copies[copies["problem"].isin(["leak", "contradiction"]) & (copies["part"] != copies["other_part"])]
    copied = samples.loc[samples["part"] == "test", "file"].isin([*across["file"], *across["other_file"]])
    confusion = pd.read_csv(folder / "plots/confusion.csv")
    right = (confusion["actual"] == confusion["predicted"])[~copied.to_numpy()]
    without = json.loads((folder / "metrics/final.json").read_text())["without_copies"]
    assert without == {"images": len(right), "test_accuracy": pytest.approx(right.mean())}


def test_tables_of_samples_have_a_row_for_each_image_with_its_file(reproduced: tuple[Path, str]) -> None:
    data = reproduced[0] / "data"
    ingested = pd.read_csv(data / "ingested/samples.csv")
    assert ingested["part"].value_counts().to_dict() == {"labelled": 400, "test": 100, "unlabelled": 100}
    assert ingested["file"].iloc[[0, 400, 599]].str.replace(r"\.gz", "", regex=True).tolist() == [
        "train-images-idx3-ubyte:0",
        "t10k-images-idx3-ubyte:0",
        "t10k-images-idx3-ubyte:99",
    ]
    split = pd.read_csv(data / "split/samples.csv")
    names = YAML(typ="safe").load(reproduced[0] / "params.yaml")["classes"]
    assert split["part"].value_counts().to_dict() == {"train": 300, "validation": 100, "test": 100}
    for array, rows in (("labelled", split[split["part"] != "test"]), ("test", split[split["part"] == "test"])):
        labels, images = (np.load(data / f"split/{array}_{content}.npy") for content in ("labels", "images"))
        assert rows["class"].tolist() == [names[label] for label in labels]
        assert images.shape == (len(rows), 1, 32, 32)


def test_a_run_leaves_no_temporary_and_no_untracked_file(reproduced: tuple[Path, str]) -> None:
    folder, _ = reproduced
    assert not list(folder.rglob("*.part"))
    assert run(folder, "git", "status", "--porcelain") == ""


def test_a_second_repro_runs_no_stage(project: Path) -> None:
    assert stages_run(run(project, "dvc", "repro")) == set()


def test_dvc_repro_writes_the_same_bytes_as_abreast(project: Path) -> None:
    before, lock = checksums(project), (project / "dvc.lock").read_text()
    stages = ["ingest", "split", "train@base_cnn", "evaluate@base_cnn", "finetune", "compare", "show_systems", "report"]
    output = run(project, "dvc", "repro", "--force", "--no-run-cache", "--single-item", *stages)
    assert stages_run(output) == set(stages)
    assert checksums(project) == before
    assert (project / "dvc.lock").read_text() == lock


def test_each_copy_of_an_image_has_its_label(reproduced: tuple[Path, str]) -> None:
    data = reproduced[0] / "data"
    images, labels = (np.load(data / f"split/labelled_{array}.npy") for array in ("images", "labels"))
    copies, copy_labels = (np.load(data / f"augmented/labelled_{array}.npy") for array in ("images", "labels"))
    for number in range(4):
        np.testing.assert_array_equal(copy_labels[number::4], labels)
    np.testing.assert_array_equal(copies[::4], images)


def test_another_device_name_and_decompressed_raw_files_make_no_stage_stale(project: Path) -> None:
    for path in (project / "data/raw").glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert stages_run(run(project, "dvc", "repro", environment={"FASHION_DEVICE": "cpu:0"})) == set()


def test_a_variant_is_trained_and_evaluated_in_bf16_on_any_processor(project: Path) -> None:
    run(project, "dvc", "repro", "--single-item", "train@mlp_200", "evaluate@mlp_200")
    edit_params(project, lambda params: params["train"].update(precision="bf16"))
    run(project, "dvc", "repro", "--single-item", "train@mlp_200", "evaluate@mlp_200")
    metrics = json.loads((project / "data/evaluated/mlp_200.json").read_text())
    assert metrics["environment"]["precision"] == "bf16"
    assert metrics["val_accuracy"] > 0.3


def test_a_variant_name_with_a_shell_command_is_refused_and_not_run(project: Path) -> None:
    name = "a; touch broken_out;"
    edit_params(project, lambda params: params["variants"].update({name: params["variants"].pop("keras_2")}))
    output = run(project, "dvc", "repro", status=None)
    assert f"error: params.yaml: variants.{name}: not a usable name" in output
    assert not (project / "broken_out").exists()


def test_an_exception_in_a_stage_keeps_the_old_results(project: Path) -> None:
    before = checksums(project)
    family = project / "src/fashion/networks/families/mlp.py"
    family.write_text(family.read_text().replace("layers: list[nn.Module] = [", "raise AssertionError  # "))
    for stage in ("train@base", "describe"):  # with files and with a folder as outputs
        assert "AssertionError" in run(project, "dvc", "repro", "--single-item", stage, status=None)
    assert checksums(project) == before


def test_another_learning_rate_runs_its_variant_and_the_stages_that_depend_on_it(project: Path) -> None:
    def change(params: dict) -> None:
        params["variants"]["base"]["phases"]["adam"]["lr"] = 0.002

    edit_params(project, change)
    assert ran(run(project, "abreast", "repro")) == {"train@base", "evaluate@base", *SYSTEM_STAGES}
    run(project, "git", "checkout", "params.yaml")
    run(project, "abreast", "repro")
    outcomes = {record.stage: record.outcome for record in history.read(project)}
    assert outcomes["train@base"] == "cached", "the old learning rate is trained again"


def test_an_edited_family_makes_only_its_systems_stale(project: Path) -> None:
    with (project / "src/fashion/networks/families/mlp.py").open("a") as file:
        file.write("# edited\n")
    stages = {f"{stage}@{name}" for stage in ("train", "evaluate") for name in ("base", "mlp_200")} | {"describe"}
    assert stages_run(run(project, "dvc", "repro", "--dry")) == stages


def test_an_edited_optimiser_makes_all_trainings_stale_and_no_evaluation_or_prediction(project: Path) -> None:
    with (project / "src/fashion/training/optimizers.py").open("a") as file:
        file.write("# edited\n")
    trainings = {f"train@{name}" for name in SYSTEMS if name != "final"} | {"finetune", "cross_fit"}
    assert stages_run(run(project, "dvc", "repro", "--dry")) == trainings


def test_plots_are_rendered_from_the_templates_of_the_project(project: Path) -> None:
    run(project, "dvc", "plots", "show")
    page = (project / "dvc_plots/index.html").read_text()
    for title in ("Loss by epoch", "Accuracy by epoch", "Best validation accuracy", "Confusion of the final", "ROC of"):
        assert title in page
    assert "<DVC_METRIC" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page), "the page loads something from the network"


def test_an_entry_in_params_yaml_is_enough_to_add_a_variant(project: Path) -> None:
    output = run(project, "dvc", "exp", "run", "-S", f"+variants.mine={NEW_VARIANT}")
    assert stages_run(output) == {"train@mine", "evaluate@mine", *SYSTEM_STAGES}
    assert json.loads((project / "metrics/variants.json").read_text())["mine"]["epochs"] == 2


def test_a_variant_removed_from_params_yaml_is_removed_from_the_results(project: Path) -> None:
    edit_params(project, lambda params: params["variants"].pop("keras_2"))
    assert ran(run(project, "abreast", "repro")) == SYSTEM_STAGES
    assert set(json.loads((project / "metrics/variants.json").read_text())) == set(SYSTEMS) - {"keras_2"}
    assert not (project / "data/evaluated/keras_2.json").exists()
    assert not (project / "plots/systems/keras_2.svg").exists()
    assert run(project, "abreast", "repro") == "Everything is up to date.\n"


def test_the_lock_is_fresh_in_a_new_clone_without_data(project: Path, tmp_path: Path) -> None:
    run(tmp_path, "git", "clone", "--quiet", str(project), "clone")
    assert stages_run(run(tmp_path / "clone", "dvc", "repro", "--dry", "--allow-missing")) == set()

    def change(params: dict) -> None:
        params["variants"]["base"]["batch_size"] = 128

    edit_params(tmp_path / "clone", change)
    assert "train@base" in run(tmp_path / "clone", "dvc", "repro", "--dry", "--allow-missing", status=255)


@pytest.mark.parametrize(
    ("section", "key", "value", "error"),
    [
        ("model", "dropout", 1.5, "error: params.yaml: model.dropout: 1.5 is out of range"),
        ("augment", "crop", 14, "error: params.yaml: augment.crop: 14 leaves 4 of 32 pixels a side"),
        ("split", "validation", 400, "error: params.yaml: split.validation: 400 of 400 labelled images"),
    ],
)
def test_an_invalid_setting_is_refused_without_a_traceback_and_changes_no_file(
    project: Path, section: str, key: str, value: object, error: str
) -> None:
    before = checksums(project)
    edit_params(project, lambda params: params[section].update({key: value}))
    output = run(project, "dvc", "repro", status=None)
    assert error in output
    assert "Traceback" not in output
    assert checksums(project) == before


def test_a_network_that_does_not_fit_its_images_is_refused_and_the_old_model_kept(project: Path) -> None:
    before = checksums(project)
    edit_params(project, lambda params: params["variants"]["base_cnn"]["arguments"].update(kernels=[3, 40]))
    output = run(project, "dvc", "repro", status=None)
    assert "error: params.yaml: variants.base_cnn: convolution 2: kernel 40" in output
    after = checksums(project)
    assert [path for path in before if after[path] != before[path]] in ([], ["data/layers/base_cnn.json"])


def test_an_unknown_key_is_an_error_of_one_line_with_status_2(project: Path) -> None:
    edit_params(project, lambda params: params.update(trian=1))
    output = run(project, "python", "-m", "tools.check", status=2)
    assert output.startswith("error: params.yaml: trian: unknown key (did you mean train?)")
    assert len(output.splitlines()) == 1


def test_a_script_describes_itself_and_refuses_an_unknown_variant(project: Path) -> None:
    output = run(project, "python", "-m", "stages.models.train", "--help")
    assert "Train a system" in output
    assert "there is no variant 'bas'" in run(project, "python", "-m", "stages.models.train", "bas", status=2)


def test_a_model_is_trained_on_csv_tables_and_labels_a_table(project: Path, images, labels) -> None:
    columns = [f"pix{number}" for number in range(1, 785)]
    table = pd.DataFrame(images.reshape(400, -1), columns=columns)
    table.assign(label=labels).to_csv(project / "data/raw/train.csv", index=False)
    unlabelled = table[:7].assign(ID=[f"image-{number}" for number in range(7)])
    unlabelled.to_csv(project / "data/raw/evaluate.csv", index=False)

    def change(params: dict) -> None:
        params["ingest"]["source"] = "csv"
        params["split"]["scheme"] = "fractions"

    edit_params(project, change)
    assert ran(run(project, "abreast", "repro", "predict")) == {"ingest", "split", "finetune", "predict"}
    results = pd.read_csv(project / "data/predicted/results.csv")
    assert results["ID"].tolist() == [f"image-{number}" for number in range(7)]
    unlabelled[:6].to_csv(project / "data/raw/evaluate.csv", index=False)
    output = run(project, "abreast", "repro", "predict")
    assert ran(output) == {"ingest", "split", "predict"}, "images to be labelled are no reason to train again"
    assert len(pd.read_csv(project / "data/predicted/results.csv")) == 6


def test_an_interrupted_training_keeps_the_old_results_and_leaves_them_fresh(project: Path) -> None:
    before = checksums(project)
    edit_params(project, train_forever)
    pipe = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(["dvc", "repro", "train@base"], cwd=project, env=ENVIRONMENT, **pipe) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("base adam epoch 3"):
                break
        os.killpg(process.pid, signal.SIGINT)
        errors = process.stderr.read()
    assert "train@base: interrupted" in errors
    assert checksums(project) == before
    run(project, "git", "checkout", "params.yaml")
    assert stages_run(run(project, "dvc", "repro")) == set()


def test_a_stage_opens_only_results_that_dvc_yaml_lists_for_it(reproduced: tuple[Path, str]) -> None:
    folder, _ = reproduced
    entries = load_yaml(folder / "dvc.lock")["stages"]
    listed = {
        (name, key): [item["path"] for item in entry.get(key, [])]
        for name, entry in entries.items()
        for key in ("deps", "outs")
    }
    opened = {tuple(line.split(" ", 2)) for line in (folder.parent / "opened").read_text().splitlines()}
    assert {stage for stage, _, _ in opened} == set(entries)

    def is_listed(stage: str, mode: str, path: str) -> bool:
        final_path = re.sub(r"/\.(.+)\.\d+\.part$", r"/\1", path)  # a temporary file is renamed to it
        items = listed[stage, "outs" if mode == "w" else "deps"]
        return any(final_path == item or final_path.startswith(f"{item}/") for item in items)

    assert [" ".join(line) for line in sorted(opened) if not is_listed(*line)] == []
