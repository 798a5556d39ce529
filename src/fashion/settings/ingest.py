"""Section `ingest`: raw files, and the size of the images made from them."""

from typing import Annotated, Literal

from pydantic import Field

from fashion.settings.fields import Side, Strict

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Checksums(Strict):
    """SHA-256 of the decompressed bytes of each IDX file."""

    train_images: Sha256 | None = None
    train_labels: Sha256 | None = None
    test_images: Sha256 | None = None
    test_labels: Sha256 | None = None

    def all_given(self) -> bool:
        """Return whether every file can be verified, wherever it comes from."""
        return None not in self.model_dump().values()


class IngestSettings(Strict):
    """How raw files become square grey images of one size.

    source: `folder` (train/CLASS/FILES and evaluate/FILES), `csv` (train.csv and evaluate.csv) or `idx` (four files,
    with an official test set).
    image_size: pixels a side; `auto` takes the longest side of any image, within limits (see sources/resizing.py).
    fit: `pad` never enlarges an image, `resize` does; both keep proportions and pad with black.
    sha256: checksums of the IDX files. If all four are given, the files may be outside data/raw/idx, and missing files
    are downloaded.
    mirrors: web folders to download IDX files from, in order of preference.
    """

    source: Literal["folder", "csv", "idx"]
    image_size: Annotated[Side, Field(ge=4)] | Literal["auto"] = "auto"
    fit: Literal["pad", "resize"] = "resize"
    sha256: Checksums = Checksums()
    mirrors: list[Annotated[str, Field(pattern="^https://[!-~]+$")]] = Field(default_factory=list)
