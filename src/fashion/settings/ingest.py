"""Section `ingest`."""

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
        """Tell whether any file can be known by its content, wherever it comes from."""
        return None not in self.model_dump().values()


class IngestSettings(Strict):
    """How raw files become images of one size, grey and square.

    source: `folder` (train/CLASS/FILES and evaluate/FILES), `csv` (train.csv and evaluate.csv) or `idx` (four files,
    with an official test set).
    image_size: pixels a side; `auto` takes the longest side that there is, within limits (see `images/fitting.py`).
    fit: `pad` never enlarges, `resize` enlarges too; both keep proportions, and what remains is black.
    sha256: of IDX files; all four given, they may lie elsewhere or be fetched.
    mirrors: folders on the web to fetch IDX files from, in this order.
    """

    source: Literal["folder", "csv", "idx"]
    image_size: Annotated[Side, Field(ge=4)] | Literal["auto"] = "auto"
    fit: Literal["pad", "resize"] = "resize"
    sha256: Checksums = Checksums()
    mirrors: list[Annotated[str, Field(pattern="^https://[!-~]+$")]] = Field(default_factory=list)
