import numpy as np
import pytest
import torch

from fashion.training.learning import Labelled, learn
from small import CLASSES, fit, quiet, settings, system


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_learns_from_real_images(train: Labelled, validation: Labelled, precision: str) -> None:
    _, history = fit(train, validation, system(), settings(precision=precision, max_epochs=8))
    assert [row["epoch"] for row in history] == list(range(1, 9))
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert max(row["val_accuracy"] for row in history) > 0.5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_settings_give_the_same_bits(
    train: Labelled, validation: Labelled, precision: str, threads: int
) -> None:
    how = settings(precision=precision, threads=threads)
    (first, first_rows), (second, second_rows) = (fit(train, validation, system(), how) for _ in range(2))
    assert first_rows == second_rows
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_seed_gives_other_weights(train: Labelled, validation: Labelled) -> None:
    first, second = (fit(train, validation, system(), settings(seed=seed))[0] for seed in (0, 1))
    assert not torch.equal(first["0.weight"], second["0.weight"])


def test_the_model_is_left_with_its_best_epoch(train: Labelled, validation: Labelled) -> None:
    wild = system(phases={"sgd": {"optimizer": "sgd", "lr": 0.5, "momentum": 0.9, "max_epochs": 8}})
    classifier, history = learn(wild, settings(), train, validation, classes=CLASSES, callbacks=quiet())
    best = max(row["val_accuracy"] for row in history)
    predicted = classifier.log_probabilities(validation.images, torch.device("cpu")).argmax(1).numpy()
    assert np.mean(predicted == validation.labels) == pytest.approx(best)


def test_a_diverging_training_is_refused_with_its_learning_rate(train: Labelled, validation: Labelled) -> None:
    phases = {"sgd": {"optimizer": "sgd", "lr": 1e30, "max_epochs": 2}}
    with pytest.raises(ValueError, match=r"phases.sgd.lr: with 1e\+30 the loss is not finite; take a lower rate"):
        fit(train, validation, system(phases=phases), settings())


def test_max_epochs_of_the_settings_replaces_that_of_every_phase(train: Labelled, validation: Labelled) -> None:
    phase = {"optimizer": "adam", "lr": 0.01, "max_epochs": 9}
    _, history = fit(train, validation, system(phases={"a": phase, "b": phase}), settings(max_epochs=1))
    assert [row["phase"] for row in history] == ["a", "b"]


def test_every_way_of_learning_together_gives_the_same_bits_again(train: Labelled, validation: Labelled) -> None:
    phase = {
        **{"optimizer": "sgd", "lr": 0.05, "schedule": "triangle", "momentum": 0.9, "nesterov": True, "max_epochs": 8},
        **{"bias_rate": 4, "weight_decay": 1e-3, "label_smoothing": 0.1, "average": 3},
        "augmentation": {"shift": 2, "flip": True, "cutout": 6},
        "pruning": {"easy": 0.8, "drop": 0.5, "full": 0.125},
    }
    (first, rows), (second, again) = (fit(train, validation, system(phases={"a": phase}), settings()) for _ in range(2))
    assert rows == again
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]


EVERYTHING = {
    **{"optimizer": "sgd", "lr": 0.05, "schedule": "triangle", "momentum": 0.9, "max_epochs": 3},
    **{"bias_rate": 4, "weight_decay": 1e-3, "label_smoothing": 0.1, "average": 3},
    "augmentation": {"shift": 2, "flip": True, "cutout": 6},
    "pruning": {"easy": 0.8, "drop": 0.5, "full": 0.125},
}
OTHERWISE = {"optimizer": "adam", "nesterov": True}  # for what cannot be left out; all else as if it were not there


@pytest.mark.parametrize("key", [*sorted({*EVERYTHING} - {"lr", "max_epochs"}), "nesterov"])
def test_each_setting_of_a_phase_has_its_part_in_what_is_learned(
    key: str, train: Labelled, validation: Labelled
) -> None:
    other = {name: value for name, value in EVERYTHING.items() if name != key}
    other |= {key: OTHERWISE[key]} if key in OTHERWISE else {}
    (first, _), (second, _) = (
        fit(train, validation, system(phases={"a": phase}), settings()) for phase in (EVERYTHING, other)
    )
    assert not torch.equal(first["0.weight"], second["0.weight"])


def test_adam_has_its_weight_decay(train: Labelled, validation: Labelled) -> None:
    adam = {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}
    (plain, _), (decayed, _) = (
        fit(train, validation, system(phases={"adam": phase}), settings())
        for phase in (adam, {**adam, "weight_decay": 0.1})
    )
    assert decayed["0.weight"].norm() < plain["0.weight"].norm()


def test_a_network_that_looks_at_images_has_seen_those_of_the_training(train: Labelled, validation: Labelled) -> None:
    what = system(family="whitened_cnn", arguments={"channels": [8]}, input={"size": 28, "scaling": "standard"})
    classifier, _ = learn(what, settings(max_epochs=1), train, validation, classes=CLASSES, callbacks=quiet())
    model = classifier.model
    assert isinstance(model, torch.nn.Sequential)
    whitened = model[0](classifier.preparation(torch.tensor(train.images)))[:, :4].transpose(0, 1).flatten(1)
    variances = (whitened @ whitened.T / whitened.shape[1]).diagonal()
    assert variances.tolist() == pytest.approx([1] * 4, abs=0.05)


def test_small_images_in_a_wide_margin_fill_the_input_of_a_network_that_takes_them_as_they_are(
    train: Labelled, validation: Labelled
) -> None:
    what = system(family="mlp", arguments={"hidden": []}, input={"size": "auto", "scaling": "unit"})
    how = settings(max_epochs=1)
    classifier, _ = learn(what, how, train, validation, classes=CLASSES, content=8, callbacks=quiet())
    assert (classifier.preparation.size, classifier.preparation.content) == (24, 8)


def test_one_training_image_is_refused(train: Labelled, validation: Labelled) -> None:
    with pytest.raises(ValueError, match="at least 2 training images are needed, not 1"):
        fit(Labelled(train.images[:1], train.labels[:1]), validation, system(), settings())
