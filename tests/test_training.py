import io

import numpy as np
import pytest
import torch
from torch import nn

from fashion.classifier.prediction import predict_logits, six_views
from fashion.classifier.preparation import Preparation, crop
from fashion.settings.system import Phase, System, TrainSettings
from fashion.training.learning import Callbacks, Labelled, learn
from fashion.training.optimizers import RunningMean, make_optimizer, make_schedule
from fashion.training.progress import TrainingProgress
from fashion.training.trainer import Examples, Trainer, batches, evaluate

CLASSES = [str(number) for number in range(10)]


def system(**changes: object) -> System:
    small = {
        "family": "cnn",
        "arguments": {"channels": [8], "kernels": [3], "dropout": 0.2, "hidden": [16]},
        "images": "split",
        "input": {"size": 28, "scaling": "unit"},
        "batch_size": 32,
        "phases": {"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 3}},
    }
    return System.model_validate({**small, **changes})


def settings(**changes: object) -> TrainSettings:
    return TrainSettings.model_validate({"max_epochs": None, "threads": 1, "precision": "fp32", "seed": 0, **changes})


def quiet() -> Callbacks:
    return Callbacks(lambda *_: None, lambda _: None)


@pytest.fixture
def train(images: np.ndarray, labels: np.ndarray) -> Labelled:
    three_of_four = np.arange(400) % 4 > 0
    return Labelled(images[three_of_four], labels[three_of_four])


@pytest.fixture
def validation(images: np.ndarray, labels: np.ndarray) -> Labelled:
    return Labelled(images[::4], labels[::4])


def fit(train: Labelled, validation: Labelled, what: System, how: TrainSettings) -> tuple[dict, list[dict]]:
    classifier, history = learn(what, how, train, validation, classes=CLASSES, callbacks=quiet())
    return classifier.model.state_dict(), history


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
    predicted = classifier.probabilities(validation.images, torch.device("cpu")).argmax(1).numpy()
    assert np.mean(predicted == validation.labels) == pytest.approx(best)


def test_a_phase_stops_when_patience_runs_out_and_the_next_starts_from_the_best_weights(
    train: Labelled, validation: Labelled
) -> None:
    frozen = {"optimizer": "sgd", "lr": 1e-30, "max_epochs": 9, "patience": 2}
    phases = {"adam": {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}, "frozen": frozen}
    _, history = fit(train, validation, system(phases=phases), settings())
    assert [row["phase"] for row in history] == ["adam"] * 2 + ["frozen"] * 2
    best = max(history[:2], key=lambda row: row["val_accuracy"])
    assert history[2]["val_accuracy"] == best["val_accuracy"]


def test_max_epochs_of_the_settings_replaces_that_of_every_phase(train: Labelled, validation: Labelled) -> None:
    phase = {"optimizer": "adam", "lr": 0.01, "max_epochs": 9}
    _, history = fit(train, validation, system(phases={"a": phase, "b": phase}), settings(max_epochs=1))
    assert [row["phase"] for row in history] == ["a", "b"]


def test_a_diverging_training_is_refused_with_its_learning_rate(train: Labelled, validation: Labelled) -> None:
    phases = {"sgd": {"optimizer": "sgd", "lr": 1e30, "max_epochs": 2}}
    with pytest.raises(ValueError, match=r"phases.sgd.lr: with 1e\+30 the loss is not finite; take a lower rate"):
        fit(train, validation, system(phases=phases), settings())


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


def trainer(model: nn.Module, images: np.ndarray, labels: np.ndarray, batch_size: int = 64) -> Trainer:
    examples = Examples(torch.tensor(images), torch.tensor(labels, dtype=torch.int64))
    return Trainer(
        model=model,
        prepare=Preparation(size=28, mean=0.0, std=255.0),
        train=examples,
        validation=examples,
        batch_size=batch_size,
        order=torch.Generator().manual_seed(0),
        dtype=torch.float32,
        on_step=lambda *_: None,
        on_epoch=lambda _: None,
    )


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
        (3, 1, [1, 1, 1]),  # but whoever asks for single images gets them
    ],
)
def test_a_last_batch_may_be_smaller_but_not_a_single_image(examples: int, size: int, expected: list[int]) -> None:
    assert [len(range(examples)[batch]) for batch in batches(examples, size)] == expected


