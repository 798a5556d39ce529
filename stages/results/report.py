"""Write report.html, one page with all results, from files that are in git.

python -m stages.results.report
"""

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fashion.files import read_json, write_text
from fashion.params import Params
from fashion.results.report.contents import Results
from fashion.results.report.costs import group_costs, read_costs
from fashion.results.report.page import render
from fashion.settings.fields import FINAL
from fashion.settings.parsing import load_yaml
from stages import paths
from stages.entry import PARAMS, run_stage

FIGURES = {  # of plots/ that the report shows, with their descriptions
    "data/samples.png": "Training images drawn by chance, as the networks get them, each with the name of its class",
    "data/classes.svg": "Images of each class in the training, validation and test parts, as a table and bars",
    "data/pixels.svg": "Levels of the training pixels: a table, shares of dark and bright ones, and of the others",
    "data/augmentation.png": "The four copies of training images: original, flip, zoom, flipped zoom",
}

AUDIT_FIGURES = {  # shown if there are any
    "audit/copies.png": "Pairs of copies and near copies: class, part and file of each, and what is wrong",
    "audit/images.png": "Images that look faulty: class, part and file of each, and why",
    "audit/labels.png": "Labels that are probably wrong: label, likelier label, file and score of each",
}

EMBEDDING_FIGURES = {  # for each entry of `embed`
    "mistakes": "Mistakes on test images, and the labelled images most similar to each by the features",
    "pairs": "The most similar pairs of labelled images by the features, which may be near copies",
}


def main(params: Params) -> None:
    page = render(read_results(params, Path()))
    write_text(paths.REPORT, page)
    print(f"report: {paths.REPORT}, {len(page.encode()) / 1e6:.1f} MB", flush=True)


def read_results(params: Params, root: Path) -> Results:
    """Read the content of the page from the folder of a project."""
    with (root / paths.PLOTS / "learning_curves.csv").open(encoding="utf-8") as file:
        curves = list(csv.DictReader(file))
    costs, scores = read_costs(root / paths.DURATIONS), read_json(root / paths.METRICS / "final.json")
    audit = read_json(root / paths.PLOTS / "audit/summary.json")
    audit["labels"] = read_json(root / paths.PLOTS / "audit/labels.json")
    folder = root / paths.PLOTS / "embedding"
    stages = {name: f"train@{name}" for name in params.variants} | {FINAL: "finetune"}
    return Results(
        final=FINAL,
        classes=list(scores["per_class"]),
        families={name: variant.family for name, variant in params.variants.items()} | {FINAL: params.model.family},
        table=read_json(root / paths.METRICS / "variants.json"),
        table_object=git_object((root / paths.METRICS / "variants.json").read_bytes()),
        seeds=read_json(root / paths.SEEDS_RESULTS),
        scores=scores,
        curves=curves,
        costs={name: costs[stage] for name, stage in stages.items() if stage in costs},
        stage_costs=group_costs(costs),
        data=read_json(root / paths.PLOTS / "data/counts.json"),
        audit=audit,
        answers=read_json(root / paths.PLOTS / "final/answers.json"),
        sheet=(root / paths.PLOTS / "final/answers.png").read_bytes(),
        figures={text: (root / paths.PLOTS / name).read_bytes() for name, text in FIGURES.items()},
        audit_figures={
            text: (root / paths.PLOTS / name).read_bytes()
            for name, text in AUDIT_FIGURES.items()
            if has_any(audit[Path(name).stem])
        },
        maps={name: (folder / f"{name}.svg").read_text(encoding="utf-8") for name in params.embed},
        embedding_figures={
            f"{text} ({name})": (folder / f"{name}_{figure}.png").read_bytes()
            for name in params.embed
            for figure, text in EMBEDDING_FIGURES.items()
        },
        stages=load_yaml(root / "dvc.yaml")["stages"],
        settings=load_yaml(root / PARAMS),
    )


def git_object(content: bytes) -> str:
    r"""Give git's name for the content of a file: `git log --find-object=NAME` finds the commits that have added it.

    >>> git_object(b"hello\n")
    'ce013625030ba8dba906f756967f9e9ca394464a'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def has_any(counts: Mapping[str, Any]) -> bool:
    """Tell whether there is anything to show: of the counts, or of the rows in `first`."""
    return bool(counts["first"]) if "first" in counts else any(counts.values())


if __name__ == "__main__":
    run_stage(main)
