"""Scripts that are no stages; `make help` lists the commands that run them.

check.py     check params.yaml
quick.py     prepare a short run of everything in quick/
result.py    print what the final model reaches, after `make quick` and `make repro`
seeds.py     list trainings with other seeds
validate.py  check that the results in git are those of the code and settings beside them
pages.py     write the tables of README and docs from the results
record.py    record commands as an animated SVG, for README
pictures.py  draw the pictures of README and docs from results in git
site.py      write report and docs as a website
relock.py    renew the code checksums in dvc.lock after a refactoring, if all stages still write the same bytes
sample.py    a checkout on the small sample of tests/data, for relock
audit.py     look up known vulnerabilities of the pinned packages
"""

import sys
from pathlib import Path

# Import the library and the runner beside this folder, also in a copy of the project.
sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("src", "packages/abreast/src")]
