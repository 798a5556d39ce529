"""The graph in dvc.yaml and the floors of the library against the imports."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from fashion.networks.building import families
from fashion.settings.parsing import load_yaml
from fashion.settings.system import TrainSettings
from fashion.training.origin import ROOMS

ROOT = Path(__file__).parents[2]
LIBRARY = "src/fashion"
FAMILY = f"{LIBRARY}/networks/families/*.py"  # stands for the one family that a system uses
# These refuse, report or name files, and cannot change what a stage writes: improving them makes nothing run again.
GUARDS = {
    "stages/entry.py",
    "stages/intact.py",
    "stages/orphan.py",
    "stages/paths.py",  # a name that dvc.yaml does not know makes its stage fail
    f"{LIBRARY}/errors.py",
    f"{LIBRARY}/params.py",
    f"{LIBRARY}/settings/fields.py",
    f"{LIBRARY}/settings/parsing.py",
}
FLOORS = [
    {"errors"},
    {"files"},
    {"settings"},
    {"sources", "images", "networks"},
    {"classifier"},
    {"training"},
    {"results"},
    {"use"},
    {"params", "init"},
    {"command"},
    {"__main__"},
]
MODULES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / LIBRARY).rglob("*.py"))
MAIN = load_yaml(ROOT / "dvc.yaml")["stages"]
SEEDS = load_yaml(ROOT / "seeds/dvc.yaml")["stages"]
STAGES = {name: stage.get("do", stage) for name, stage in {**MAIN, **SEEDS}.items()}


def code_pieces(name: str) -> set[str]:
    """List the files and folders of code among a stage's dependencies."""
    return {
        FAMILY if "networks/families" in dep else dep
        for dep in STAGES[name]["deps"]
        if dep.startswith(("src/", "stages/"))
    }


def code_listed(name: str) -> set[str]:
    """List the Python files that a stage depends on, but those that hold nothing."""
    pieces = code_pieces(name)
    inside = {module for piece in pieces for module in MODULES if module.startswith(f"{piece}/") and statements(module)}
    return {piece for piece in pieces if piece.endswith(".py")} | inside


def code_used(script: str) -> set[str]:
    """Follow the imports from a script through the project's own modules."""
    found, open_files = set(), [script]
    while open_files:
        file = open_files.pop()
        if file in found or file in GUARDS or not statements(file):
            continue
        found.add(file)
        open_files += imports(file)
        if file == f"{LIBRARY}/networks/building/families.py":  # imports one by its name
            found.add(FAMILY)
            folder = f"{LIBRARY}/networks/families"
            open_files += [used for name in families.names() for used in imports(f"{folder}/{name}.py")]
    return found


def statements(file: str) -> list[ast.stmt]:
    """Give the statements of a module but its docstring."""
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    return [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]


