from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion.classifier import classifier as classifier_module
from fashion.errors import InputError
from small import colour_tiles, make_classifier

CPU = torch.device("cpu")


def test_a_higher_temperature_lowers_confidence_and_changes_no_label(images: np.ndarray) -> None:
    classifier = make_classifier(images)
    other = replace(classifier, temperature=2.0)
    logits = torch.tensor([[4.0, 0.0], [-2.0, 2.0]])
    at_1, at_2 = (part.log_probabilities(logits) for part in (classifier, other))
    torch.testing.assert_close(at_2, (logits / 2).log_softmax(1))
    assert (at_2.amax(1) < at_1.amax(1)).all()
    assert torch.equal(at_2.argmax(1), at_1.argmax(1))


def test_images_of_the_shape_that_the_model_was_trained_on_get_logits(images: np.ndarray) -> None:
    for some in (images, colour_tiles(20, 32)[0]):
        assert make_classifier(some).logits(some, CPU).shape == (len(some), 2)
        assert make_classifier(some).logits(some[:0], CPU).shape == (0, 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images.swapaxes(2, 3),
        lambda images: images[:, :1],
        lambda images: images[:, :, :, 1:],
        lambda images: images.repeat(2, axis=2),
    ],
)
@pytest.mark.parametrize("count", [0, 5])
def test_images_of_another_shape_are_refused_with_both_shapes(
    change: Callable[[np.ndarray], np.ndarray], count: int
) -> None:
    tiles = colour_tiles(20, 32)[0]
    other = change(tiles)
    shape = "x".join(map(str, other.shape[1:]))
    message = rf"images of {shape}; the model was trained on 3x20x32 \(channels, height, width\)"
    with pytest.raises(InputError, match=message):
        make_classifier(tiles).logits(other[:count], CPU)


def test_views_of_the_images_are_shifted_in_their_background() -> None:
    tiles = colour_tiles(20, 32)[0][:40]
    white = np.full_like(tiles[:1], 255)
    classifier = make_classifier(tiles)
    light = replace(
        classifier,
        frame=classifier.frame.model_copy(update={"background": [255] * 3}),
        test_time_augmentation="shift_and_flip",
    )
    dark = replace(light, frame=classifier.frame)
    torch.testing.assert_close(light.logits(white, CPU), classifier.logits(white, CPU))
    assert not torch.allclose(dark.logits(white, CPU), classifier.logits(white, CPU))


def test_images_are_copied_in_parts_and_get_the_logits_that_they_get_at_once(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, many, counts = make_classifier(images), np.resize(images, (2900, *images.shape[1:])), []
    predict_logits = classifier_module.predict_logits

    def count(model: object, prepare: object, images: torch.Tensor, *arguments: object) -> torch.Tensor:
        counts.append(len(images))
        return predict_logits(model, prepare, images, *arguments)

    monkeypatch.setattr(classifier_module, "predict_logits", count)
    at_once = classifier.logits(many, CPU)
    monkeypatch.setattr(classifier_module, "BATCHES", 1)
    assert torch.equal(classifier.logits(many, CPU), at_once)
    assert counts == [2900, 1306, 1306, 288]
