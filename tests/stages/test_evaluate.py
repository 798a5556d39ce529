"""Score a system: by which classifiers, with which temperatures, and on some images where all would take too long."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion.classifier.ensemble import Ensemble
from fashion.files import read_json, write_array, write_rows
from fashion.images.out_of_distribution import ood_images
from fashion.images.parts import Part
from fashion.results.metrics import calibration, roc_auc
from small import make_classifier
from stages import paths
from stages.models.evaluate import HeldOut, evaluate, evenly_spaced, out_of_distribution

CPU = torch.device("cpu")


@pytest.mark.parametrize(("count", "total", "expected"), [(3, 9, [0, 3, 6]), (2, 5, [0, 2]), (5, 2, [0, 1])])
def test_chosen_images_are_evenly_spaced(count: int, total: int, expected: list[int]) -> None:
    assert evenly_spaced(count, total).tolist() == expected


def test_images_sorted_by_class_are_chosen_from_all_classes() -> None:
    labels = np.repeat(range(10), 1000)
    assert np.bincount(labels[evenly_spaced(2000, len(labels))]).tolist() == [200] * 10


@pytest.fixture
def ensemble(images: np.ndarray) -> Ensemble:
    """Give two members with temperatures and thresholds of their own, and a refit without a temperature."""
    classifiers = []
    for temperature, threshold in ((0.5, 0.0), (0.8, 3.0), (1.0, -50.0)):
        classifiers.append(replace(make_classifier(images), temperature=temperature, threshold=threshold))
    return Ensemble(classifiers[:2], classifiers[2])


@pytest.fixture
def two(labels: np.ndarray) -> np.ndarray:
    return (labels % 2).astype(np.uint8)


def write_split(images: np.ndarray, labels: np.ndarray, *, in_folds: bool) -> np.ndarray:
    """Write data/split of two folds, and the history of a system; give the member that predicts each test image."""
    members = np.arange(len(images)) % 3 // 2
    parts = np.where(members == np.arange(2)[:, None], Part.TEST if in_folds else Part.VALIDATION, Part.TRAIN)
    parts[(parts == Part.TRAIN) & (np.arange(len(images)) % 4 == 0)] = Part.VALIDATION
    write_array(paths.PARTS, parts.astype(np.uint8))
    for name in ("labelled", "test"):
        write_array(paths.images(paths.SPLIT, name), images)
        write_array(paths.labels(paths.SPLIT, name), labels)
    write_rows(paths.history("base"), [{"epoch": 1, "train_accuracy": 0.5, "best": True}])
    return members


def test_with_folds_calibration_is_that_of_the_members_that_predict_the_test_images(
    ensemble: Ensemble, images: np.ndarray, two: np.ndarray, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # type: ignore[arg-type]
    members = write_split(images, two, in_folds=True)
    evaluate("base", ensemble, CPU)
    logits = torch.stack([member.logits(images, CPU) for member in ensemble.members])[members, np.arange(len(images))]
    temperatures = torch.tensor([0.5, 0.8])[members][:, None]
    before, after = (scores.log_softmax(1).numpy() for scores in (logits, logits / temperatures))
    written = read_json(paths.scores("base"))["calibration"]
    assert written["temperatures"] == [0.5, 0.8]
    assert written["temperature"] == pytest.approx(0.65)
    expected = calibration(two, before, after, [0.5, 0.8])
    for when in ("before", "after"):
        for row, expected_row in zip(written[when]["bins"], expected[when]["bins"], strict=True):
            assert row == pytest.approx(expected_row, abs=1e-5)
    assert written["before"]["bins"] != written["after"]["bins"]


def test_with_an_official_test_set_calibration_is_that_of_the_refit(
    ensemble: Ensemble, images: np.ndarray, two: np.ndarray, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # type: ignore[arg-type]
    write_split(images, two, in_folds=False)
    evaluate("base", ensemble, CPU)
    written = read_json(paths.scores("base"))["calibration"]
    assert written["temperatures"] == [1.0]


@pytest.mark.parametrize("by_members", [True, False])
def test_other_images_are_scored_by_the_classifiers_that_score_the_test_images(
    by_members: bool, ensemble: Ensemble, images: np.ndarray, two: np.ndarray
) -> None:
    test = HeldOut(images, two, np.arange(len(images)) % 2 if by_members else None).predict(ensemble, CPU)
    rows = out_of_distribution(ensemble, CPU, test, by_members=by_members)
    noise = ood_images(ensemble.frame)["noise"]
    turns = np.arange(len(noise)) % 2
    other = ensemble.predict_with(turns, noise, CPU) if by_members else ensemble.predict(noise, CPU)
    row = next(row for row in rows if row["images"] == "noise")
    assert row["warned_of"] == float(other.out_of_distribution.mean())
    is_test = np.repeat([True, False], [len(images), len(noise)])
    assert row["roc_auc"] == roc_auc(is_test, torch.cat([test.margins, other.margins]).numpy())
    assert (row["warned_of"] == 0) == (not by_members), "the threshold of the refit is very low"
