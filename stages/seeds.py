"""List in seeds/params.yaml which systems to train again with other seeds, in place of what it says of them.

NUMBER: trainings of each in all, the one with the seed in params.yaml among them; 1 leaves a system with that alone.
SYSTEMS: names, or "" for all. `make seeds` then runs what is listed, and no training twice.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

import paths
from entry import run
from fashion.errors import InputError
from fashion.files import replacing, write_json, write_text
from fashion.params import Params
from fashion.results.report.costs import read_costs
from fashion.settings.fields import FINAL
from fashion.settings.parsing import load_yaml, suggest

HEAD = """\
# Trainings with other seeds than that in ../params.yaml, as `make seeds` has listed them. Family and images are those
# of that file. dvc.yaml beside this one has the stages.
"""
STAGES = ("train_again", "finetune_again")
GROUPS = ("trainings", "finetunings")


def main(params: Params, number: str, systems: str) -> None:
    known = [*params.variants, FINAL]
    names = systems.replace(",", " ").split() or known
    for name in names:
        if name not in known:
            raise InputError(f"SYSTEMS: there is no system {name!r}{suggest(name, known)}")
    if not number.isdecimal() or int(number) < 1:
        raise InputError(f"N: {number!r} is no number of trainings; take 3, or more")
    counts = counts_of(load_yaml(paths.AGAIN)) | dict.fromkeys(names, int(number))
    listed = list_of(params, counts)
    write_text(paths.AGAIN, HEAD + as_yaml(listed))
    paths.scores_again("any").parent.mkdir(parents=True, exist_ok=True)  # for the stage that reads whatever is there
    forget(listed)
    write_json(paths.SEEDS_DURATIONS, expected(listed))
    print(f"{paths.AGAIN}: {sum(len(listed[group]) for group in GROUPS)} trainings with other seeds", flush=True)


def counts_of(listed: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Count the trainings of each system that is listed, with the main one."""
    counts: dict[str, int] = {}
    for about in itertools.chain(*(listed[group].values() for group in GROUPS)):
        counts[about["system"]] = counts.get(about["system"], 1) + 1
    return counts


def list_of(params: Params, counts: Mapping[str, int]) -> dict[str, Any]:
    """List the runs to make: for each system the lowest seeds that are not the main one's."""
    trainings = {
        f"{name}-{seed}": {"system": name, "family": variant.family, "images": variant.images}
        for name, variant in params.variants.items()
        for seed in others(params.train.seed, counts.get(name, 1))
    }
    finetunings = {f"{FINAL}-{seed}": {"system": FINAL} for seed in others(params.finetune.seed, counts.get(FINAL, 1))}
    tables = ["seeds"] if trainings or finetunings else []
    return {"trainings": trainings, "finetunings": finetunings, "tables": tables}


def others(seed: int, number: int) -> list[int]:
    return [other for other in range(number) if other != seed][: number - 1]


def as_yaml(listed: Mapping[str, Any]) -> str:
    """Write a line a run."""
    lines = []
    for group in GROUPS:
        lines.append(f"{group}:" if listed[group] else f"{group}: {{}}")
        for run_, about in listed[group].items():
            lines.append(f"  {run_}: {{{', '.join(f'{key}: {value}' for key, value in about.items())}}}")
    lines.append(f"tables: [{', '.join(listed['tables'])}]")
    return "".join(f"{line}\n" for line in lines)


def forget(listed: Mapping[str, Any]) -> None:
    """Take out of the lock what is not listed any more; without any, take away what was found."""
    if not listed["tables"]:
        write_json(paths.SPREAD, {})
        for name in ("dvc.lock", "seeds.json"):
            (paths.SEEDS / name).unlink(missing_ok=True)
        return
    lock = paths.SEEDS / "dvc.lock"
    if lock.exists():
        yaml = YAML()
        content = yaml.load(lock)
        keys = {*listed["trainings"], *listed["finetunings"], *listed["tables"]}
        content["stages"] = {name: entry for name, entry in content["stages"].items() if name.partition("@")[2] in keys}
        with replacing(lock) as temporary:
            yaml.dump(content, temporary)


def expected(listed: Mapping[str, Any]) -> dict[str, float]:
    """Expect a training to take what the main one took: for the runner's order, and for the time left that it tells."""
    known = {stage: cost.seconds for stage, cost in read_costs(paths.DURATIONS).items()}
    stages = dict(known)
    for stage, group in zip(STAGES, GROUPS, strict=True):
        for run_, about in listed[group].items():
            took = known.get("finetune" if about["system"] == FINAL else f"train@{about['system']}")
            if took is not None:
                stages[f"{paths.SEEDS}/dvc.yaml:{stage}@{run_}"] = took
    return stages


if __name__ == "__main__":
    run(main)
