"""Check params.yaml, as every stage does before it starts. `make repro` does so before all stages.

python -m tools.check
"""

from fashion.params import Params
from stages.entry import run_stage


def main(params: Params) -> None:
    print(f"params.yaml is valid: {len(params.variants)} variants and the final model", flush=True)


if __name__ == "__main__":
    run_stage(main)
