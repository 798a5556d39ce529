"""Validate the results in git: locks are fresh, the report and the tables of the pages follow from the results.

python -m tools.validate            check
python -m tools.validate --write    write the tables of the pages
"""

import argparse
import sys
from pathlib import Path

from abreast.check.freshness import check as check_locks
from abreast.errors import AbreastError
from fashion.params import Params, check
from fashion.results.report.page import render
from fashion.settings.parsing import load_yaml
from stages import paths
from stages.results.report import read_results
from tools import seeds
from tools.pages import ROOT, pages, read_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables of the pages")
    arguments = parser.parse_args()
    params = check(load_yaml(ROOT / "params.yaml"), source="params.yaml")
    if arguments.write:
        for path, text in pages().items():
            path.write_text(text, encoding="utf-8")
        return
    errors = stale_stages(ROOT) or [*seeds_errors(params), *report_errors(params)] or page_errors()
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    if errors:
        sys.exit(2)
    print(f"validated: dvc.lock is fresh, and the results of {len(params.variants) + 1} systems are there")


def stale_stages(root: Path) -> list[str]:
    """List the stages that differ from their locks, in code, settings or outputs; needs no data."""
    try:
        result = check_locks([], root)
    except AbreastError as error:
        return [f"dvc.lock: {error}"]
    if result.fresh:
        return []
    by_hand = f"; force what DVC does not see: `dvc repro --force --single-item {' '.join(result.unseen)}`"
    remedy = "run `make repro`, or `make relock` after a refactoring, and commit what it writes"
    return [*result.lines(), f"dvc.lock: not fresh; {remedy}{by_hand if result.unseen else ''}"]


def seeds_errors(params: Params) -> list[str]:
    """Check that the runs with other seeds are of systems in params.yaml, and that the report has their results."""
    listed = load_yaml(ROOT / paths.SEEDS_LIST)
    counts = seeds.counts_of(listed)
    if listed != seeds.list_of(params, counts):
        return [f"{paths.SEEDS_LIST}: not of the systems in params.yaml; run `make seeds`"]
    results = read_json(str(paths.SEEDS_RESULTS))
    if counts and results != read_json(str(paths.SEEDS / "seeds.json")):
        return [f"{paths.SEEDS_RESULTS}: not the copy of {paths.SEEDS}/seeds.json that `make seeds` makes"]
    if {name: len(row.get("runs", [])) for name, row in results.items()} != counts:
        return [f"{paths.SEEDS_RESULTS}: not the runs that {paths.SEEDS_LIST} lists; run `make seeds`"]
    return []


def report_errors(params: Params) -> list[str]:
    """Render the report again: it shows dvc.yaml, which DVC accepts as no stage's dependency."""
    path = ROOT / paths.REPORT
    if path.exists() and path.read_text(encoding="utf-8") == render(read_results(params, ROOT)):
        return []
    return [f"{paths.REPORT}: does not show the results in git; run `dvc repro --force --single-item report`"]


def page_errors() -> list[str]:
    """Check that the tables of the pages follow from the results."""
    return [
        f"{path.relative_to(ROOT)}: not the tables of the results; run `python -m tools.validate --write`"
        for path, text in pages().items()
        if path.read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    main()
