"""A trained model in a format that other programs run."""

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
from fashion.files import replacing

OPSET = 18  # the first whose Resize takes the mean of an area, as preparation does
TOLERANCE = 1e-4  # of a probability


class GreyLevels(nn.Module):
    """The whole of a classifier: uint8 of N x content x content to probabilities and energy scores."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier, self.model = classifier, classifier.model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        margin = self.classifier.frame.margin()
        framed = nn.functional.pad(images, (*margin, *margin))
        logits = mean_logits(self.model, self.classifier.preparation, framed, self.classifier.views)
        return self.classifier.tempered(logits).exp(), energy_score(logits)


def export_onnx(classifier: Classifier, path: Path) -> float:
    """Write a model as ONNX, and give how far ONNX Runtime's probabilities are from PyTorch's on some images.

    Input `images`: uint8 of N x content x content, see `Frame`. Outputs `probabilities`: float32 of N x classes, and
    `energy_score`: float32 of N. Metadata `classes` (JSON) and `threshold`.
    InputError where the packages for it are missing, or the two differ.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 (torch needs it)
    except ImportError as error:
        raise InputError(f"ONNX needs more packages ({error}); run pip install '.[onnx]'") from None
    whole = GreyLevels(classifier).eval().cpu()
    content = classifier.frame.content
    some = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, content, content), dtype=np.uint8))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which nobody needs here
    with warnings.catch_warnings(action="ignore"):  # of what torch itself is to change
        program = torch.onnx.export(
            whole,
            (some,),
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
    with replacing(path) as temporary:
        onnx.save(model, temporary)
        session = onnxruntime.InferenceSession(temporary, providers=["CPUExecutionProvider"])
        theirs = session.run(["probabilities"], {"images": some.numpy()})[0]
        with torch.inference_mode():
            difference = float((torch.from_numpy(theirs) - whole(some)[0]).abs().max())
        if difference > TOLERANCE:
            raise InputError(f"{path}: not written, since ONNX Runtime's probabilities differ by {difference:g}")
    return difference
