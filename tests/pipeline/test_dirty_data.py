"""Follow the guide's part on few, uneven and dirty images with a data set that has each of the faults."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from clone import edit_params, make_clone_without_images, run

CLASSES = ("boot", "shirt", "trouser")  # 9, 6 and 1 in Fashion-MNIST
SIZES = (40, 36, 12)
SWAPPED = ("train/shirt/boot_22.png", "train/boot/shirt_34.png")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray, labels: np.ndarray) -> Path:
    """Give a clone with few images of three classes, and with each fault of the guide."""
    folder = make_clone_without_images(tmp_path_factory.mktemp("dirty") / "project")
    raw = folder / "data/raw"
    for name, label, size in zip(CLASSES, (9, 6, 1), SIZES, strict=True):
        for number, image in enumerate(images[labels == label][:size, 0]):
            save(image, raw / f"train/{name}/{name}_{number}.png")
    for path in SWAPPED:  # a wrong label
        name = Path(path).stem.split("_")[0]
        (raw / f"train/{name}/{Path(path).name}").rename(raw / path)
    boots, shirts, trousers = (images[labels == label][:, 0] for label in (9, 6, 1))
    save(boots[0], raw / "train/boot/again.png")
    save(shirts[0], raw / "train/trouser/both.png")
    Image.fromarray(shirts[1]).save(raw / "train/shirt/saved_again.jpg", quality=60)
    save(np.full((28, 28), 7, np.uint8), raw / "train/boot/blank.png")
    save(shirts[2] // 16, raw / "train/shirt/night.png")
    Image.fromarray(trousers[3]).resize((28, 90)).save(raw / "train/trouser/tall.png")
    Image.fromarray(boots[39]).filter(ImageFilter.GaussianBlur(4)).save(raw / "train/boot/blurred.png")
    save(images[labels == 8][0, 0], raw / "train/bag/only.png")
    save(boots[1], raw / "evaluate/known.png")
    return folder


def save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def rows_of(project: Path, name: str) -> list[dict[str, str]]:
    with (project / f"data/audit/{name}.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.pipeline
def test_the_faults_of_a_data_set_are_told_set_right_and_found(project: Path) -> None:
    output = run(project, "python", "-m", "fashion", "init")
    assert "set split.folds: 5, since " in output
    assert "set choose_by: balanced_accuracy, since " in output
    assert "set ingest.min_class_size: 4 in params.yaml to leave out bag (1)\n" in output
    assert "train/shirt/shirt_0.png = train/trouser/both.png" in output
    assert "class 'bag' has 1 labelled image and needs 4" in run(project, "abreast", "repro", "split", status=1)

    def change(params: dict) -> None:
        params["ingest"]["min_class_size"] = 4
        params["audit"]["fail_on"] = ["contradictions"]
        params["finetune"].update(max_epochs=60, threads=1)
        params["model"]["sizes"]["small"]["arguments"]["channels"] = [16, 32, 32]

    edit_params(project, change)
    output = run(project, "abreast", "repro", "audit", status=1)
    (note, *_) = json.loads((project / "data/ingested/notes.json").read_text())
    assert note.startswith("left out, since they have fewer than 4 labelled images (ingest.min_class_size): bag (1)")
    assert "there is 1 contradiction, train/shirt/shirt_0.png = train/trouser/both.png" in output
    (project / "data/raw/train/trouser/both.png").unlink()
    run(project, "abreast", "repro", "audit")
    copies = {(row["problem"], row["file"], row["other_file"]) for row in rows_of(project, "copies")}
    assert ("repeated", "train/boot/again.png", "train/boot/boot_0.png") in copies
    assert ("known", "train/boot/boot_1.png", "evaluate/known.png") in copies
    near = [row for row in copies if "train/shirt/saved_again.jpg" in row]
    assert near[0][0] in ("leak", "repeated")
    faults = {(row["file"], row["problem"]) for row in rows_of(project, "images")}
    assert faults >= {
        ("train/boot/blank.png", "blank"),
        ("train/shirt/night.png", "dark"),
        ("train/trouser/tall.png", "odd shape"),
        ("train/boot/blurred.png", "blurred"),
    }

    edit_params(project, lambda params: params["split"].update(near_duplicates="group", group_from="([a-z]+_\\d)"))
    run(project, "abreast", "repro", "audit_labels", "show_audit")
    copies = {(row["problem"], row["file"], row["other_file"]) for row in rows_of(project, "copies")}
    assert all("leak" not in row for row in copies)
    summary = json.loads((project / "plots/audit/summary.json").read_text())
    assert 0 < summary["kept_together"] < 0.2
    with (project / "data/split/samples.csv").open() as file:
        samples = list(csv.DictReader(file))
    parts = {}
    for sample in samples:
        parts.setdefault(sample["group"], set()).add(sample["part"])
    assert all(len(of_group) == 1 for of_group in parts.values())
    (group,) = (sample["group"] for sample in samples if sample["file"] == "train/shirt/shirt_1.png")
    together = {sample["file"] for sample in samples if sample["group"] == group}
    assert {"train/shirt/saved_again.jpg", *(f"train/shirt/shirt_{number}.png" for number in (10, 15, 19))} <= together
    wrong = [row["file"] for row in rows_of(project, "labels")]
    assert set(SWAPPED) <= set(wrong)
