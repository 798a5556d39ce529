"""Print what the final model reaches and what to do next; `make quick` and `make repro` end with it.

python -m tools.result          of the results in git
python -m tools.result quick    of those in quick/
"""

import argparse
import sys
from pathlib import Path

from fashion.errors import InputError
from fashion.files import read_json
from fashion.params import check
from fashion.results.choice import best_by_validation
from fashion.settings.fields import FINAL
from fashion.settings.parsing import load_yaml
from stages import paths
from tools.quick import FOLDER as QUICK

NEXT = "compare with the last commit by `dvc metrics diff`; predict classes by `fashion predict IMAGE`"
NEXT_AFTER_QUICK = "`make repro` trains on all images, for all epochs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=".", type=Path, help="the folder of the results")
    folder = parser.parse_args().folder
    try:
        print(describe(folder))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def describe(folder: Path) -> str:
    """Describe the results in a folder, in three lines: the accuracy, the report, the next command."""
    params = check(load_yaml(folder / "params.yaml"), source=str(folder / "params.yaml"))
    table = read_json(folder / paths.METRICS / "variants.json")
    best = best_by_validation(table, params.variants, params.train.choose_by)
    accuracy, other = (table[name]["test_accuracy"] for name in (FINAL, best))
    short = folder == QUICK
    return (
        f"Test accuracy: {FINAL} {accuracy:.4f}; best of the {len(params.variants)} variants: {best} {other:.4f}"
        f"{' (few images, few epochs)' if short else ''}\n"
        f"The report: {folder / paths.REPORT}\n"
        f"Next: {NEXT_AFTER_QUICK if short else NEXT}"
    )


if __name__ == "__main__":
    main()
