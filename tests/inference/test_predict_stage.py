"""data/predicted/results.csv, as the stage `predict` writes it."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fashion.classifier.classifier import Classifier
from fashion.classifier.model_file import save
from fashion.cli import csv_rows
from fashion.files import write_array, write_json
from fashion.inference.predict import predict
from stages import paths
from stages.models.predict import main

PARAMS = SimpleNamespace(finetune=SimpleNamespace(threads=1))


@pytest.fixture(autouse=True)
def project(classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a folder with a model."""
    monkeypatch.chdir(tmp_path)
    save(classifier, paths.model("final"))


def write_unlabelled(images: np.ndarray, ids: list[str], classes: list[str], *, named_in_params: bool) -> None:
    write_array(paths.images(paths.INGESTED, "unlabelled"), images)
    write_array(paths.INGESTED / "unlabelled_ids.npy", np.array(ids, str))
    write_json(paths.ABOUT, {"classes": classes, "named_in_params": named_in_params})


def read_results() -> list[list[str]]:
    with (paths.PREDICTED / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("named_in_params", [True, False])
def test_results_have_the_columns_of_fashion_predict(
    classifier: Classifier, images: np.ndarray, named_in_params: bool
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8)
    framed = classifier.frame.centred(np.concatenate([images[:30], noise])[:, None])
    ids = ["007", "NA", "a,b", *map(str, range(37))]
    write_unlabelled(framed, ids, classifier.classes, named_in_params=named_in_params)
    main(PARAMS)
    header, *rows = read_results()
    names = ["ID", "label", "confidence", "out_of_distribution"]
    assert header == (names if named_in_params else [*names, "class"])
    assert [row[0] for row in rows] == ids
    _, *expected = csv_rows(predict(framed, classifier), probabilities=False)
    for row, (_, label, name, confidence, outlier) in zip(rows, expected, strict=True):
        assert row[1:4] == [str(label), confidence, outlier]
        assert row[4:] == ([] if named_in_params else [name])
    assert "yes" in {row[3] for row in rows}


def test_without_images_to_label_there_is_a_header_and_a_sentence(
    classifier: Classifier, capsys: pytest.CaptureFixture
) -> None:
    write_unlabelled(classifier.frame.empty(0), [], classifier.classes, named_in_params=True)
    main(PARAMS)
    assert read_results() == [["ID", "label", "confidence", "out_of_distribution"]]
    assert "there are no images to label" in capsys.readouterr().out


def test_images_are_read_in_parts_and_labelled_as_all_at_once(
    classifier: Classifier, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    framed = classifier.frame.centred(np.resize(images, (2100, 28, 28))[:, None])
    write_unlabelled(framed, [*map(str, range(2100))], classifier.classes, named_in_params=True)
    numbers, logits = [], Classifier.logits

    def count(classifier: Classifier, images: np.ndarray, *arguments: object) -> torch.Tensor:
        numbers.append(len(images))
        return logits(classifier, images, *arguments)

    monkeypatch.setattr(Classifier, "logits", count)
    main(PARAMS)
    at_once = read_results()
    monkeypatch.setattr("stages.models.predict.BATCHES", 1)
    main(PARAMS)
    assert read_results() == at_once
    assert numbers == [2100, 1000, 1000, 100]
