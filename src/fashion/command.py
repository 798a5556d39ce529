"""The command `fashion`: settings for your own images, and what to do with a trained model."""

import argparse
import contextlib
import csv
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion.errors import InputError
from fashion.init import SOURCES, write_params

if TYPE_CHECKING:
    from fashion.use.predicting import Answers

MODEL = Path("models/final.safetensors")  # where `dvc repro` puts it


def main() -> None:
    """Run a command; bad input is said in one line, with exit status 2, an interruption with 130."""
    arguments = parser().parse_args()
    output = getattr(arguments, "output", None)
    try:
        if output is not None:
            check_output(output, [arguments.model, *map(Path, getattr(arguments, "images", []))])
        arguments.run(arguments)
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        print(f"error: {output or error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python does not try again at its end
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def check_output(output: Path, inputs: list[Path]) -> None:
    """Refuse to write over a folder, or over what is read."""
    if output.is_dir():
        raise InputError(f"{output}: a folder; name a file in it")
    if output.resolve() in [path.resolve() for path in inputs]:
        raise InputError(f"{output}: is read, and would be overwritten; name another file")


def parser() -> argparse.ArgumentParser:
    """Describe all commands and their options."""
    whole = argparse.ArgumentParser(prog="fashion", description="Classifiers for small grey images.")
    commands = whole.add_subparsers(dest="command", required=True)

    about = "write params.yaml for your own images in data/raw; docs/your_own_data.md leads through it"
    one = commands.add_parser("init", help=about, description=about)
    one.add_argument("--source", choices=SOURCES, help="what the images lie in; found by itself if they are there")
    one.add_argument("--force", action="store_true", help="replace a params.yaml with changes that are not committed")
    one.set_defaults(run=lambda given: write_params(Path(), given.source, force=given.force))

    about = "label images; writes a table of CSV with the likeliest class of each"
    one = commands.add_parser("predict", help=about, description=about)
    places = (
        "image files, folders, tables of pix1..pixN, with ID, label or neither (.csv), arrays of grey levels (.npy)"
    )
    one.add_argument("images", nargs="+", metavar="IMAGES", help=places)
    one.add_argument("--model", type=Path, default=MODEL, metavar="FILE", help=f"{MODEL}, if not given")
    one.add_argument("--probabilities", action="store_true", help="a column more for each class")
    one.add_argument("--output", type=Path, metavar="FILE", help="write the table there, and not to the terminal")
    exact = "auto is that of the training, where this machine has it; fp32 is slower, and the same on all CPUs"
    one.add_argument("--precision", choices=["auto", "fp32"], default="auto", help=exact)
    one.set_defaults(run=predict)

    about = "tell what a model file holds"
    one = commands.add_parser("info", help=about, description=about)
    one.add_argument("model", nargs="?", type=Path, default=MODEL, metavar="MODEL", help=f"{MODEL}, if not given")
    one.set_defaults(run=info)

    about = "write a model in a format that other programs run, from grey levels to probabilities"
    one = commands.add_parser("export", help=about, description=about)
    one.add_argument("model", nargs="?", type=Path, default=MODEL, metavar="MODEL", help=f"{MODEL}, if not given")
    one.add_argument("--format", choices=["onnx"], default="onnx", help="onnx, which ONNX Runtime and others run")
    one.add_argument("--output", type=Path, metavar="FILE", help="MODEL with another ending, if not given")
    one.set_defaults(run=export)
    return whole


# Each imports what it needs itself: torch takes a second, and `fashion init` and `--help` need none of it.


def predict(given: argparse.Namespace) -> None:
    """Label images: `fashion predict`."""
    import torch

    from fashion.classifier.device import prepare_to_compute
    from fashion.files import replacing
    from fashion.use.predicting import predict as label

    prepare_to_compute(torch.get_num_threads())
    with contextlib.ExitStack() as stack:
        file = sys.stdout
        if given.output is not None:  # made first: better to learn now that nothing can be written there
            temporary = stack.enter_context(replacing(given.output))
            file = stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
        answers = label(given.images, given.model, precision=given.precision)
        csv.writer(file, lineterminator="\n").writerows(table(answers, probabilities=given.probabilities))
    if given.output is not None:
        print(f"predict: {len(answers.images)} images labelled in {given.output}")
    strangers = [name for name, unlike in zip(answers.images, answers.unlike, strict=True) if unlike]
    if strangers:
        print(
            f"warning: {len(strangers)} of {len(answers.images)} images are unlike those that the model learned from "
            f"(of those, 5% are as well), the first {strangers[0]}; their classes may mean nothing",
            file=sys.stderr,
        )


def table(answers: "Answers", *, probabilities: bool) -> Iterator[Iterable[Any]]:
    """Give the rows of the table, its head first."""
    more = [f"probability of {name}" for name in answers.class_names] if probabilities else []
    yield ["image", "label", "class", "confidence", "unlike", *more]
    for number, (name, label) in enumerate(zip(answers.images, answers.labels.tolist(), strict=True)):
        shares = answers.probabilities[number]
        row = [name, label, answers.class_names[label], f"{shares[label]:.4f}", "yes" if answers.unlike[number] else ""]
        yield row + [f"{share:.6f}" for share in shares] if probabilities else row


def info(given: argparse.Namespace) -> None:
    """Tell what a model file holds: `fashion info`."""
    from fashion.classifier.file import load

    classifier = load(given.model)
    frame = classifier.frame
    print(f"family       {classifier.family}, {classifier.arguments}")
    print(f"parameters   {classifier.parameters():,}, {given.model.stat().st_size / 1e6:.1f} MB")
    size = f"{frame.content}x{frame.content} pixels"
    print(f"images       grey, {size}; others are shrunk{', or enlarged' if frame.enlarge else ''} to fit")
    print(f"views        {classifier.views} of each image")
    print(f"classes      {len(classifier.classes)}: {', '.join(classifier.classes)}")
    print(f"temperature  {classifier.temperature:.3f}")
    if classifier.threshold is not None:
        print(
            f"threshold    {classifier.threshold:.3f}; images of a lower energy score are unlike those it learned from"
        )
    print(f"trained on   {', '.join(f'{key} {value}' for key, value in classifier.environment.items())}")


def export(given: argparse.Namespace) -> None:
    """Write a model for other programs: `fashion export`."""
    from fashion.classifier.file import load
    from fashion.use.exporting import export_onnx

    classifier = load(given.model)
    output = given.output or given.model.with_suffix(f".{given.format}")
    difference = export_onnx(classifier, output)
    content = classifier.frame.content
    print(f"export: {output}, {output.stat().st_size / 1e6:.1f} MB; ONNX Runtime agrees to {difference:.0e}")
    print(f"input   images: uint8 of N x {content} x {content}, grey levels from 0 to 255")
    print(f"output  probabilities: float32 of N x {len(classifier.classes)}; energy_score: float32 of N")