def test_validations_come_as_often_as_asked_for_and_at_the_end(train: Labelled, validation: Labelled) -> None:
    phase = {"optimizer": "adam", "lr": 0.01, "max_epochs": 5, "validate_every": 2}
    _, history = fit(train, validation, system(phases={"a": phase, "b": phase}), settings())
    assert [row["epoch"] for row in history] == [2, 4, 5, 7, 9, 10]


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


def test_biases_learn_at_their_own_rate_with_as_much_less_decay() -> None:
    phase = Phase(optimizer="sgd", lr=0.1, weight_decay=0.01, bias_rate=4, max_epochs=1)
    weights, biases = make_optimizer(phase, nn.Linear(3, 2)).param_groups
    assert [weights["lr"], weights["weight_decay"]] == [0.1, 0.01]
    assert [biases["lr"], biases["weight_decay"]] == pytest.approx([0.4, 0.0025])
    assert [len(group["params"][0].shape) for group in (weights, biases)] == [2, 1]


def test_a_running_mean_follows_at_first_and_keeps_most_of_itself_at_the_end() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    mean = RunningMean(model, every=2, steps=4)
    seen = []
    for _ in range(4):
        model.weight.data.fill_(1.0)
        mean.step()
        seen.append(model.weight.item())
        model.weight.data.sub_(1.0)
    kept = [0.95**5 / 8, 0.95**5]
    assert seen == pytest.approx([1, 1 - kept[0], 1, 1 - kept[1] * kept[0]])


def test_six_views_are_the_image_moved_by_a_pixel_and_mirrored_and_their_shares_make_one(images: np.ndarray) -> None:
    views = six_views(torch.tensor(images[:5]))
    assert sum(share for share, _ in views) == 1
    assert torch.equal(views[0][1], torch.tensor(images[:5]))
    up, down = views[2][1], views[4][1]
    assert torch.equal(up[:, :-1, :-1], torch.tensor(images[:5, 1:, 1:]))
    assert torch.equal(down[:, 1:, 1:], torch.tensor(images[:5, :-1, :-1]))
    for plain, mirrored in zip(views[::2], views[1::2], strict=True):
        assert torch.equal(plain[1].flip(2), mirrored[1])


def test_predictions_of_six_views_are_the_mean_of_the_predictions_of_each(images: np.ndarray) -> None:
    model, prepare = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), Preparation(size=28, mean=0.0, std=255.0)
    some = torch.tensor(images[:20])
    expected = sum(share * predict_logits(model, prepare, view) for share, view in six_views(some))
    torch.testing.assert_close(predict_logits(model, prepare, some, views="six"), expected)


def test_a_score_counts_right_answers_with_dropout_off(images: np.ndarray) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(784, 2))
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.copy_(torch.tensor([1.0, 0.0]))
    prepare = Preparation(size=28, mean=0.0, std=255.0)
    score = evaluate(model, prepare, Examples(torch.from_numpy(images[:8]), torch.tensor([0] * 6 + [1] * 2)))
    assert score.accuracy == 0.75
    assert score.loss == pytest.approx(0.75 * np.log(1 + np.exp(-1)) + 0.25 * np.log(1 + np.exp(1)), rel=1e-5)


def test_predictions_do_not_depend_on_the_cut_into_batches(images: np.ndarray) -> None:
    model, prepare = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), Preparation(size=28, mean=0.0, std=255.0)
    many = torch.from_numpy(np.tile(images, (3, 1, 1)))  # 1200: more than one batch
    logits = predict_logits(model, prepare, many)
    torch.testing.assert_close(logits[:400], logits[800:])


@pytest.mark.parametrize(("scaling", "low", "high"), [("pixels", 0, 255), ("unit", 0, 1)])
def test_scaling_maps_grey_levels(images: np.ndarray, scaling: str, low: float, high: float) -> None:
    prepared = Preparation.of(images, size=28, scaling=scaling)(torch.from_numpy(images))  # type: ignore[arg-type]
    assert prepared.shape == (400, 1, 28, 28)
    assert (prepared.min().item(), prepared.max().item()) == (low, high)


