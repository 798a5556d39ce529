from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fashion.classifier.preparation import Preparation
from fashion.settings.model import Phase, SamplePruning
from fashion.training.callbacks import Callback
from fashion.training.phase_state import batches
from fashion.training.train import TrainingData, train_classifier
from fashion.training.trainer import Examples, Score, evaluate
from small import fit, make_settings, make_system, make_trainer


class Recorder(nn.Module):
    """Gives the same logits for all images, and records the batches that it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(10))
        self.batches: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.batches.append(images)
        return self.logits.expand(len(images), 10)


class ClassZero(Recorder):
    """Predicts class 0 for every image: the 40 of 400 images of this class have the lowest losses."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([1.0] + [0.0] * 9))


def test_each_epoch_shows_every_image_once_in_a_new_order(images: np.ndarray, labels: np.ndarray) -> None:
    model = Recorder()
    make_trainer(model, images, labels, 100).fit({"sgd": Phase(optimizer="sgd", lr=0.1, max_epochs=2)})
    stored = torch.tensor(images).float().div(255).flatten(1)
    indices = [torch.cdist(batch.flatten(1), stored).argmin(1) for batch in model.batches]
    first, second = torch.cat(indices[:4]).tolist(), torch.cat(indices[4:]).tolist()
    assert sorted(first) == sorted(second) == list(range(400))
    assert first != second
    assert first != list(range(400))


@pytest.mark.parametrize(
    ("num_examples", "batch_size", "expected"),
    [
        (100, 32, [25, 25, 25, 25]),
        (64, 32, [32, 32]),
        (65, 32, [21, 22, 22]),
        (312, 311, [156, 156]),  # a last batch of two images cost ten points of validation accuracy
        (3, 2, [3]),  # BatchNorm has no variance of one image
        (5, 2, [2, 3]),
        (3, 1, [1, 1, 1]),  # a batch size of 1 is allowed
        (1, 32, [1]),
    ],
)
def test_batches_have_nearly_equal_sizes(num_examples: int, batch_size: int, expected: list[int]) -> None:
    assert [len(range(num_examples)[batch]) for batch in batches(num_examples, batch_size)] == expected


@settings(database=None, derandomize=True, deadline=None)
@given(num_examples=st.integers(2, 5000), batch_size=st.integers(1, 5000))
def test_batches_never_leave_a_few_examples_over(num_examples: int, batch_size: int) -> None:
    cut = batches(num_examples, batch_size)
    sizes = [len(range(num_examples)[batch]) for batch in cut]
    assert [number for batch in cut for number in range(num_examples)[batch]] == list(range(num_examples))
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= max(batch_size, 3)
    assert min(sizes) >= min(2, batch_size)
    assert min(sizes) > batch_size / 2 - 1 or len(sizes) == 1


def test_a_phase_stops_when_patience_runs_out_and_the_next_starts_from_the_best_weights(data: TrainingData) -> None:
    frozen = {"optimizer": "sgd", "lr": 1e-30, "max_epochs": 9, "patience": 2}
    phases = {"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}, "frozen": frozen}
    _, history = fit(data, make_system(phases=phases), make_settings())
    assert [row["phase"] for row in history] == ["adam"] * 2 + ["frozen"] * 2
    best = max(history[:2], key=lambda row: row["val_accuracy"])
    assert history[2]["val_accuracy"] == best["val_accuracy"]


def test_a_phase_is_validated_every_few_epochs_and_at_its_end(data: TrainingData) -> None:
    phase = {"optimizer": "adam", "lr": 0.01, "max_epochs": 7, "validate_every": 3}
    _, history = fit(data, make_system(phases={"a": phase, "b": phase}), make_settings())
    assert [row["epoch"] for row in history] == [3, 6, 7, 10, 13, 14]


def test_patience_counts_from_the_last_better_validation(
    images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.4])
    monkeypatch.setattr("fashion.training.trainer.evaluate", lambda *_: Score(1.0, next(accuracies)))
    phase = Phase(optimizer="sgd", lr=0.1, max_epochs=7, patience=2)
    history = make_trainer(Recorder(), images, labels, 400).fit({"sgd": phase})
    assert [row["val_accuracy"] for row in history] == [0.1, 0.2, 0.2, 0.3, 0.3, 0.3]


