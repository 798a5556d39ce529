from dataclasses import replace

import torch

from fashion.classifier.classifier import Classifier
from fashion.classifier.preparation import Frame, Preparation


def test_a_higher_temperature_lowers_confidence_and_changes_no_label() -> None:
    preparation, frame = Preparation(size=28, mean=0.0, std=255.0), Frame(side=28, content_side=28, enlarge=False)
    classifier = Classifier(torch.nn.Identity(), "cnn", {}, preparation, frame, ["Bag", "Coat"], {"precision": "fp32"})
    other = replace(classifier, temperature=2.0)
    logits = torch.tensor([[4.0, 0.0], [-2.0, 2.0]])
    at_1, at_2 = (part.calibrated_log_probabilities(logits) for part in (classifier, other))
    torch.testing.assert_close(at_2, (logits / 2).log_softmax(1))
    assert (at_2.amax(1) < at_1.amax(1)).all()
    assert torch.equal(at_2.argmax(1), at_1.argmax(1))