def test_standard_scaling_makes_the_training_images_mean_0_and_deviation_1(images: np.ndarray) -> None:
    prepared = Preparation.of(images, size=24, scaling="standard")(torch.from_numpy(images))
    assert prepared.mean().item() == pytest.approx(0, abs=1e-5)
    assert prepared.std().item() == pytest.approx(1, abs=1e-5)


def test_cropping_takes_the_margin_off_again(images: np.ndarray) -> None:
    padded = torch.from_numpy(np.pad(images, ((0, 0), (2, 2), (2, 2))))
    assert torch.equal(crop(padded, 28), torch.from_numpy(images))


def test_an_input_larger_than_the_stored_images_is_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="input.size: 32 is more than the stored 28 pixels"):
        Preparation.of(images, size=32, scaling="unit")


def test_progress_is_a_line_an_epoch_where_there_is_no_terminal(train: Labelled, validation: Labelled) -> None:
    stream = io.StringIO()
    progress = TrainingProgress("small", stream)
    learn(
        system(),
        settings(max_epochs=2),
        train,
        validation,
        classes=CLASSES,
        callbacks=Callbacks(progress.on_step, progress.on_epoch),
    )
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("small adam epoch 2: train loss ")


def test_progress_says_that_it_goes_on_when_an_epoch_takes_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("fashion.training.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = TrainingProgress("large", stream)
    for done in range(100, 600, 100):
        now[0] += 30
        progress.on_step("adam", 0, done, 1000)
    assert stream.getvalue().splitlines() == ["large adam epoch 1: 30%, 210 s left in it"]


def test_progress_counts_an_epoch_from_its_start_also_where_the_last_one_had_no_validation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("fashion.training.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = TrainingProgress("large", stream)
    for epoch, done, images in ((0, 1000, 1000), (1, 100, 600), (1, 300, 600)):
        progress.on_step("main", epoch, done, images)
        now[0] += 50
    assert stream.getvalue().splitlines() == ["large main epoch 2: 50%, 50 s left in it"]


def test_progress_is_a_bar_with_the_time_left_in_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = TrainingProgress("small", stream)
    progress.on_step("adam", 0, 500, 1000)
    assert "small adam epoch 1:  50%" in stream.getvalue() or "small adam epoch 1:   0%" in stream.getvalue()


def test_a_trainer_of_adam_and_one_of_sgd_update_all_weights(images: np.ndarray, labels: np.ndarray) -> None:
    for name in ("adam", "sgd"):
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        before = {key: value.clone() for key, value in model.state_dict().items()}
        phase = Phase(optimizer=name, lr=0.01, max_epochs=1)  # type: ignore[arg-type]
        trainer(model, images, labels).fit({"only": phase})
        assert all(not torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.1] * 5),
        ("linear", [0.1, 0.075, 0.05, 0.025, 0]),
        ("triangle", [0.02, 0.09757, 0.06740, 0.03719, 0.007]),
    ],
)
def test_a_schedule_sets_the_rate_after_each_step(schedule: str, rates: list[float]) -> None:
    phase = Phase(optimizer="sgd", lr=0.1, schedule=schedule, max_epochs=1)  # type: ignore[arg-type]
    optimizer = make_optimizer(phase, nn.Linear(1, 1))
    steps = make_schedule(phase, optimizer, steps=4)
    seen = []
    for _ in range(5):
        seen.append(steps.get_last_lr()[0])
        optimizer.step()
        steps.step()
    assert seen == pytest.approx(rates, abs=1e-4)


def test_a_falling_rate_trains_otherwise_than_a_constant_one(train: Labelled, validation: Labelled) -> None:
    adam = {"optimizer": "adam", "lr": 0.01, "max_epochs": 2}
    _, constant = fit(train, validation, system(phases={"adam": adam}), settings())
    _, falling = fit(train, validation, system(phases={"adam": {**adam, "schedule": "linear"}}), settings())
    assert constant[0]["train_loss"] != falling[0]["train_loss"]
