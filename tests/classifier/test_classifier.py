from dataclasses import replace

import torch

from fashion.classifier.classifier import Classifier
from fashion.classifier.preparation import Frame, Preparation


def test_a_higher_temperature_makes_answers_less_sure_and_changes_none() -> None:
    preparation, frame = Preparation(size=28, mean=0.0, std=255.0), Frame(side=28, content=28, enlarge=False)
    plain = Classifier(torch.nn.Identity(), "cnn", {}, preparation, frame, ["Bag", "Coat"], {"precision": "fp32"})
    warm = replace(plain, temperature=2.0)
    logits = torch.tensor([[4.0, 0.0], [-2.0, 2.0]])
    torch.testing.assert_close(warm.tempered(logits), (logits / 2).log_softmax(1))
    assert (warm.tempered(logits).amax(1) < plain.tempered(logits).amax(1)).all()
    assert torch.equal(warm.tempered(logits).argmax(1), plain.tempered(logits).argmax(1))
