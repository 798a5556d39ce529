"""Section `ingest`."""

from typing import Annotated, Literal

from pydantic import Field

from fashion.settings.fields import Index, Strict

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Checksums(Strict):
    """SHA-256 of the decompressed bytes of each IDX file; null takes any."""

    train_images: Sha256 | None
    train_labels: Sha256 | None
    test_images: Sha256 | None
    test_labels: Sha256 | None


class IngestSettings(Strict):
    """source: `idx` (four files, with an official test set) or `csv` (train.csv and evaluate.csv).

    pad_to: smaller images get a black margin up to so many pixels a side.
    mirrors: folders on the web to fetch IDX files from, in this order.
    """

    source: Literal["idx", "csv"]
    pad_to: Annotated[Index, Field(le=1024)]
    sha256: Checksums
    mirrors: list[Annotated[str, Field(pattern="^https://")]]
