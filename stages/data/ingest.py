"""Read the raw files into arrays under data/ingested; download Fashion-MNIST if it is missing.

python -m stages.data.ingest
"""

from fashion.files import write_array, write_json
from fashion.params import Params
from fashion.sources.ingest import ingest
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    data = ingest(paths.RAW, params.ingest, params.classes)
    for part in ("train", "test"):
        write_array(paths.images(paths.INGESTED, part), getattr(data, f"{part}_images"))
        write_array(paths.labels(paths.INGESTED, part), getattr(data, f"{part}_labels"))
    write_array(paths.images(paths.INGESTED, "unlabelled"), data.unlabelled_images)
    write_array(paths.INGESTED / "unlabelled_ids.npy", data.unlabelled_ids)
    about = {
        "classes": data.classes,
        "named_in_params": params.classes is not None,
        "content": data.content_side,
        "enlarge": params.ingest.fit == "resize",
    }
    write_json(paths.ABOUT, about)
    counts = (
        f"{len(data.train_images)} training, {len(data.test_images)} test, {len(data.unlabelled_images)} unlabelled"
    )
    side = data.train_images.shape[1]
    print(f"ingest: {counts} images of {side} pixels a side, {len(data.classes)} classes", flush=True)


if __name__ == "__main__":
    run_stage(main)
