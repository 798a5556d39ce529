"""List the trainings with other seeds in seeds/params.yaml; `make seeds` then runs them, none of them twice.

python -m tools.seeds 3 "base final"

number: trainings of each system in all, including the one with the seed of params.yaml; 1 removes the others; "" keeps
the listed ones, or takes 3 if none are listed.
systems: names, or "" for all. Systems that are not named keep their trainings.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from fashion.errors import InputError
from fashion.files import atomic_write, write_json, write_text
from fashion.params import Params
from fashion.results.report.costs import read_costs
from fashion.settings.fields import FINAL
from fashion.settings.parsing import load_yaml, suggest
from stages import paths
from stages.entry import run_stage

HEAD = """\
# Trainings with other seeds than that in ../params.yaml, as `make seeds` has listed them. Family and images are those
# of that file. dvc.yaml beside this one has the stages.
"""
DEFAULT_NUMBER = "3"
STAGES = ("train_again", "finetune_again")
GROUPS = ("trainings", "finetunings")


def main(params: Params, number: str, systems: str) -> None:
    known = [*params.variants, FINAL]
    names = systems.replace(",", " ").split() or known
    for name in names:
        if name not in known:
            raise InputError(f"SYSTEMS: there is no system {name!r}{suggest(name, known)}")
    counts = counts_of(load_yaml(paths.SEEDS_LIST))
    if number or not counts:
        number = number or DEFAULT_NUMBER
        if not number.isdecimal() or int(number) < 1:
            raise InputError(f"N: {number!r} is no number of trainings; take 3, or more")
        counts |= dict.fromkeys(names, int(number))
    listed = list_of(params, counts)
    write_text(paths.SEEDS_LIST, HEAD + as_yaml(listed))
    (paths.SEEDS_DATA / "evaluated").mkdir(parents=True, exist_ok=True)  # a dependency of compare_seeds
    remove_unlisted(listed)
    write_json(paths.SEEDS_DURATIONS, expected_durations(listed))
    print(f"{paths.SEEDS_LIST}: {sum(len(listed[group]) for group in GROUPS)} trainings with other seeds", flush=True)


def counts_of(listed: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Count the trainings of each listed system, including the main one."""
    counts: dict[str, int] = {}
    for entry in itertools.chain(*(listed[group].values() for group in GROUPS)):
        counts[entry["system"]] = counts.get(entry["system"], 1) + 1
    return counts


def list_of(params: Params, counts: Mapping[str, int]) -> dict[str, Any]:
    """List the runs: for each system the lowest seeds other than the main one."""
    trainings = {
        f"{name}-{seed}": {"system": name, "family": variant.family, "image_folder": variant.image_folder}
        for name, variant in params.variants.items()
        for seed in other_seeds(params.train.seed, counts.get(name, 1))
    }
    finetunings = {
        f"{FINAL}-{seed}": {"system": FINAL} for seed in other_seeds(params.finetune.seed, counts.get(FINAL, 1))
    }
    tables = ["seeds"] if trainings or finetunings else []
    return {"trainings": trainings, "finetunings": finetunings, "tables": tables}


def other_seeds(main_seed: int, count: int) -> list[int]:
    return [seed for seed in range(count) if seed != main_seed][: count - 1]


def as_yaml(listed: Mapping[str, Any]) -> str:
    """Write one line for each run."""
    lines = []
    for group in GROUPS:
        lines.append(f"{group}:" if listed[group] else f"{group}: {{}}")
        for name, entry in listed[group].items():
            lines.append(f"  {name}: {{{', '.join(f'{key}: {value}' for key, value in entry.items())}}}")
    lines.append(f"tables: [{', '.join(listed['tables'])}]")
    return "".join(f"{line}\n" for line in lines)


def remove_unlisted(listed: Mapping[str, Any]) -> None:
    """Remove runs from the lock that are not listed any more; without any run, remove the results."""
    if not listed["tables"]:
        write_json(paths.SEEDS_RESULTS, {})
        for name in ("dvc.lock", "seeds.json"):
            (paths.SEEDS / name).unlink(missing_ok=True)
        return
    lock = paths.SEEDS / "dvc.lock"
    if lock.exists():
        yaml = YAML()
        content = yaml.load(lock)
        runs = {*listed["trainings"], *listed["finetunings"], *listed["tables"]}
        content["stages"] = {name: entry for name, entry in content["stages"].items() if name.partition("@")[2] in runs}
        with atomic_write(lock) as temporary:
            yaml.dump(content, temporary)


def expected_durations(listed: Mapping[str, Any]) -> dict[str, float]:
    """Estimate each training by the main one of its system, for the runner's order and the time left that it shows."""
    measured = {stage: cost.seconds for stage, cost in read_costs(paths.DURATIONS).items()}
    durations = dict(measured)
    for stage, group in zip(STAGES, GROUPS, strict=True):
        for name, entry in listed[group].items():
            seconds = measured.get("finetune" if entry["system"] == FINAL else f"train@{entry['system']}")
            if seconds is not None:
                durations[f"{paths.SEEDS}/dvc.yaml:{stage}@{name}"] = seconds
    return durations


if __name__ == "__main__":
    run_stage(main)