class CallRecorder(Callback):
    """Records the arguments of all calls, in their order."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_batch(self, phase: str, epoch: int, done: int, num_images: int) -> None:
        self.calls.append((phase, epoch, done, num_images))

    def on_validation(self, row: dict[str, Any]) -> None:
        self.calls.append(("validation", row))

    def on_epoch(self, state: dict[str, Any]) -> None:
        self.calls.append(("epoch", state["phase"], state["epochs_done"]))


def test_callbacks_are_called_after_each_batch_each_validation_and_each_epoch(
    images: np.ndarray, labels: np.ndarray
) -> None:
    recorders = [CallRecorder(), CallRecorder()]
    trainer = make_trainer(Recorder(), images, labels, 150, callbacks=recorders)
    history = trainer.fit({"sgd": Phase(optimizer="sgd", lr=0.1, max_epochs=3, validate_every=2)})
    assert [row["epoch"] for row in history] == [2, 3]
    epochs = [[("sgd", epoch, done, 400) for done in (133, 266, 400)] for epoch in range(3)]
    assert recorders[0].calls == [
        *epochs[0],
        ("epoch", "sgd", 1),
        *epochs[1],
        ("validation", history[0]),
        ("epoch", "sgd", 2),
        *epochs[2],
        ("validation", history[1]),
        ("epoch", "sgd", 3),
    ]
    assert recorders[1].calls == recorders[0].calls


def test_the_training_score_is_the_mean_over_all_examples(images: np.ndarray, labels: np.ndarray) -> None:
    """In batches of 133, 133 and 134, of a network that is correct on 40 of 400 images."""
    row = make_trainer(ClassZero(), images, labels, 150).fit({"sgd": Phase(optimizer="sgd", lr=1e-9, max_epochs=1)})[0]
    assert row["train_accuracy"] == pytest.approx(0.1)
    assert row["train_loss"] == pytest.approx(np.log(np.e + 9) - 0.1, rel=1e-5)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([Score(1.0, 0.9), Score(1.0, 0.1)], 0),
        ([Score(0.5, 0.1), Score(1.0, 0.9)], 1),
        ([Score(1.0, 0.5), Score(0.9, 0.5)], 1),  # equally accurate: the lower loss decides
        ([Score(0.9, 0.5), Score(1.0, 0.5)], 0),
        ([Score(1.0, 0.5), Score(1.0, 0.5)], 0),
        ([Score(1.0, 0.0), Score(0.9, 0.0)], 1),
    ],
)
def test_the_trainer_ends_with_the_weights_of_the_highest_accuracy_and_then_of_the_lowest_loss(
    scores: list[Score], best: int, images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    remaining = iter(scores)
    monkeypatch.setattr("fashion.training.trainer.evaluate", lambda *_: next(remaining))
    model = ClassZero()
    logits: list[torch.Tensor] = []

    class CopyLogits(Callback):
        def on_validation(self, _: dict[str, Any]) -> None:
            logits.append(model.logits.detach().clone())

    trainer = make_trainer(model, images, labels, 400, callbacks=[CopyLogits()])
    trainer.fit({"sgd": Phase(optimizer="sgd", lr=0.1, max_epochs=2)})
    assert torch.equal(model.logits, logits[best])
    assert not torch.equal(logits[0], logits[1])


def test_a_phase_that_only_lowers_the_loss_is_kept_and_patience_counts_from_it(
    images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `finetune`, after a phase with as many correct images."""
    scores = iter([Score(1.0, 0.5), Score(0.9, 0.5), Score(0.8, 0.5), Score(0.8, 0.5), Score(0.1, 0.4)])
    monkeypatch.setattr("fashion.training.trainer.evaluate", lambda *_: next(scores))
    trainer = make_trainer(ClassZero(), images, labels, 400)
    phases = {"main": Phase(optimizer="sgd", lr=0.1, max_epochs=1)}
    phases["finetune"] = Phase(optimizer="sgd", lr=0.1, max_epochs=9, patience=2)
    history = trainer.fit(phases)
    assert [row["val_loss"] for row in history] == [1.0, 0.9, 0.8, 0.8, 0.1]
    assert trainer.best_score == [0.5, -0.8]


@pytest.mark.parametrize(("choose_by", "best"), [("accuracy", 0), ("balanced_accuracy", 1), ("loss", 2)])
def test_epochs_are_compared_by_the_measure_of_the_settings(
    images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch, choose_by: str, best: int
) -> None:
    scores = iter([Score(0.9, 0.8, 0.5), Score(0.8, 0.7, 0.6), Score(0.7, 0.6, 0.4)])
    monkeypatch.setattr("fashion.training.trainer.evaluate", lambda *_: next(scores))
    trainer = make_trainer(ClassZero(), images, labels, 400)
    trainer.choose_by = choose_by
    history = trainer.fit({"sgd": Phase(optimizer="sgd", lr=0.1, max_epochs=3)})
    assert [number for number, row in enumerate(history) if row["best"]][-1] == best


