"""Check params.yaml, as every stage does before it starts; `make repro` does so before all of them."""

from entry import run
from fashion.params import Params


def main(params: Params) -> None:
    print(f"params.yaml is valid: {len(params.variants)} variants and the final model", flush=True)


if __name__ == "__main__":
    run(main)
