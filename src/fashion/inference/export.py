"""Export a trained classifier to ONNX, with preparation, views and softmax."""

import json
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fashion.classifier.classifier import Classifier, energy_score
from fashion.classifier.prediction import mean_logits
from fashion.errors import InputError
from fashion.files import atomic_write

OPSET = 18  # the first whose Resize operator can average areas, as `Preparation` does
TOLERANCE = 1e-4  # largest difference of a probability from that of PyTorch


class ExportedClassifier(nn.Module):
    """A classifier as one module, from uint8 of N x content_side x content_side to probabilities and energy scores."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier, self.model = classifier, classifier.model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        margin = self.classifier.frame.margin()
        padded = nn.functional.pad(images, (*margin, *margin))
        logits = mean_logits(self.model, self.classifier.preparation, padded, self.classifier.views)
        return self.classifier.calibrated_log_probabilities(logits).exp(), energy_score(logits)


def export_onnx(classifier: Classifier, path: Path) -> float:
    """Write a classifier to an ONNX file, run by ONNX Runtime once; give its largest difference from PyTorch.

    Input `images`: uint8 of N x content_side x content_side, see `Frame`. Outputs: `probabilities`, float32 of N x
    classes, and `energy_score`, float32 of N. Metadata: `classes` (JSON) and `threshold`.
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
    exported = ExportedClassifier(classifier).eval().cpu()
    side = classifier.frame.content_side
    sample = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, side, side), dtype=np.uint8))
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
    metadata = {"classes": json.dumps(classifier.classes)}
    if classifier.threshold is not None:
        metadata["threshold"] = repr(classifier.threshold)
    onnx.helper.set_model_props(model, metadata)
    with atomic_write(path) as temporary:
        onnx.save(model, temporary)
        session = onnxruntime.InferenceSession(temporary, providers=["CPUExecutionProvider"])
        probabilities = session.run(["probabilities"], {"images": sample.numpy()})[0]
        with torch.inference_mode():
            difference = float((torch.from_numpy(probabilities) - exported(sample)[0]).abs().max())
        if difference > TOLERANCE:
            raise InputError(f"{path}: not written, since ONNX Runtime's probabilities differ by {difference:g}")
    return difference
