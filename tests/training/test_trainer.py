import numpy as np
import pytest
import torch
from torch import nn

from fashion.classifier.preparation import Preparation
from fashion.settings.system import Phase, Pruning
from fashion.training.learning import Labelled
from fashion.training.trainer import Examples, Score, batches, evaluate
from small import fit, settings, system, trainer


class Recorder(nn.Module):
    """Gives the same logits for all images, and keeps the images."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(10))
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append(images)
        return self.logits.expand(len(images), 10)


def test_each_pass_shows_every_image_once_in_a_new_order(images: np.ndarray, labels: np.ndarray) -> None:
    model = Recorder()
    trainer(model, images, labels, 100).fit({"sgd": Phase(optimizer="sgd", lr=0.1, max_epochs=2)})
    stored = torch.tensor(images).float().div(255).flatten(1)
    numbers = [torch.cdist(batch.flatten(1), stored).argmin(1) for batch in model.seen]
    first, second = torch.cat(numbers[:4]).tolist(), torch.cat(numbers[4:]).tolist()
    assert sorted(first) == sorted(second) == list(range(400))
    assert first != second
    assert first != list(range(400))


@pytest.mark.parametrize(
    ("examples", "size", "expected"),
    [
        (100, 32, [32, 32, 32, 4]),
        (65, 32, [32, 32]),  # BatchNorm has no variance of one image
        (66, 32, [32, 32, 2]),
        (3, 1, [1, 1, 1]),  # but whoever asks for single images gets them
    ],
)
def test_a_last_batch_may_be_smaller_but_not_a_single_image(examples: int, size: int, expected: list[int]) -> None:
    assert [len(range(examples)[batch]) for batch in batches(examples, size)] == expected


def test_a_phase_stops_when_patience_runs_out_and_the_next_starts_from_the_best_weights(
    train: Labelled, validation: Labelled
) -> None:
    frozen = {"optimizer": "sgd", "lr": 1e-30, "max_epochs": 9, "patience": 2}
    phases = {"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}, "frozen": frozen}
    _, history = fit(train, validation, system(phases=phases), settings())
    assert [row["phase"] for row in history] == ["adam"] * 2 + ["frozen"] * 2
    best = max(history[:2], key=lambda row: row["val_accuracy"])
    assert history[2]["val_accuracy"] == best["val_accuracy"]


def test_validations_come_as_often_as_asked_for_and_at_the_end(train: Labelled, validation: Labelled) -> None:
    phase = {"optimizer": "adam", "lr": 0.01, "max_epochs": 7, "validate_every": 3}
    _, history = fit(train, validation, system(phases={"a": phase, "b": phase}), settings())
    assert [row["epoch"] for row in history] == [3, 6, 7, 10, 13, 14]


def test_patience_counts_from_the_last_better_validation(
    images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.4])
    monkeypatch.setattr("fashion.training.trainer.evaluate", lambda *_: Score(1.0, next(accuracies)))
    phase = Phase(optimizer="sgd", lr=0.1, max_epochs=7, patience=2)
    history = trainer(Recorder(), images, labels, 400).fit({"sgd": phase})
    assert [row["val_accuracy"] for row in history] == [0.1, 0.2, 0.2, 0.3, 0.3, 0.3]


def test_what_is_done_is_told_after_each_batch_and_each_validation(images: np.ndarray, labels: np.ndarray) -> None:
    steps: list[tuple[str, int, int, int]] = []
    rows: list[dict] = []
    one = trainer(Recorder(), images, labels, 150)
    one.on_step = lambda *step: steps.append(step)
    one.on_epoch = rows.append
    history = one.fit({"sgd": Phase(optimizer="sgd", lr=0.1, max_epochs=2)})
    assert steps == [("sgd", epoch, done, 400) for epoch in (0, 1) for done in (150, 300, 400)]
    assert rows == history
    assert len(rows) == 2


def test_the_training_score_is_the_mean_over_all_examples(images: np.ndarray, labels: np.ndarray) -> None:
    """Of a network that holds all for class 0, which 40 of 400 are, in batches of 150, 150 and 100."""
    row = trainer(Biased(), images, labels, 150).fit({"sgd": Phase(optimizer="sgd", lr=1e-9, max_epochs=1)})[0]
    assert row["train_accuracy"] == pytest.approx(0.1)
    assert row["train_loss"] == pytest.approx(np.log(np.e + 9) - 0.1, rel=1e-5)


def test_the_model_is_left_with_its_best_weights(
    images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.9, 0.1])
    monkeypatch.setattr("fashion.training.trainer.evaluate", lambda *_: Score(1.0, next(accuracies)))
    one = trainer(Biased(), images, labels, 400)
    weights: list[torch.Tensor] = []
    one.on_epoch = lambda _: weights.append(one.model.logits.detach().clone())  # type: ignore[union-attr, operator]
    one.fit({"sgd": Phase(optimizer="sgd", lr=0.1, max_epochs=2)})
    assert torch.equal(one.model.logits, weights[0])  # type: ignore[arg-type]
    assert not torch.equal(weights[0], weights[1])


def test_a_phase_that_goes_astray_ends_and_what_came_before_stays(train: Labelled, validation: Labelled) -> None:
    good = {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}
    weights, history = fit(
        train, validation, system(phases={"good": good, "bad": {**good, "optimizer": "sgd", "lr": 1e30}}), settings()
    )
    assert [row["phase"] for row in history] == ["good"] * 2
    assert all(values.isfinite().all() for values in weights.values())


def test_a_score_counts_right_answers_with_dropout_off(images: np.ndarray) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(784, 2))
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.copy_(torch.tensor([1.0, 0.0]))
    prepare = Preparation(size=28, mean=0.0, std=255.0)
    score = evaluate(model, prepare, Examples(torch.from_numpy(images[:8]), torch.tensor([0] * 6 + [1] * 2)))
    assert score.accuracy == 0.75
    assert score.loss == pytest.approx(0.75 * np.log(1 + np.exp(-1)) + 0.25 * np.log(1 + np.exp(1)), rel=1e-5)


def test_a_trainer_of_adam_and_one_of_sgd_update_all_weights(images: np.ndarray, labels: np.ndarray) -> None:
    for name in ("adam", "sgd"):
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        before = {key: value.clone() for key, value in model.state_dict().items()}
        phase = Phase(optimizer=name, lr=0.01, max_epochs=1)  # type: ignore[arg-type]
        trainer(model, images, labels).fit({"only": phase})
        assert all(not torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_falling_rate_trains_otherwise_than_a_constant_one(train: Labelled, validation: Labelled) -> None:
    adam = {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}
    _, constant = fit(train, validation, system(phases={"adam": adam}), settings())
    _, falling = fit(train, validation, system(phases={"adam": {**adam, "schedule": "linear"}}), settings())
    assert constant[0]["train_loss"] != falling[0]["train_loss"]


def step_of(model: Recorder, images: np.ndarray, labels: np.ndarray, **phase: object) -> list[torch.Tensor]:
    """Train for two epochs of one batch each; give the images of both, as bytes."""
    trainer(model, images, labels, 1000).fit(
        {"sgd": Phase.model_validate({"optimizer": "sgd", "lr": 1e-3, "max_epochs": 2, **phase})}
    )
    return [batch.mul(255).round().byte().squeeze(1) for batch in model.seen]


def test_images_change_at_random_and_are_mirrored_in_every_second_epoch(images: np.ndarray, labels: np.ndarray) -> None:
    first, second = step_of(Recorder(), images, labels, augmentation={"flip": True})
    stored = {image.tobytes() for image in images}
    mirrored = {np.fliplr(image).tobytes() for image in images}
    once = {image.numpy().tobytes() for image in first}
    again = {image.numpy().tobytes() for image in second}
    assert once <= stored | mirrored
    assert 100 < len(once & stored) < 300
    assert again == {
        np.ascontiguousarray(np.frombuffer(image, np.uint8).reshape(28, 28)[:, ::-1]).tobytes() for image in once
    }


PRUNED = {"easy": 0.1, "drop": 0.5, "full": 0.1}


class Biased(Recorder):
    """Holds images for those of class 0, without a look at them: these 40 of 400 have the lowest losses."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([1.0] + [0.0] * 9))