def test_a_balanced_accuracy_is_the_mean_of_the_recalls_and_a_weighted_loss_that_of_weighted_losses(
    images: np.ndarray,
) -> None:
    model, weights = ClassZero(), torch.tensor([0.5, 2.0, *[1.0] * 8])
    prepare = Preparation(size=[28, 28], mean=[0.0], std=[255.0])
    examples = Examples(torch.from_numpy(images[:8]), torch.tensor([0] * 6 + [1] * 2))
    plain, weighted = evaluate(model, prepare, examples), evaluate(model, prepare, examples, class_weights=weights)
    assert (weighted.accuracy, weighted.balanced_accuracy) == (0.75, 0.5)
    losses = model.logits.log_softmax(0).neg()
    assert plain.loss == pytest.approx((6 * losses[0] + 2 * losses[1]).item() / 8, rel=1e-5)
    assert weighted.loss == pytest.approx((6 * 0.5 * losses[0] + 2 * 2.0 * losses[1]).item() / 8, rel=1e-5)


def test_a_phase_that_diverges_ends_and_the_phases_before_it_count(data: TrainingData) -> None:
    good = {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}
    phases = {"good": good, "bad": {**good, "optimizer": "sgd", "lr": 1e30}}
    weights, history = fit(data, make_system(phases=phases), make_settings())
    assert [row["phase"] for row in history] == ["good"] * 2
    assert all(values.isfinite().all() for values in weights.values())


def test_a_score_is_accuracy_and_loss_with_dropout_off(images: np.ndarray) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(784, 2))
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.copy_(torch.tensor([1.0, 0.0]))
    prepare = Preparation(size=[28, 28], mean=[0.0], std=[255.0])
    score = evaluate(model, prepare, Examples(torch.from_numpy(images[:8]), torch.tensor([0] * 6 + [1] * 2)))
    assert score.accuracy == 0.75
    assert score.loss == pytest.approx(0.75 * np.log(1 + np.exp(-1)) + 0.25 * np.log(1 + np.exp(1)), rel=1e-5)


def test_adam_adamw_and_sgd_update_all_weights(images: np.ndarray, labels: np.ndarray) -> None:
    for name in ("adam", "adamw", "sgd"):
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        before = {key: value.clone() for key, value in model.state_dict().items()}
        phase = Phase(optimizer=name, lr=0.01, max_epochs=1)  # type: ignore[arg-type]
        make_trainer(model, images, labels).fit({"only": phase})
        assert all(not torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_frozen_phase_trains_the_last_layer_alone(data: TrainingData) -> None:
    layers = {"channels": [8], "kernels": [3], "conv_norm": ["before"], "hidden": [16]}
    phase = {"optimizer": "sgd", "lr": 0.1, "max_epochs": 1}
    system = make_system(arguments=layers, phases={"head": {**phase, "freeze": True}})
    before, _ = fit(
        data, make_system(arguments=layers, phases={"none": {**phase, "lr": 1e-30, "freeze": True}}), make_settings()
    )
    after, _ = fit(data, system, make_settings())
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"6.weight", "6.bias"}, "statistics of BatchNorm are fixed, too"


def test_all_layers_are_trained_after_a_frozen_phase(data: TrainingData) -> None:
    phase = {"optimizer": "sgd", "lr": 0.1, "max_epochs": 1}
    phases = {"head": {**phase, "freeze": True}, "all": phase}
    classifier, _ = train_classifier(make_system(phases=phases), make_settings(), data)
    assert classifier.num_parameters() == sum(weights.numel() for weights in classifier.model.parameters())


def test_gradients_are_scaled_down_to_the_largest_norm(images: np.ndarray, labels: np.ndarray) -> None:
    model = Recorder()
    phase = Phase(optimizer="sgd", lr=1.0, clip_norm=1e-3, max_epochs=1)
    make_trainer(model, images, np.zeros_like(labels), 400).fit({"sgd": phase})
    assert model.logits.norm().item() == pytest.approx(1e-3, rel=1e-4)


def test_the_moving_average_of_the_weights_is_validated_and_kept(images: np.ndarray, labels: np.ndarray) -> None:
    model = Recorder()
    trainer = make_trainer(model, images, np.zeros_like(labels), 400)
    phase = Phase(optimizer="sgd", lr=1.0, ema=0.9, max_epochs=1)
    trainer.fit({"sgd": phase})
    step = torch.eye(10)[0] - 0.1  # of the logits, from 0
    torch.testing.assert_close(model.logits.detach(), step * (1 - 2 / 11))
    assert trainer.history[0]["val_loss"] == pytest.approx(trainer.score(trainer.train).loss)


def test_a_linear_schedule_changes_the_training(data: TrainingData) -> None:
    adam = {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}
    _, constant = fit(data, make_system(phases={"adam": adam}), make_settings())
    _, linear = fit(data, make_system(phases={"adam": {**adam, "schedule": "linear"}}), make_settings())
    assert constant[0]["train_loss"] != linear[0]["train_loss"]


