"""Read the raw files into arrays under data/ingested; download Fashion-MNIST if it is missing.

python -m stages.data.ingest
"""

from fashion.files import write_array, write_json, write_rows
from fashion.params import Params
from fashion.sources.ingest import ingest
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    data = ingest(paths.RAW, params.ingest, params.classes, params.split.file)
    for part in ("train", "test"):
        write_array(paths.images(paths.INGESTED, part), getattr(data, f"{part}_images"))
        write_array(paths.labels(paths.INGESTED, part), getattr(data, f"{part}_labels"))
    write_array(paths.images(paths.INGESTED, "unlabelled"), data.unlabelled_images)
    write_array(paths.INGESTED / "unlabelled_ids.npy", data.unlabelled_ids)
    write_rows(paths.INGESTED / "samples.csv", data.samples)
    about = {
        "classes": data.classes,
        "named_in_params": params.classes == data.classes,  # not if small classes are left out
        "frame": data.frame.model_dump(),
    }
    write_json(paths.ABOUT, about)
    write_json(paths.NOTES, data.notes)
    for sentence in (data.summary, *data.notes):
        print(f"ingest: {sentence}", flush=True)


if __name__ == "__main__":
    run_stage(main)
