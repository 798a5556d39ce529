"""The graph in dvc.yaml against the code: each stage names the modules that it imports, no more and no fewer."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from fashion import families
from fashion.settings.parsing import load_yaml

ROOT = Path(__file__).parents[1]
FAMILY = "src/fashion/families/*.py"  # stands for the one family that a system uses
# These refuse or report and cannot change what a stage writes, so improving them makes nothing run again.
GUARDS = {
    "stages/entry.py",
    "src/fashion/progress.py",
    "src/fashion/settings/params.py",
    "src/fashion/settings/parsing.py",
}
FILES = {"dvc.yaml": load_yaml(ROOT / "dvc.yaml"), "stages/dvc.yaml": load_yaml(ROOT / "stages" / "dvc.yaml")}
STAGES = [(file, name) for file, content in FILES.items() for name in content["stages"]]


def code_listed(file: str, name: str) -> set[str]:
    """List the Python files among a stage's dependencies."""
    stage = FILES[file]["stages"][name]
    deps = stage.get("do", stage)["deps"]
    return {FAMILY if "families/${" in dep else dep for dep in deps if dep.endswith(".py")}


def code_used(script: str) -> set[str]:
    """Follow the imports from a script through the project's own modules."""
    found, open_files = set(), [script]
    while open_files:
        file = open_files.pop()
        if file in found or file in GUARDS or not statements(file):
            continue
        found.add(file)
        open_files += imports(file)
        if file == "src/fashion/families/__init__.py":  # imports one by its name
            found.add(FAMILY)
            open_files += [used for name in families.names() for used in imports(f"src/fashion/families/{name}.py")]
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


@pytest.mark.parametrize(("file", "name"), STAGES)
def test_a_stage_depends_on_the_code_it_imports_and_on_no_other(file: str, name: str) -> None:
    assert code_listed(file, name) == code_used(f"stages/{name}.py")


def test_the_final_models_evaluation_is_that_of_the_variants() -> None:
    variant = FILES["dvc.yaml"]["stages"]["evaluate"]["do"]
    final = FILES["stages/dvc.yaml"]["stages"]["evaluate"]["do"]
    for key in ("deps", "outs"):
        expected = [
            line.replace("${key}", "${item}").replace("${item.family}", "${model.family}") for line in variant[key]
        ]
        assert final[key] == expected
    assert final["params"] == variant["params"]


@pytest.mark.parametrize(("file", "name"), [("dvc.yaml", "train"), ("dvc.yaml", "finetune")])
def test_no_training_depends_on_test_images(file: str, name: str) -> None:
    stage = FILES[file]["stages"][name]
    assert not [dep for dep in stage.get("do", stage)["deps"] if "test" in dep]


HEAVY = {"torch", "pandas", "matplotlib", "sklearn"}
USED = {
    "ingest": {"pandas"},
    "split": {"pandas", "sklearn"},
    "augment": set(),
    "train": {"torch"},
    "finetune": {"torch"},
    "evaluate": {"torch", "pandas", "sklearn"},
    "compare": {"pandas", "sklearn"},
    "predict": {"torch", "pandas"},
    "check": set(),
    "repro": set(),
}


@pytest.mark.parametrize(("script", "used"), USED.items())
def test_a_stage_pays_for_the_heavy_imports_that_it_uses_alone(script: str, used: set[str]) -> None:
    code = f"import sys; sys.path.insert(0, 'stages'); import {script}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert HEAVY & set(loaded.split()) == used