def epochs_of(model: Recorder, images: np.ndarray, labels: np.ndarray, **phase: object) -> list[torch.Tensor]:
    """Train for two epochs, if not given, of one batch each; give the images of each as bytes."""
    make_trainer(model, images, labels, 1000).fit(
        {"sgd": Phase.model_validate({"optimizer": "sgd", "lr": 1e-3, "max_epochs": 2, **phase})}
    )
    return [batch.mul(255).round().byte() for batch in model.batches]


def test_a_flip_shows_each_image_one_way_in_one_epoch_and_the_other_way_in_the_next(
    images: np.ndarray, labels: np.ndarray
) -> None:
    first, second = epochs_of(Recorder(), images, labels, augmentation={"flip": True})
    stored = {image.tobytes() for image in images}
    mirrored = {image[..., ::-1].tobytes() for image in images}
    first_bytes = {image.numpy().tobytes() for image in first}
    assert first_bytes <= stored | mirrored
    assert 100 < len(first_bytes & stored) < 300
    assert {image.numpy().tobytes() for image in second} == {image[..., ::-1].tobytes() for image in first.numpy()}


PRUNING = {"easy_share": 0.1, "drop_rate": 0.5, "unpruned_tail": 0.1}


def test_pruning_drops_only_examples_with_the_lowest_losses(images: np.ndarray, labels: np.ndarray) -> None:
    first, second, _ = epochs_of(ClassZero(), images, labels, sample_pruning=PRUNING, max_epochs=3)
    hard = {image.tobytes() for image in images[labels > 0]}
    assert (len(first), len(second)) == (400, 380)
    assert hard <= {image.numpy().tobytes() for image in second}


def test_the_gradient_of_a_pruned_epoch_is_that_of_all_examples(images: np.ndarray, labels: np.ndarray) -> None:
    """The gradients of an epoch in one batch, 380 of 400, add up to those of all images."""
    changes = []
    phase = Phase.model_validate({"optimizer": "sgd", "lr": 1e-3, "max_epochs": 3, "sample_pruning": PRUNING})
    for epochs in (1, 2):
        model = ClassZero()
        before = model.logits.detach().clone()
        trainer = make_trainer(model, images, labels, 1000)
        phase_state = trainer.new_phase_state(phase, 3)
        for _ in range(epochs):
            trainer.train_epoch("sgd", phase_state)
        changes.append(model.logits.detach() - before)
    first, both = changes
    torch.testing.assert_close((both - first) * 380, first * 400, rtol=2e-3, atol=1e-6)


def test_the_loss_and_accuracy_of_a_pruned_epoch_are_those_of_all_examples(
    images: np.ndarray, labels: np.ndarray
) -> None:
    trainer = make_trainer(ClassZero(), images, labels, 64)
    phase_state = trainer.new_phase_state(
        Phase(optimizer="sgd", lr=1e-9, max_epochs=3, sample_pruning=SamplePruning(**PRUNING)), 3
    )
    full, pruned = (trainer.train_epoch("sgd", phase_state) for _ in range(2))
    assert phase_state.epochs_done == 2
    assert (pruned.loss, pruned.accuracy) == pytest.approx((full.loss, full.accuracy), rel=1e-5)


def test_pruning_drops_nothing_where_too_few_examples_are_easy(images: np.ndarray, labels: np.ndarray) -> None:
    pruning = {"easy_share": 0.01, "drop_rate": 0.5, "unpruned_tail": 0.1}
    epochs = epochs_of(Recorder(), images[:50], labels[:50], sample_pruning=pruning, max_epochs=3)
    assert [len(images) for images in epochs] == [50] * 3


@pytest.mark.parametrize("pruning", [None, {"easy_share": 0.8, "drop_rate": 0.5, "unpruned_tail": 0.3}])
def test_a_schedule_ends_with_the_last_batch(pruning: dict | None, images: np.ndarray, labels: np.ndarray) -> None:
    """65 images in batches of 32 are three batches; in pruned epochs, 39 are two."""
    model = Recorder()
    trainer = make_trainer(model, images[:65], labels[:65], 32)
    settings = {"optimizer": "sgd", "lr": 0.1, "schedule": "linear", "max_epochs": 3, "sample_pruning": pruning}
    phase_state = trainer.new_phase_state(Phase.model_validate(settings), 3)
    for _ in range(3):
        trainer.train_epoch("sgd", phase_state)
    assert len(model.batches) == (8 if pruning else 9)
    assert phase_state.schedule.get_last_lr() == [pytest.approx(0.0, abs=1e-12)]
