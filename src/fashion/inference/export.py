"""Export a trained classifier to ONNX, with preparation, test-time augmentation and softmax."""

import json
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fashion.classifier.classifier import Classifier, Prediction
from fashion.classifier.ensemble import Ensemble, mean_prediction
from fashion.classifier.prediction import mean_logits
from fashion.errors import InputError
from fashion.files import atomic_write
from fashion.images.background import pad_background

OPSET = 18  # the first whose Resize operator can average areas, as `Preparation` does
IR_VERSION = 8  # of the file format, the one of opset 18: torch writes 10, which ONNX Runtime reads from 1.18 on only
TOLERANCE = 1e-4  # largest difference of a probability from that of PyTorch


class ExportedClassifier(nn.Module):
    """A classifier as a module, from images of its frame, levels of N x C x H x W, to log-probabilities and margins."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier, self.model = classifier, classifier.model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        classifier = self.classifier
        augmentation, background = classifier.test_time_augmentation, classifier.frame.background
        logits = mean_logits(self.model, self.prepare, images, augmentation, background)
        return classifier.log_probabilities(logits), classifier.margins(logits)

    def prepare(self, images: Tensor) -> Tensor:
        """Prepare images as `Preparation` does, but all channels at once.

        In ONNX its changes in place, a channel at a time, become copies of all images: eight times as slow in colour.
        """
        preparation = self.classifier.preparation
        mean, std = (torch.tensor(values)[:, None, None] for values in (preparation.mean, preparation.std))
        return (preparation.resized(images) - mean) / std


class ExportedEnsemble(nn.Module):
    """The classifiers that predict, from images of the frame's content, uint8, to probabilities and energy scores."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.frame, self.threshold = ensemble.frame, ensemble.threshold
        self.classifiers = nn.ModuleList(ExportedClassifier(classifier) for classifier in ensemble.used)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        above, below, left, right = self.frame.margins()
        padded = pad_background(images, (left, right, above, below), self.frame.background)
        prediction = mean_prediction([Prediction(*classifier(padded)) for classifier in self.classifiers])
        return prediction.log_probabilities.exp(), prediction.margins + self.threshold


def export_onnx(ensemble: Ensemble, path: Path) -> float:
    """Write an ensemble to an ONNX file, run by ONNX Runtime once; give its largest difference from PyTorch.

    Input `images`: uint8 of N x channels x content_height x content_width, see `Frame`. Outputs: `probabilities`,
    float32 of N x classes, and `energy_score`, float32 of N. Metadata, as JSON: `classes`, `threshold`, and from the
    frame `background` and `levels`. ONNX Runtime 1.15 and newer run the file.
    Raises InputError if packages are missing, or if a probability differs by more than `TOLERANCE`; then no file is
    written.

    >>> export_onnx(load(Path("models/final.safetensors")), Path("final.onnx"))
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 (torch.onnx needs it)
    except ImportError as error:
        raise InputError(f"ONNX needs more packages ({error}); run pip install '.[onnx]'") from None
    exported = ExportedEnsemble(ensemble).eval().cpu()
    frame = ensemble.frame
    shape = (4, frame.channels, frame.content_height, frame.content_width)
    sample = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision is missing, which is not needed
    with warnings.catch_warnings(action="ignore"):  # deprecations inside torch
        program = torch.onnx.export(
            exported,
            (sample,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["probabilities", "energy_score"],
            dynamic_shapes=({0: "images"},),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.ir_version = IR_VERSION
    metadata = {
        "classes": ensemble.classes,
        "background": frame.background,
        "levels": frame.levels,
        "threshold": ensemble.threshold,
    }
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in metadata.items()})
    onnx.checker.check_model(model)
    with atomic_write(path) as temporary:
        onnx.save(model, temporary)
        session = onnxruntime.InferenceSession(temporary, providers=["CPUExecutionProvider"])
        probabilities = session.run(["probabilities"], {"images": sample.numpy()})[0]
        with torch.inference_mode():
            difference = float((torch.from_numpy(probabilities) - exported(sample)[0]).abs().max())
        if difference > TOLERANCE:
            raise InputError(f"{path}: not written, since ONNX Runtime's probabilities differ by {difference:g}")
    return difference
