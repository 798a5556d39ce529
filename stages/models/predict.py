"""Label the unlabelled images with the final model: data/predicted/results.csv.

python -m stages.models.predict
"""

import numpy as np
import pandas as pd
import torch

from fashion.classifier.device import configure_torch, select_device
from fashion.classifier.model_file import load
from fashion.classifier.prediction import BATCH_PIXELS
from fashion.files import read_array, read_json, write_text
from fashion.params import Params
from fashion.settings.fields import FINAL
from stages import paths
from stages.entry import run_stage

BATCHES = 10  # of the network, which are read at a time; with other batches, rounding would differ


def main(params: Params) -> None:
    configure_torch(params.finetune.threads)
    ids = read_array(paths.INGESTED / "unlabelled_ids.npy")
    classifier, about = load(paths.model(FINAL)), read_json(paths.ABOUT)
    images, device = read_array(paths.images(paths.INGESTED, "unlabelled")), select_device()
    step = BATCHES * max(BATCH_PIXELS // (images.shape[2] * images.shape[3]), 1)
    chunks = [images[start : start + step] for start in range(0, max(len(images), 1), step)]
    logits = torch.cat([classifier.logits(chunk, device) for chunk in chunks])
    log_probabilities = classifier.calibrated_log_probabilities(logits)
    labels = log_probabilities.argmax(1).numpy()
    results = pd.DataFrame(
        {
            "ID": ids,
            "label": labels,
            "confidence": log_probabilities.exp().amax(1).numpy(),
            "out_of_distribution": np.where(classifier.out_of_distribution(logits).numpy(), "yes", ""),
        }
    )
    if not about["named_in_params"]:  # the user does not know the numbers of the classes
        results["class"] = np.array(about["classes"])[labels]
    path = paths.PREDICTED / "results.csv"
    write_text(path, results.to_csv(index=False, lineterminator="\n", float_format="%.4f"))
    if len(results):
        print(f"predict: {len(results)} images labelled in {path}", flush=True)
    else:
        print(f"predict: there are no images to label, so {path} has none; put some into data/raw/evaluate", flush=True)


if __name__ == "__main__":
    run_stage(main)
