"""Compare the dependencies in dvc.yaml and the layers of the library with the imports in the code."""

import ast
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from fashion.networks.building import factory
from fashion.settings.parsing import load_yaml
from fashion.training.checkpoint import CODE_FOLDERS

ROOT = Path(__file__).parents[2]
LIBRARY = "src/fashion"
FAMILY = f"{LIBRARY}/networks/families/*.py"  # stands for the family of a system
# Code that checks input, reports errors or names files cannot change what a stage writes: no stage depends on it.
NOT_LISTED = {
    "stages/__init__.py",
    "stages/entry.py",
    "stages/paths.py",  # with a path that is not in dvc.yaml, the stage fails
    f"{LIBRARY}/errors.py",
    f"{LIBRARY}/params.py",
    f"{LIBRARY}/settings/fields.py",
    f"{LIBRARY}/settings/parsing.py",
}
LAYERS = [  # folders and files of the library; each imports only those above it
    {"errors"},
    {"files"},
    {"settings"},
    {"sources", "images", "networks"},
    {"classifier"},
    {"training"},
    {"results"},
    {"inference"},
    {"params", "init"},
    {"cli"},
    {"__main__"},
]
MODULES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / LIBRARY).rglob("*.py"))
MAIN = load_yaml(ROOT / "dvc.yaml")["stages"]
SEEDS = load_yaml(ROOT / "seeds/dvc.yaml")["stages"]
STAGES = {name: stage.get("do", stage) for name, stage in {**MAIN, **SEEDS}.items()}
SAME_CODE = {  # depend on an output of the stage with the same code, and not on the code
    "train_again": ("train", "models/${key}.safetensors"),
    "finetune_again": ("finetune", "models/final.safetensors"),
    "evaluate_again": ("evaluate", "data/evaluated/${key}.json"),
    "evaluate_final_again": ("evaluate_final", "data/evaluated/final.json"),
}


def code_deps(name: str) -> set[str]:
    """List the files and folders of code among the dependencies of a stage."""
    return {
        FAMILY if "networks/families" in dep else dep
        for dep in STAGES[name]["deps"]
        if dep.startswith(("src/", "stages/"))
    }


def files_listed(name: str) -> set[str]:
    """List the Python files that a stage depends on, except those without statements."""
    deps = code_deps(name)
    in_folders = {module for dep in deps for module in MODULES if module.startswith(f"{dep}/") and statements(module)}
    return {dep for dep in deps if dep.endswith(".py")} | in_folders


def files_imported(script: str) -> set[str]:
    """List the script and the project's files that it imports, directly or indirectly.

    Files in `NOT_LISTED` and files without statements are left out.
    """
    visited, to_visit = set(), [script]
    while to_visit:
        file = to_visit.pop()
        if file in visited or file in NOT_LISTED or not statements(file):
            continue
        visited.add(file)
        to_visit += imports(file)
        if file == f"{LIBRARY}/networks/building/factory.py":  # imports a family by its name
            visited.add(FAMILY)
            folder = f"{LIBRARY}/networks/families"
            to_visit += [module for name in factory.family_names() for module in imports(f"{folder}/{name}.py")]
    return visited


def script_of(name: str) -> str:
    """Give the path of the script that a stage runs by `python -m`."""
    _, _, module, *_ = STAGES[name]["cmd"].split()
    return f"{module.replace('.', '/')}.py"


def statements(file: str) -> list[ast.stmt]:
    """Give the statements of a file except its docstring."""
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    return [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]


def imports(file: str) -> list[str]:
    """List the project's modules that a file imports, also inside functions, and the packages that contain them."""
    return modules_of(names_in(ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))))


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Give the dotted names in import statements."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules_of(names: set[str]) -> list[str]:
    """List the project's modules among dotted names, and the packages that contain them."""
    paths = [
        path
        for name in names
        for parent in [name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)]
        for base in (f"src/{parent.replace('.', '/')}", parent.replace(".", "/"))
        for path in (f"{base}.py", f"{base}/__init__.py")
    ]
    return [path for path in paths if (ROOT / path).is_file()]


def top_level(module: str) -> str:
    """Name the folder of the library that contains a module, or a module that is in no folder."""
    return Path(module).relative_to(LIBRARY).parts[0].removesuffix(".py")


def layer(module: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if top_level(module) in names)


@pytest.mark.parametrize("name", [name for name in STAGES if name not in SAME_CODE])
def test_a_stage_depends_on_the_code_that_it_imports_and_on_no_other(name: str) -> None:
    assert files_listed(name) == files_imported(script_of(name))


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_lists_at_most_eleven_files_and_folders_of_code(name: str) -> None:
    assert len(code_deps(name)) <= 11


@pytest.mark.parametrize("module", [module for module in MODULES if statements(module)])
def test_a_module_imports_only_its_own_package_and_lower_layers(module: str) -> None:
    imported = [other for other in imports(module) if statements(other) and top_level(other) != top_level(module)]
    assert [other for other in imported if layer(other) >= layer(module)] == []


def test_there_are_no_circular_imports() -> None:
    TopologicalSorter({module: imports(module) for module in MODULES}).prepare()


def test_evaluate_and_predict_import_no_training_code_and_no_settings_of_it() -> None:
    for script in ("stages/models/evaluate.py", "stages/models/predict.py"):
        folders = (f"{LIBRARY}/training", f"{LIBRARY}/settings/")
        imported = [file for file in files_imported(script) if file.startswith(folders)]
        assert imported == [f"{LIBRARY}/settings/frame.py"]


