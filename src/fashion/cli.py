"""The command `fashion`: write settings for your own images; predict with a trained model, describe or export it."""

import argparse
import contextlib
import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion.errors import InputError
from fashion.init import SOURCES, write_params

if TYPE_CHECKING:
    from fashion.inference.predict import Predictions

MODEL = Path("models/final.safetensors")  # written by `make repro`
COLORS = {1: "grey", 3: "red, green and blue"}  # by the number of channels
QUICK_MODEL = "quick" / MODEL  # written by `make quick`


def main() -> None:
    """Run a command. Bad input prints one line and exits with status 2; Ctrl-C exits with 130."""
    arguments = make_parser().parse_args()
    output = getattr(arguments, "output", None)
    try:
        if "model" in arguments:
            require_model(arguments.model)
        if output is not None:
            check_output(output, [arguments.model, *map(Path, getattr(arguments, "images", []))])
        arguments.run(arguments)
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of stdout has closed it, as `head` does
        discard_stdout()
        sys.exit(1)
    except OSError as error:
        print(f"error: {output or error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        discard_stdout()
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def discard_stdout() -> None:
    """Redirect stdout to /dev/null: Python flushes it again at exit, which would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def require_model(path: Path) -> None:
    """Raise InputError, with the ways to a model, if there is none at this path."""
    if not path.exists():
        quick = QUICK_MODEL if QUICK_MODEL.exists() else None
        remedy = (
            f"{quick} is one that `make quick` has trained on few images"
            if quick
            else f"`make quick`, in a clone of this project, trains one on few images in 3 minutes, {QUICK_MODEL}"
        )
        raise InputError(f"{path}: no such model; {remedy}; `make repro` trains that of all images, {MODEL}")


def check_output(output: Path, inputs: list[Path]) -> None:
    """Raise InputError if the output is a folder or one of the inputs."""
    if output.is_dir():
        raise InputError(f"{output}: a folder; name a file in it")
    if output.resolve() in [path.resolve() for path in inputs]:
        raise InputError(f"{output}: an input, which would be overwritten; name another file")


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands and their options."""
    parser = argparse.ArgumentParser(prog="fashion", description="Classifiers for small images.")
    commands = parser.add_subparsers(dest="command", required=True)

    description = "write params.yaml for your own images in data/raw; see docs/your_own_data.md"
    command = commands.add_parser("init", help=description, description=description)
    command.add_argument("--source", choices=SOURCES, help="format of the images; default: the one found in data/raw")
    command.add_argument("--nested", action="store_true", help="classes are folders in folders, as animals/cat")
    shape = "height, width and, in colour, 3: of images in a table that are not square"
    command.add_argument("--shape", type=int, nargs="+", metavar="N", help=shape)
    command.add_argument("--force", action="store_true", help="overwrite params.yaml even with uncommitted changes")
    command.set_defaults(run=init)

    description = "label images; writes CSV with the most likely class of each image"
    command = commands.add_parser("predict", help=description, description=description)
    inputs = (
        "image files, folders, tables (.csv) with columns pix1..pixN and ID, label or neither, IDX files, "
        "arrays of levels (.npy)"
    )
    command.add_argument("images", nargs="+", metavar="IMAGES", help=inputs)
    command.add_argument("--model", type=Path, default=MODEL, metavar="FILE", help=f"default: {MODEL}")
    command.add_argument("--probabilities", action="store_true", help="add a column for each class")
    command.add_argument("--output", type=Path, metavar="FILE", help="write the CSV to FILE; default: stdout")
    precisions = "auto: as in training, if this machine supports it; fp32: slower, but the same on all CPUs"
    command.add_argument("--precision", choices=["auto", "fp32"], default="auto", help=precisions)
    command.set_defaults(run=predict)

    description = "describe a model file: family, classes, image size, training environment"
    command = commands.add_parser("info", help=description, description=description)
    command.add_argument("model", nargs="?", type=Path, default=MODEL, metavar="MODEL", help=f"default: {MODEL}")
    command.set_defaults(run=info)

    description = "convert a model, from levels to probabilities, to a format for other programs"
    command = commands.add_parser("export", help=description, description=description)
    command.add_argument("model", nargs="?", type=Path, default=MODEL, metavar="MODEL", help=f"default: {MODEL}")
    command.add_argument("--format", choices=["onnx"], default="onnx", help="onnx: for ONNX Runtime and others")
    command.add_argument("--output", type=Path, metavar="FILE", help="default: MODEL with the suffix of the format")
    command.set_defaults(run=export)
    return parser


def init(arguments: argparse.Namespace) -> None:
    """Write params.yaml for your own images: `fashion init`."""
    write_params(Path(), arguments.source, force=arguments.force, nested=arguments.nested, shape=arguments.shape)


# Commands import what they need themselves: torch takes a second, and `fashion init` and `--help` do without it.


def predict(arguments: argparse.Namespace) -> None:
    """Label images: `fashion predict`."""
    import torch

    from fashion.classifier.device import configure_torch
    from fashion.files import atomic_write
    from fashion.inference.predict import predict as predict_images
    from fashion.sources.image_file import MAX_LEVEL

    configure_torch(torch.get_num_threads())
    with contextlib.ExitStack() as stack:
        file = sys.stdout
        if arguments.output is not None:  # opened before predicting: an error here costs no time
            temporary = stack.enter_context(atomic_write(arguments.output))
            file = stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
        predictions = predict_images(arguments.images, arguments.model, precision=arguments.precision)
        csv.writer(file, lineterminator="\n").writerows(csv_rows(predictions, probabilities=arguments.probabilities))
    if arguments.output is not None:
        print(f"predict: {len(predictions.images)} images labelled in {arguments.output}")
    if predictions.skipped:
        count, first = len(predictions.skipped), predictions.skipped[0]
        print(f"skipped files that are no images: {count}, the first {first}", file=sys.stderr)
    if predictions.deep:
        print(
            f"warning: {len(predictions.deep)} of {len(predictions.images)} images have more than 8 bits, the first "
            f"{predictions.deep[0]}; the model was trained on images of 8 bits, so levels 0 to {MAX_LEVEL:,} become "
            "0 to 255, and labels may be wrong",
            file=sys.stderr,
        )
    named = zip(predictions.images, predictions.out_of_distribution, strict=True)
    outliers = [name for name, is_outlier in named if is_outlier]
    if outliers:
        print(
            f"warning: {len(outliers)} of {len(predictions.images)} images are out of distribution, the first "
            f"{outliers[0]}; their labels may be wrong (5% of validation images are out of distribution)",
            file=sys.stderr,
        )


def csv_rows(predictions: "Predictions", *, probabilities: bool) -> Iterator[list[Any]]:
    """Give the header, then a row for each image; with `probabilities`, also a column for each class."""
    class_columns = [f"probability of {name}" for name in predictions.class_names] if probabilities else []
    yield ["image", "label", "class", "confidence", "out_of_distribution", *class_columns]
    for index, (name, label) in enumerate(zip(predictions.images, predictions.labels.tolist(), strict=True)):
        by_class = predictions.probabilities[index]
        row = [
            name,
            label,
            predictions.class_names[label],
            f"{by_class[label]:.4f}",
            "yes" if predictions.out_of_distribution[index] else "",
        ]
        yield row + [f"{probability:.6f}" for probability in by_class] if probabilities else row


def info(arguments: argparse.Namespace) -> None:
    """Describe a model file: `fashion info`."""
    from fashion.classifier.model_file import load
    from fashion.networks.building import factory
    from fashion.sources.image_file import MAX_LEVEL

    ensemble = load(arguments.model)
    frame, first = ensemble.frame, ensemble.used[0]
    print(f"family       {first.family}, {first.arguments}")
    if isinstance(first.model, factory.Pretrained) and (weights := first.model.describe_weights(first.arguments)):
        print(f"pretrained   {', '.join(f'{key} {value}' for key, value in weights.items())}")
    print(f"parameters   {ensemble.num_parameters():,}, {arguments.model.stat().st_size / 1e6:.1f} MB")
    if ensemble.refit and len(ensemble.members) > 1:
        print(
            f"refit        trained on all labelled images, and predicts; figures are of {len(ensemble.members)} others"
        )
    elif ensemble.refit:
        print("refit        trained on training and validation images together")
    elif len(ensemble.members) > 1:
        print(f"folds        {len(ensemble.members)} models, which predict together")
    color, size = COLORS[frame.channels], f"{frame.content_height}x{frame.content_width} pixels"
    smaller = "enlarged" if frame.enlarge else "padded"
    print(f"images       {color}, {size} (height x width); larger ones are shrunk, smaller ones {smaller}")
    print(f"background   {', '.join(map(str, frame.background))}")
    low, high = frame.levels if frame.levels[1] > 255 else (0, MAX_LEVEL)
    print(f"levels       0 to 255; in images of more than 8 bits {low:,} to {high:,} become these")
    print(f"views        test-time augmentation: {first.test_time_augmentation}")
    print(f"classes      {len(ensemble.classes)}: {', '.join(ensemble.classes)}")
    print(f"temperature  {', '.join(f'{classifier.temperature:.3f}' for classifier in ensemble.used)}")
    print(f"threshold    {ensemble.threshold:.3f}; images with a lower energy score are out of distribution")
    print(f"trained on   {', '.join(f'{key} {value}' for key, value in ensemble.environment.items())}")


def export(arguments: argparse.Namespace) -> None:
    """Convert a model to another format: `fashion export`."""
    from fashion.classifier.model_file import load
    from fashion.inference.export import export_onnx

    ensemble = load(arguments.model)
    output = arguments.output or arguments.model.with_suffix(f".{arguments.format}")
    difference = export_onnx(ensemble, output)
    frame = ensemble.frame
    shape = f"N x {frame.channels} x {frame.content_height} x {frame.content_width}"
    print(f"export: {output}, {output.stat().st_size / 1e6:.1f} MB; ONNX Runtime differs by at most {difference:.0e}")
    print(f"input   images: uint8 of {shape}, {COLORS[frame.channels]}, levels from 0 to 255")
    print(f"output  probabilities: float32 of N x {len(ensemble.classes)}; energy_score: float32 of N")