def test_pruning_leaves_out_what_had_the_lowest_losses_when_last_seen(images: np.ndarray, labels: np.ndarray) -> None:
    first, second, _ = step_of(Biased(), images, labels, pruning=PRUNED, max_epochs=3)
    hard = {image.tobytes() for image in images[labels > 0]}
    seen = {image.numpy().tobytes() for image in second}
    assert (len(first), len(second)) == (400, 380)
    assert hard <= seen


def test_the_easy_ones_that_pruning_keeps_count_for_those_left_out(images: np.ndarray, labels: np.ndarray) -> None:
    """The gradients of an epoch in one batch, 380 of 400, add up to those of all images."""
    steps = []
    for epochs in (1, 2):
        model = Biased()
        before = model.logits.detach().clone()
        phase = {"optimizer": "sgd", "lr": 1e-3, "max_epochs": 3, "pruning": PRUNED}
        one = trainer(model, images, labels, 1000)
        course = one.start(Phase.model_validate(phase), 3)
        for epoch in range(epochs):
            one.train_epoch("sgd", epoch, course)
        steps.append(model.logits.detach() - before)
    first, both = steps
    torch.testing.assert_close((both - first) * 380, first * 400, rtol=2e-3, atol=1e-6)


def test_the_loss_and_accuracy_of_a_pruned_epoch_are_those_of_all_examples(
    images: np.ndarray, labels: np.ndarray
) -> None:
    one = trainer(Biased(), images, labels, 64)
    course = one.start(Phase(optimizer="sgd", lr=1e-9, max_epochs=3, pruning=Pruning(**PRUNED)), 3)
    first, pruned = (one.train_epoch("sgd", epoch, course) for epoch in (0, 1))
    assert (pruned.loss, pruned.accuracy) == pytest.approx((first.loss, first.accuracy), rel=1e-5)


def test_so_few_easy_examples_that_none_is_dropped_leave_nothing_out(images: np.ndarray, labels: np.ndarray) -> None:
    easy = {"easy": 0.01, "drop": 0.5, "full": 0.1}
    seen = step_of(Recorder(), images[:50], labels[:50], pruning=easy, max_epochs=3)
    assert [len(batch) for batch in seen] == [50] * 3


def test_a_schedule_counts_the_batches_that_are_learned_from(images: np.ndarray, labels: np.ndarray) -> None:
    """65 images in batches of 32 are two, since one image alone makes none."""
    one = trainer(Recorder(), images[:65], labels[:65], 32)
    course = one.start(Phase(optimizer="sgd", lr=0.1, schedule="linear", max_epochs=1), 1)
    one.train_epoch("sgd", 0, course)
    assert course.schedule.get_last_lr() == [0.0]
