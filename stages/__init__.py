"""The stages of dvc.yaml, one script each.

data/      ingest, split, augment
models/    train (variants, the final model, other seeds), evaluate, predict
results/   describe, compare, compare_seeds, report
figures/   show_data, show_systems, show_groups, show_predictions
entry.py   the code that every stage shares: check params.yaml, report errors, restore outputs
paths.py   the place of every file

Run a stage by `dvc repro --single-item ingest`, or without DVC by `python -m stages.data.ingest`.
"""

import sys
from pathlib import Path

# Import the library beside this folder, also in a copy of the project.
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
