"""Section `ingest`: raw files, and the size, colour and background of the images made from them."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fashion.settings.fields import LARGEST_SIDE, NonNegativeInt, Sha256, Side, Strict, expect
from fashion.settings.frame import Level

SMALLEST_SIDE = 8  # of arrays; networks have no use for less


def check_shape(shape: list[int]) -> list[int]:
    """Raise ValueError for another number of channels than 1 or 3."""
    if len(shape) == 3 and shape[2] not in (1, 3):
        raise ValueError(f"{shape[2]} channels")
    return shape


FrameSide = Annotated[Side, Field(ge=SMALLEST_SIDE)]
FrameSize = Annotated[
    Literal["auto"] | FrameSide | Annotated[list[FrameSide], Field(min_length=2, max_length=2)],
    expect(f"auto, pixels a side from {SMALLEST_SIDE} to {LARGEST_SIDE}, or [height, width]"),
]
Background = Annotated[
    Literal["auto"] | Level | Annotated[list[Level], Field(min_length=3, max_length=3)],
    expect("auto, a level from 0 to 255, or a list of three, of red, green and blue"),
]
Shape = Annotated[
    Annotated[list[Side], Field(min_length=2, max_length=3), AfterValidator(check_shape)] | None,
    expect("null, [height, width], or [height, width, channels] with 1 or 3 channels"),
]


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
    """How raw files become images of one size, in grey or in colour.

    source: `folder` (image files in train/CLASS), `csv` (train.csv) or `idx` (four files, with an official test set).
    classes_from: `top`, the folders in train/ are the classes; `nested`, so are folders in them, as `animals/cat`.
    min_class_size: classes with fewer labelled images are left out.
    color: `gray`, `rgb`, or `auto`: rgb if any training image has colour. Here, training images are all labelled images
    except those of a given test set: the split comes later.
    background: what is around images, and behind transparent ones: a level, or a level each of red, green and blue;
    `auto` takes it from the borders of the training images.
    image_size: pixels a side, or height and width; `auto` takes them from the training images, within limits (see
    sources/survey.py).
    fit: `pad` never enlarges an image, `resize` does; both keep proportions and pad with background.
    shape: of the images in a table, height and width, or height, width and channels; null takes it from the columns.
    sha256: checksums of the IDX files. If all four are given, the files may be outside data/raw/idx, and missing files
    are downloaded.
    mirrors: web folders to download IDX files from, in order of preference.
    """

    source: Literal["folder", "csv", "idx"]
    classes_from: Literal["top", "nested"] = "top"
    min_class_size: NonNegativeInt = 0
    color: Literal["auto", "gray", "rgb"] = "auto"
    background: Background = "auto"
    image_size: FrameSize = "auto"
    fit: Literal["pad", "resize"] = "resize"
    shape: Shape = None
    sha256: Checksums = Checksums()
    mirrors: list[Annotated[str, Field(pattern="^https://[!-~]+$")]] = Field(default_factory=list)

    @model_validator(mode="after")
    def check_source(self) -> Self:
        if self.shape is not None and self.source != "csv":
            raise ValueError(f"shape is for tables, source: csv, and not for source: {self.source}; set it to null")
        if self.classes_from == "nested" and self.source != "folder":
            raise ValueError(
                f"classes_from: nested is for folders, source: folder, and not for source: {self.source}; set it to top"
            )
        return self