def imports(file: str) -> list[str]:
    """List the project's own modules that a module imports, with the packages they lie in."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    places = [
        candidate
        for name in names
        for parent in [name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)]
        for base in (f"src/{parent.replace('.', '/')}", f"stages/{parent}")
        for candidate in (f"{base}.py", f"{base}/__init__.py")
    ]
    return [place for place in places if (ROOT / place).is_file()]


def room(module: str) -> str:
    """Name the room of a module of the library, a folder or a file of its own."""
    return Path(module).relative_to(LIBRARY).parts[0].removesuffix(".py")


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_code_it_imports_and_on_no_other(name: str) -> None:
    _, script, *_ = STAGES[name]["cmd"].split()
    assert code_listed(name) == code_used(script)


@pytest.mark.parametrize("name", STAGES)
def test_no_stage_names_more_than_nine_pieces_of_code(name: str) -> None:
    assert len(code_pieces(name)) <= 9


@pytest.mark.parametrize("module", [module for module in MODULES if statements(module)])
def test_a_module_imports_its_own_room_and_lower_floors_alone(module: str) -> None:
    others = [used for used in imports(module) if statements(used) and room(used) != room(module)]
    assert [used for used in others if floor(used) >= floor(module)] == []


def test_no_module_imports_itself_in_a_circle() -> None:
    TopologicalSorter({module: imports(module) for module in MODULES}).prepare()


def test_neither_scoring_nor_predicting_knows_the_training() -> None:
    for script in ("stages/evaluate.py", "stages/predict.py"):
        assert not [
            used for used in code_used(script) if used.startswith((f"{LIBRARY}/training", f"{LIBRARY}/settings/"))
        ]


def test_using_a_model_needs_no_training() -> None:
    for script in ("predicting", "reading", "exporting"):
        used = code_used(f"{LIBRARY}/use/{script}.py")
        assert not [module for module in used if module.startswith(f"{LIBRARY}/training")]


@pytest.mark.parametrize("script", ["stages/train.py", "stages/finetune.py"])
def test_a_checkpoint_knows_all_code_that_a_training_uses(script: str) -> None:
    """But how files are read: what comes of that, images and settings, it knows by itself."""
    library = {used for used in code_used(script) if used.startswith(LIBRARY)} - {FAMILY, f"{LIBRARY}/files.py"}
    assert {room(module) for module in library} | {"networks"} == {*ROOMS}


ALSO = {"data/split/train_images.npy", "data/split/train_labels.npy", "data/predicted/train.npy"}


def test_the_final_model_is_scored_as_the_variants_are_and_on_training_images() -> None:
    variant, final = STAGES["evaluate"], STAGES["evaluate_final"]

    def named(line: str) -> str:
        return line.replace("${key}", "final").replace("${item.family}", "${model.family}")

    assert final["cmd"] == f"{variant['cmd']} final"
    for key in ("deps", "outs"):
        assert [line for line in map(path_of, final[key]) if line not in ALSO] == [
            named(line) for line in map(path_of, variant[key])
        ]
    assert (final.get("params"), final.get("meta")) == (variant.get("params"), variant.get("meta"))


@pytest.mark.parametrize("name", ["train", "finetune"])
def test_a_training_with_another_seed_hangs_on_all_that_the_main_one_does(name: str) -> None:
    main, again = STAGES[name], STAGES[f"{name}_again"]
    assert set(again["deps"]) == {*main["deps"], f"stages/{name}_again.py"}
    settings = {key.replace("${key}", "${item.system}") for key in main["params"]} - {name}
    assert set(again["params"]) == settings | {f"{name}.{key}" for key in TrainSettings.model_fields if key != "seed"}


def path_of(entry: str | dict) -> str:
    return entry if isinstance(entry, str) else next(iter(entry))


def test_test_labels_are_read_by_those_who_score_and_show_alone() -> None:
    readers = {name for name, stage in STAGES.items() if "data/split/test_labels.npy" in stage["deps"]}
    again = {"evaluate_again", "evaluate_final_again", "spread"}
    assert readers == {"evaluate", "evaluate_final", "compare", "show_data", "show_predictions"} | again


@pytest.mark.parametrize("name", ["train", "finetune", "train_again", "finetune_again"])
def test_no_training_depends_on_test_images(name: str) -> None:
    assert not [dep for dep in STAGES[name]["deps"] if "test" in dep]


HEAVY = {"torch", "pandas", "matplotlib", "sklearn"}
USED = {
    "ingest": set(),
    "split": {"pandas", "sklearn"},
    "augment": set(),
    "train": {"torch"},
    "finetune": {"torch"},
    "evaluate": {"torch"},
    "train_again": {"torch"},
    "finetune_again": {"torch"},
    "evaluate_again": {"torch"},
    "spread": set(),
    "seeds": set(),
    "quick": set(),
    "compare": {"pandas", "sklearn"},
    "predict": {"torch", "pandas"},
    "describe": {"torch"},
    "show_data": {"matplotlib"},
    "show_systems": {"matplotlib"},
    "show_groups": {"matplotlib"},
    "show_predictions": {"matplotlib", "pandas"},
    "report": set(),
    "check": set(),
}


@pytest.mark.parametrize(("script", "used"), USED.items())
def test_a_stage_pays_for_the_heavy_imports_that_it_uses_alone(script: str, used: set[str]) -> None:
    code = f"import sys; sys.path.insert(0, 'stages'); import {script}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert HEAVY & set(loaded.split()) == used
