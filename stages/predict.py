"""Label the unlabelled images with the final model: data/predicted/results.csv."""

import numpy as np
import pandas as pd

import paths
from entry import run
from fashion.classifier.device import pick_device, prepare_to_compute
from fashion.classifier.file import load
from fashion.files import read_array, read_json, write_text
from fashion.params import Params
from fashion.settings.fields import FINAL


def main(params: Params) -> None:
    prepare_to_compute(params.finetune.threads)
    ids = read_array(paths.INGESTED / "unlabelled_ids.npy")
    images = read_array(paths.images(paths.INGESTED, "unlabelled"))
    predictions = load(paths.model(FINAL)).log_probabilities(images, pick_device())
    labels, about = predictions.argmax(1).numpy(), read_json(paths.ABOUT)
    results = pd.DataFrame({"ID": ids, "label": labels})
    if not about["named_in_params"]:  # so nobody knows their numbers
        results["class"] = np.array(about["classes"])[labels]
    write_text(paths.PREDICTED / "results.csv", results.to_csv(index=False, lineterminator="\n"))
    print(f"predict: {len(results)} images labelled in {paths.PREDICTED / 'results.csv'}", flush=True)


if __name__ == "__main__":
    run(main)