def test_inference_imports_no_training_code() -> None:
    for name in ("predict", "read_images", "export"):
        files = files_imported(f"{LIBRARY}/inference/{name}.py")
        assert not [file for file in files if file.startswith(f"{LIBRARY}/training")]


def test_the_fingerprint_of_a_checkpoint_has_all_code_that_a_training_imports() -> None:
    """Except files.py, which reads images and settings: they are part of the fingerprint themselves."""
    library = {file for file in files_imported("stages/models/train.py") if file.startswith(LIBRARY)}
    packages = {top_level(file) for file in library - {FAMILY, f"{LIBRARY}/files.py"}}
    assert packages | {"networks"} == {*CODE_FOLDERS}


# Paths that only the stage of the final model has: it also predicts training images.
ONLY_FINAL = {"data/predicted/train.npy"}


def test_the_final_model_is_evaluated_as_the_variants_are_and_on_training_images() -> None:
    variant, final = STAGES["evaluate"], STAGES["evaluate_final"]

    def for_final(path: str) -> str:
        return path.replace("${key}", "final").replace("${item.family}", "${model.family}")

    assert final["cmd"] == f"{variant['cmd']} final"
    for key in ("deps", "outs"):
        assert [path for path in map(path_of, final[key]) if path not in ONLY_FINAL] == [
            for_final(path) for path in map(path_of, variant[key])
        ]
    assert (final.get("params"), final.get("meta")) == (variant.get("params"), variant.get("meta"))


@pytest.mark.parametrize(("name", "main", "output"), [(name, *main) for name, main in SAME_CODE.items()])
def test_a_stage_for_other_seeds_runs_the_script_of_the_main_stage_and_depends_on_its_output(
    name: str, main: str, output: str
) -> None:
    assert script_of(name) == script_of(main)
    assert output in map(path_of, STAGES[main]["outs"])
    assert output.replace("${key}", "${item.system}").replace("final", "${item.system}") in STAGES[name]["deps"]


@pytest.mark.parametrize(("again", "main"), [(again, main) for again, (main, _) in SAME_CODE.items()])
def test_a_run_with_another_seed_depends_on_the_same_data_as_the_main_one(again: str, main: str) -> None:
    """Workers of a cluster have no other data than those that a stage lists."""
    data = {path for path in STAGES[main]["deps"] if path.startswith(("data/ingested", "data/split", "data/${"))}
    if main == "evaluate_final":
        data -= ONLY_FINAL
    assert data
    assert data <= set(STAGES[again]["deps"])


def path_of(entry: str | dict) -> str:
    """Give the path of an entry of deps or outs, which may have options."""
    return entry if isinstance(entry, str) else next(iter(entry))


def test_only_stages_that_evaluate_compare_or_show_depend_on_test_labels() -> None:
    stages = {name for name, stage in STAGES.items() if "data/split/test_labels.npy" in stage["deps"]}
    other_seeds = {"evaluate_again", "evaluate_final_again", "compare_seeds"}
    assert (
        stages
        == {"evaluate", "evaluate_final", "compare", "show_data", "show_embedding", "show_predictions"} | other_seeds
    )


@pytest.mark.parametrize("name", ["train", "finetune", "train_again", "finetune_again"])
def test_no_training_depends_on_test_images(name: str) -> None:
    assert not [dep for dep in STAGES[name]["deps"] if "test" in dep]


SLOW_PACKAGES = {"cleanlab", "torch", "pandas", "matplotlib", "sklearn"}  # take a second or more to import
SLOW_IMPORTS = {
    "stages/data/ingest.py": set(),
    "stages/data/split.py": {"sklearn"},
    "stages/data/audit.py": set(),
    "stages/data/augment.py": set(),
    "stages/models/embed.py": {"torch"},
    "stages/models/train.py": {"torch"},
    "stages/models/evaluate.py": {"torch"},
    "stages/models/predict.py": {"torch", "pandas"},
    "stages/models/cross_fit.py": {"torch"},
    "stages/results/audit_labels.py": {"cleanlab", "matplotlib"},
    "stages/results/compare.py": {"pandas", "sklearn"},
    "stages/results/compare_seeds.py": set(),
    "stages/results/describe.py": {"torch"},
    "stages/results/report.py": set(),
    "stages/figures/show_audit.py": {"matplotlib"},
    "stages/figures/show_data.py": {"matplotlib"},
    "stages/figures/show_systems.py": {"matplotlib"},
    "stages/figures/show_embedding.py": {"matplotlib", "sklearn"},
    "stages/figures/show_groups.py": {"matplotlib"},
    "stages/figures/show_predictions.py": {"matplotlib", "pandas"},
    "tools/check.py": set(),
    "tools/quick.py": set(),
    "tools/result.py": set(),
    "tools/seeds.py": set(),
}


def packages_imported(script: str) -> set[str]:
    """List the packages that a script imports when it starts, directly or through the project's modules."""
    packages: set[str] = set()
    visited, to_visit = set(), [script]
    while to_visit:
        file = to_visit.pop()
        if file in visited:
            continue
        visited.add(file)
        body = [node for node in statements(file) if isinstance(node, (ast.Import, ast.ImportFrom))]
        packages |= {name.partition(".")[0] for name in names_in(body)}
        to_visit += modules_of(names_in(body))
    return packages


@pytest.mark.parametrize(("script", "packages"), SLOW_IMPORTS.items())
def test_a_script_imports_only_the_slow_packages_that_it_uses(script: str, packages: set[str]) -> None:
    assert SLOW_PACKAGES & packages_imported(script) == packages
