"""Label the unlabelled images with the final model: data/predicted/results.csv.

python -m stages.models.predict
"""

import numpy as np
import pandas as pd

from fashion.classifier.device import configure_torch, select_device
from fashion.classifier.model_file import load
from fashion.files import read_array, read_json, write_text
from fashion.params import Params
from fashion.settings.fields import FINAL
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    configure_torch(params.finetune.threads)
    ids = read_array(paths.INGESTED / "unlabelled_ids.npy")
    images = read_array(paths.images(paths.INGESTED, "unlabelled"))
    log_probabilities = load(paths.model(FINAL)).log_probabilities(images, select_device())
    labels, about = log_probabilities.argmax(1).numpy(), read_json(paths.ABOUT)
    results = pd.DataFrame({"ID": ids, "label": labels})
    if not about["named_in_params"]:  # the user does not know the numbers of the classes
        results["class"] = np.array(about["classes"])[labels]
    write_text(paths.PREDICTED / "results.csv", results.to_csv(index=False, lineterminator="\n"))
    print(f"predict: {len(results)} images labelled in {paths.PREDICTED / 'results.csv'}", flush=True)


if __name__ == "__main__":
    run_stage(main)
