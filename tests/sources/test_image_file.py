"""Read image files of every format and mode as a viewer shows them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from fashion.errors import InputError
from fashion.settings.frame import Frame
from fashion.sources.image_file import decode, open_image, read_image, shape_of
from fashion.sources.resizing import resize_and_pad

MODES = ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I", "F"]
MODES += ["I;16", "I;16B", "I;16L"]
SUFFIXES = ["png", "jpg", "bmp", "webp", "tiff", "gif", "ppm", "pgm", "jp2", "avif"]


@pytest.fixture(scope="session")
def images(images: np.ndarray) -> np.ndarray:
    """400 grey images, N x 28 x 28."""
    return images[:, 0]


def make_frame(channels: int = 1, **changes: object) -> Frame:
    size = {"height": 28, "width": 28, "content_height": 28, "content_width": 28, "enlarge": False}
    return Frame.model_validate({"channels": channels, "background": [0] * channels, **size, **changes})


def read_grey(path: Path, **changes: object) -> np.ndarray:
    return read_image(path, make_frame(1, **changes))[0]


def shape_in_header(path: Path) -> tuple[int, int]:
    with open_image(path) as image:
        return shape_of(image)


def convert(image: Image.Image, mode: str) -> Image.Image:
    """Convert a colour image to a mode, also to those that Pillow reaches by a detour."""
    detours = {"La": "LA", "PA": "P", "RGBa": "RGBA", "I;16": "I", "I;16B": "I", "I;16L": "I"}
    if mode == "LAB":
        return Image.merge("LAB", image.split())
    if mode.startswith("I;16"):
        image = image.convert("L")
    return (image.convert(detours[mode]) if mode in detours else image).convert(mode)


def written_files(folder: Path, image: Image.Image) -> list[Path]:
    """Save an image in every mode and format that Pillow can write."""
    paths = []
    for mode in MODES:
        for suffix in SUFFIXES:
            path = folder / f"{mode.replace(';', '')}.{suffix}"
            try:
                convert(image, mode).save(path)
            except (OSError, ValueError, KeyError):  # this format has no such mode, or this Pillow no such format
                continue
            paths.append(path)
    return paths


def test_images_of_every_mode_that_pillow_writes_are_read_or_refused_in_a_line(tmp_path: Path) -> None:
    colors = np.zeros((20, 30, 3), np.uint8)
    colors[:, 10:20, 0], colors[:, 20:] = 200, 90
    paths = written_files(tmp_path, Image.fromarray(colors))
    assert len(paths) > 60
    for path in paths:
        try:
            gray, color = (read_image(path, make_frame(channels, levels=[0, 300])) for channels in (1, 3))
        except InputError as error:
            assert path.stem == "F", path
            assert "scale all images over one range" in str(error)
            continue
        assert (gray.shape, color.shape, color.dtype) == ((1, 20, 30), (3, 20, 30), np.uint8), path
        assert shape_in_header(path) == (20, 30)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "P", "PA", "LAB"])
def test_each_mode_of_a_colour_tiff_shows_its_colours(tmp_path: Path, mode: str) -> None:
    red = Image.new("RGB", (8, 8), (220, 30, 40))
    image = Image.new("LAB", (8, 8), (119, 193, 175)) if mode == "LAB" else convert(red, mode)
    image.save(tmp_path / "red.tiff")
    shown = read_image(tmp_path / "red.tiff", make_frame(3))[:, 4, 4].astype(int)
    assert np.abs(shown - (220, 30, 40)).max() < (60 if mode in ("P", "PA", "LAB") else 4)


def test_colours_become_grey_for_a_grey_data_set_and_grey_is_repeated_for_a_colour_one(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png")
    Image.new("L", (4, 4), 99).save(tmp_path / "gray.png")
    assert read_grey(tmp_path / "red.png")[0, 0] == 76
    assert read_image(tmp_path / "gray.png", make_frame(3))[:, 0, 0].tolist() == [99, 99, 99]


def test_a_black_glyph_on_transparency_stands_on_the_background(tmp_path: Path, images: np.ndarray) -> None:
    for mode, suffix in (("LA", "png"), ("RGBA", "webp"), ("RGBA", "tiff")):
        path = tmp_path / f"glyph.{suffix}"
        black = np.zeros_like(images[0])
        Image.fromarray(np.stack([black] * (len(mode) - 1) + [images[0]], -1), mode).save(path, lossless=True)
        np.testing.assert_allclose(read_grey(path, background=[255]), 255 - images[0].astype(int), atol=1)
    color = read_image(path, make_frame(3, background=[10, 200, 30]))
    assert color[:, 0, 0].tolist() == [10, 200, 30]


@pytest.mark.parametrize(("mode", "suffix"), [("P", "gif"), ("P", "png"), ("L", "png"), ("RGB", "png"), ("1", "png")])
def test_a_transparent_colour_of_a_palette_or_of_an_opaque_mode_is_transparent(
    tmp_path: Path, mode: str, suffix: str
) -> None:
    image = Image.new(mode, (4, 4), 0)
    image.putpixel((1, 1), (255, 255, 255) if mode == "RGB" else 1)
    image.save(tmp_path / f"a.{suffix}", transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert read_grey(tmp_path / f"a.{suffix}", background=[77])[3, 3] == 77


def test_levels_of_16_bits_are_scaled_over_the_range_of_the_data_set(tmp_path: Path) -> None:
    values = np.array([[100, 243, 270, 2100, 4100, 60000]])
    for name, dtype in (("a.png", "<u2"), ("b.tiff", "<u2"), ("c.tiff", ">u2"), ("d.tiff", "<i4")):
        path = tmp_path / name
        Image.fromarray(values.astype(dtype)).save(path)
        assert read_grey(path, levels=[100, 4100]).tolist() == [[0, 9, 11, 128, 255, 255]]
        assert read_grey(path).tolist() == [[0, 1, 1, 8, 16, 233]], "a model of 8-bit images takes all 16 bits"


def test_integers_of_more_than_16_bits_are_refused_with_the_remedy(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match=r"a.tiff: has levels from 0 to 70,000; scale all images by one factor"):
        read_grey(tmp_path / "a.tiff")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "jpg", "gif", "ppm"])
def test_the_format_of_an_image_is_known_by_its_content(tmp_path: Path, images: np.ndarray, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(images[0]).save(tmp_path / f"image.{suffix}", **options)
    path = (tmp_path / f"image.{suffix}").rename(tmp_path / "image.dat")
    difference = np.abs(read_grey(path).astype(int) - images[0])
    assert difference.mean() <= (10 if suffix == "jpg" else 0)


def test_an_image_is_turned_by_its_exif_orientation(tmp_path: Path, images: np.ndarray) -> None:
    turned = Image.fromarray(np.rot90(images[0][:20]))
    exif = turned.getexif()
    exif[0x0112] = 6  # Orientation: turn by 90 degrees to the right
    turned.save(tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(read_grey(tmp_path / "photo.png"), images[0][:20])
    assert shape_in_header(tmp_path / "photo.png") == (20, 28)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("mode", ["L", "I;16", "RGB"])
@pytest.mark.parametrize(("orientation", "turns"), [(6, 1), (8, 3)])
def test_a_turned_tiff_is_shown_upright_with_or_without_compression(
    tmp_path: Path, images: np.ndarray, mode: str, compression: str | None, orientation: int, turns: int
) -> None:
    upright = images[0][:20]
    pixels = {"L": upright, "I;16": upright.astype(np.uint16) * 257, "RGB": np.stack([upright] * 3, -1)}[mode]
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(pixels, turns)))
    exif = turned.getexif()
    exif[0x0112] = orientation
    turned.save(tmp_path / "scan.tiff", exif=exif, compression=compression)
    np.testing.assert_array_equal(read_grey(tmp_path / "scan.tiff"), upright)
    assert shape_in_header(tmp_path / "scan.tiff") == (20, 28)


def test_too_little_memory_is_no_fault_of_a_file(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Image.Image) -> None:
        raise MemoryError

    Image.fromarray(images[0]).save(tmp_path / "a.png")
    monkeypatch.setattr("fashion.sources.image_file.decode", fail)
    with pytest.raises(MemoryError):
        read_grey(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("suffix", "format_name"), [("gif", "GIF"), ("tiff", "TIFF"), ("webp", "WEBP"), ("jpg", "MPO")]
)
def test_of_several_frames_the_first_is_read(tmp_path: Path, suffix: str, format_name: str) -> None:
    frames = [Image.new("RGB", (8, 8), (level,) * 3) for level in (200, 40, 90)]
    path = tmp_path / f"frames.{suffix}"
    frames[0].save(path, format=format_name, save_all=True, append_images=frames[1:])
    assert read_grey(path)[0, 0] == pytest.approx(200, abs=3)


def test_a_large_jpeg_is_decoded_small_and_keeps_its_look(tmp_path: Path, images: np.ndarray) -> None:
    large = Image.fromarray(images[0]).resize((2800, 2800), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.jpg", quality=95)
    large.save(tmp_path / "large.png")
    photo, same = (read_image(tmp_path / name, make_frame()) for name in ("large.jpg", "large.png"))
    assert (photo.shape, same.shape) == ((1, 700, 700), (1, 2800, 2800))
    small, expected = (resize_and_pad(image, make_frame())[0].astype(int) for image in (photo, same))
    assert np.abs(small - expected).mean() < 1
    assert shape_in_header(tmp_path / "large.jpg") == (2800, 2800)


def test_every_mode_is_decoded_to_one_of_five(tmp_path: Path) -> None:
    for path in written_files(tmp_path, Image.new("RGB", (4, 4), (1, 200, 3))):
        if path.stem != "F":
            with open_image(path) as image:
                assert decode(image).mode in ("L", "LA", "RGB", "RGBA", "I"), path


def test_a_file_that_is_no_image_is_to_be_converted_and_an_empty_one_removed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("<svg/>")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"a.png: not an image in a known format \(PNG, .*\); convert it to PNG"):
        shape_in_header(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"b.png: not an image .*; it is empty: remove it, or replace it"):
        shape_in_header(tmp_path / "b.png")


def test_avif_is_read_where_pillow_has_it(tmp_path: Path, images: np.ndarray) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    Image.fromarray(images[0]).save(tmp_path / "a.avif")
    assert read_grey(tmp_path / "a.avif").shape == (28, 28)
