"""What DVC appends as each stage ends, put in the order in which `dvc repro` ends them; ours end in any order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml, loads_yaml

from abreast.errors import AbreastError


@dataclass(frozen=True)
class Ignores:
    """The lines that stages add to files .gitignore in the folders that another one depends on.

    The checksum of such a folder is that of its .gitignore, too.
    """

    orders: dict[Path, list[str]]

    @classmethod
    def of(cls, step: Any, needs: Sequence[Any]) -> Self:
        """Look at what DVC's stage `step` depends on, and at the outputs of `needs`, in this order."""
        folders = [Path(dep.fs_path) for dep in step.deps if dep.protocol == "local"]
        orders: dict[Path, list[str]] = {}
        for out in [out for need in needs for out in need.outs if out.protocol == "local"]:
            path = Path(out.fs_path)
            if any(folder in path.parents for folder in folders):
                file = path.with_name(".gitignore")
                if file not in orders:
                    orders[file] = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
                if f"/{path.name}" not in orders[file]:
                    orders[file].append(f"/{path.name}")
        return cls(orders)

    def put_in_order(self) -> None:
        """Bring the lines that are there now into order. Nobody else writes there: all that do have ended."""
        for file, order in self.orders.items():
            there = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
            wanted = in_order(there, order)
            if there != wanted:
                replace(file, "".join(f"{line}\n" for line in wanted))


@dataclass(frozen=True)
class Locks:
    """The names that each lock had before a run, and then those of the stages that run, as DVC would write them."""

    orders: dict[Path, list[str]]

    @classmethod
    def of(cls, steps: Sequence[Any]) -> Self:
        """Look at the locks of DVC's stages that are about to run in this order."""
        orders: dict[Path, list[str]] = {}
        for step in steps:
            if step.path.endswith(".dvc"):
                continue  # keeps its checksums in itself
            path = Path(step.path).with_suffix(".lock")
            if path not in orders:
                orders[path] = list(entries(path))
            if step.name not in orders[path]:
                orders[path].append(step.name)
        return cls(orders)

    def drop(self, stage: str) -> None:
        """Take a stage's entry out, so that DVC believes the run cache instead, whatever had come out before."""
        file, _, name = stage.rpartition(":")
        path = Path(file or "dvc.yaml").with_suffix(".lock")
        with Repo(_wait_for_lock=True) as repo, repo.lock:
            if name in entries(path):
                content = loads_yaml(path.read_text(encoding="utf-8"), typ="rt")
                del content["stages"][name]
                replace(path, dumps_yaml(content))

    def put_in_order(self) -> None:
        """Bring the entries that are there now into order, where they are not."""
        if all(list(entries(path)) == in_order(entries(path), order) for path, order in self.orders.items()):
            return
        with Repo(_wait_for_lock=True) as repo, repo.lock:
            for path, order in self.orders.items():
                if entries(path):
                    content = loads_yaml(path.read_text(encoding="utf-8"), typ="rt")
                    stages = content["stages"]
                    content["stages"] = {name: stages[name] for name in in_order(stages, order)}
                    replace(path, dumps_yaml(content))


def in_order(there: Iterable[str], order: list[str]) -> list[str]:
    """Sort what is there by its place in `order`; what that does not know comes last, as it stands."""
    return sorted(there, key=lambda name: order.index(name) if name in order else len(order))


def replace(path: Path, text: str) -> None:
    """Write a file beside its place, then rename it into it."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def entries(path: Path) -> dict[str, Any]:
    """Read the entries of a lock."""
    if not path.exists():
        return {}
    try:
        return loads_yaml(path.read_text(encoding="utf-8")).get("stages", {})
    except Exception as error:  # whatever the parser says
        raise AbreastError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None
