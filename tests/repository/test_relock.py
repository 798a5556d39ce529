"""Test `make relock`: stages with other bytes or settings stay stale, and others get new checksums of their code."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from abreast.dvc_api import Definition, Repo
from abreast.plan.resources import Resources
from abreast.plan.stages import Stage
from clone import copy_project, edit_params, make_once, run
from dvc_project import make, stages_run
from fashion.settings.parsing import load_yaml
from tools import relock
from tools.sample import one_run_per_family

ONE_STAGE = "stages: {one: {cmd: python join.py in.txt one.txt, deps: [in.txt, join.py], outs: [one.txt]}}"
OLD_PATH = "src/fashion/images/augmentation.py"
NEW_PATH = "src/fashion/images/random_changes.py"


def entries(folder: Path) -> dict[str, dict]:
    return load_yaml(folder / "dvc.lock")["stages"]


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, file
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="session")
def relocked(
    reproduced: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> tuple[dict[str, dict], Path, str]:
    """Give the entries of the old lock, a project that was changed and relocked, and the output of `make relock`."""

    def change_and_relock(folder: Path) -> str:
        copy_project(reproduced[0], folder)
        change(folder)
        return run(folder, "python", "-m", "tools.relock", status=1)

    return entries(reproduced[0]), *make_once(tmp_path_factory, worker_id, "relocked", change_and_relock)


def change(folder: Path) -> None:
    """Move a file, rename a stage, make four changes that alter results, and remove outputs."""
    run(folder, "git", "mv", OLD_PATH, NEW_PATH)
    replace(folder / "dvc.yaml", OLD_PATH, NEW_PATH)
    replace(folder / "src/fashion/training/phase_state.py", "images.augmentation", "images.random_changes")
    replace(folder / "dvc.yaml", "\n  split:\n", "\n  divide:\n")
    cnn = folder / "src/fashion/networks/families/cnn.py"
    replace(cnn, "nn.BatchNorm1d(units)", "nn.BatchNorm1d(units, eps=1e-3)")  # changes only keras_2
    replace(folder / "src/fashion/networks/families/mlp.py", "batch_norm: bool = False", "batch_norm: bool = True")
    replace(folder / "src/fashion/images/robustness.py", "seed: int = 0", "seed: int = 1")
    edit_params(folder, lambda params: params["variants"]["mlp_200"].update(batch_size=50))
    for name in ("models", "data/split", "data/augmented", "data/evaluated"):
        shutil.rmtree(folder / name)  # relock needs no outputs


def test_a_stage_with_other_bytes_or_settings_is_reported_and_left_stale(
    relocked: tuple[dict[str, dict], Path, str],
) -> None:
    _, _, output = relocked
    lines = [line.removeprefix("stale: ") for line in output.splitlines() if line.startswith("stale")]
    stale = dict(line.split(": ", 1) for line in lines)
    default = {f"{stage}@{name}" for stage in ("train", "evaluate") for name in ("base", "mlp_200")}
    epsilon = {"train@keras_2", "evaluate@keras_2"}
    settings = {"describe", "show_groups", "report"}  # show settings
    assert set(stale) == default | epsilon | settings | {"evaluate_final", "compare"}
    assert stale["train@keras_2"] == "other bytes on the sample: data/histories/keras_2.csv, models/keras_2.safetensors"
    assert stale["evaluate_final"] == "other bytes on the sample: data/evaluated/final.json"
    assert stale["compare"] == "other settings: variants"
    assert stale["train@mlp_200"] == "other settings: variants.mlp_200.batch_size"


def test_only_the_code_is_renewed_in_the_entry_of_a_stage_with_the_same_bytes(
    relocked: tuple[dict[str, dict], Path, str],
) -> None:
    before, folder, _ = relocked
    after = entries(folder)
    paths = [dep["path"] for dep in after["train@base_cnn"]["deps"]]
    assert NEW_PATH in paths
    assert OLD_PATH not in paths
    code = ("src/", "stages/")
    after["split"] = after.pop("divide")
    for name, entry in before.items():
        for key in ("cmd", "params", "outs"):
            assert after[name].get(key) == entry.get(key)
        old, new = ([dep for dep in e["deps"] if not dep["path"].startswith(code)] for e in (entry, after[name]))
        assert old == new


def test_the_entry_of_a_stage_left_stale_is_unchanged(relocked: tuple[dict[str, dict], Path, str]) -> None:
    before, folder, _ = relocked
    assert entries(folder)["train@keras_2"] == before["train@keras_2"]
    stale = stages_run(run(folder, "dvc", "repro", "--dry", "--allow-missing", status=None))
    assert "train@base_cnn" not in stale


def test_a_fresh_lock_is_not_changed(project: Path) -> None:
    assert run(project, "python", "-m", "tools.relock") == "dvc.lock is fresh: nothing to renew\n"


def test_the_entry_of_a_removed_stage_is_removed_and_nothing_runs(project: Path) -> None:
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(f"{lock}  old_stage:\n    cmd: python old_stage.py\n")
    output = run(project, "python", "-m", "tools.relock")
    assert output == "dvc.lock: removed entries of former stages: dvc.lock:old_stage\n"
    assert (project / "dvc.lock").read_text() == lock


def test_a_base_that_is_no_commit_is_refused_in_one_line(project: Path) -> None:
    with (project / "src/fashion/files.py").open("a") as file:
        file.write("# a comment\n")
    assert (
        run(project, "python", "-m", "tools.relock", "--base", "nothing", status=2)
        == "error: nothing: no such commit\n"
    )


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC
def test_in_a_subfolder_of_a_repository_only_files_and_commits_of_the_project_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(tmp_path / "repository/project", {"dvc.yaml": ONE_STAGE})
    (project / ".git").rename(tmp_path / "repository/.git")
    run(project, "dvc", "repro", "--quiet")
    commit(tmp_path / "repository")
    base = run(project, "git", "rev-parse", "HEAD").strip()
    (project / "join.py").write_text((project / "join.py").read_text() + "# a comment\n")
    commit(tmp_path / "repository")  # its lock is not fresh
    (tmp_path / "repository/another").write_text("not of the project\n")
    commit(tmp_path / "repository")
    monkeypatch.setattr(relock, "ROOT", project)
    assert relock.last_fresh_commit(tmp_path / "commits") == base
    checkout = tmp_path / "commits" / base
    assert (checkout / "dvc.yaml").read_text() == (project / "dvc.yaml").read_text()
    assert not (checkout / "project").exists()
    assert set(relock.base_entries(base)) == {"one"}
    copy = relock.copy_working_tree(tmp_path / "copy")
    assert (copy / "join.py").read_bytes() == (project / "join.py").read_bytes()
    before = relock.tree_state()
    (tmp_path / "repository/another").write_text("changed\n")
    assert relock.tree_state() == before
    (project / "join.py").write_text("")
    assert relock.tree_state() != before


def commit(repository: Path) -> None:
    run(repository, "git", "add", "--all")
    run(repository, "git", "commit", "--quiet", "--message=All")


def make_stage(name: str, *code: str) -> Stage:
    definition = Definition("dvc.yaml", name)
    return Stage(name, "python run.py", definition, frozenset(), Resources(), deps=(*code, "data/images.npy"))


def test_a_stage_that_is_not_on_the_sample_is_compared_by_all_of_its_group_with_the_same_code() -> None:
    stages = [
        make_stage("train_again@a-1"),
        make_stage("train_again@b-1"),
        make_stage("evaluate@a", "src/cnn.py"),
        make_stage("train@c"),
    ]
    on_sample = {stage.name: stage for stage in stages}

    def judges(name: str, *code: str) -> list[str]:
        deps = [SimpleNamespace(def_path=path) for path in (*code, "data/images.npy")]
        return relock.sample_stages_for(SimpleNamespace(addressing=f"seeds/dvc.yaml:{name}", deps=deps), on_sample)

    assert judges("train_again@b-1") == ["train_again@b-1"]
    assert judges("train_again@d-4") == ["train_again@a-1", "train_again@b-1"]
    assert judges("evaluate@d", "src/cnn.py") == ["evaluate@a"]
    assert judges("evaluate@d", "src/mlp.py") == []


def test_the_sample_keeps_one_training_with_another_seed_of_each_family() -> None:
    runs = {
        f"{name}-{seed}": {"family": family}
        for name, family in (("a", "mlp"), ("b", "mlp"), ("c", "cnn"))
        for seed in (1, 2)
    }
    kept = one_run_per_family({"trainings": runs, "finetunings": {"final-1": {}, "final-2": {}}, "tables": ["seeds"]})
    assert [entry["family"] for entry in kept["trainings"].values()] == ["mlp", "cnn"]
    assert len(kept["finetunings"]) == 1
    assert kept["tables"] == ["seeds"]


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC
def test_a_new_dependency_takes_the_checksum_of_the_output_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    project = make(tmp_path, {"dvc.yaml": ONE_STAGE})
    run(project, "dvc", "repro", "--quiet")
    entry = entries(project)["one"]
    out = {"path": "in.txt", "hash": "md5", "md5": "f" * 32, "size": 1}
    without = {**entry, "deps": [dep for dep in entry["deps"] if dep["path"] != "in.txt"]}
    for given, outs, expected in (
        (without, [out], "f" * 32),
        (entry, [out], next(dep["md5"] for dep in entry["deps"] if dep["path"] == "in.txt")),
        (without, [], None),
    ):
        with Repo(str(project)) as repo:
            (stage,) = repo.index.stages
            reason = relock.fill_from_entry(stage, given, outs)
            (dep,) = [dep for dep in stage.deps if dep.def_path == "in.txt"]
            assert (dep.hash_info.value if dep.hash_info else None) == expected
            assert (reason == "other data: in.txt") == (expected is None)
