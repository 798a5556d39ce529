"""`make relock`: what alters a result is told from what does not, and the lock says of code what is true."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import relock
from sample import few

from abreast.dvc_api import Definition
from abreast.plan.resources import Resources
from abreast.plan.stages import Stage
from clone import edit_params, made_once, run
from dvc_project import make, stages_run
from fashion.settings.parsing import load_yaml

ONE = "stages: {one: {cmd: python join.py in.txt one.txt, deps: [in.txt, join.py], outs: [one.txt]}}"
MOVED = "src/fashion/images/random_changes.py"
TO = "src/fashion/images/of_a_batch.py"


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
    """The lock before; a project after a move, a new name and four changes of results, relocked; what was said."""

    def relock_a_copy(folder: Path) -> str:
        shutil.copytree(reproduced[0], folder)
        return relock_changes(folder)

    return entries(reproduced[0]), *made_once(tmp_path_factory, worker_id, "relocked", relock_a_copy)


def relock_changes(folder: Path) -> str:
    """Change the project, and give what `make relock` says."""
    run(folder, "git", "mv", MOVED, TO)
    replace(folder / "dvc.yaml", MOVED, TO)
    replace(folder / "src/fashion/training/course.py", "images.random_changes", "images.of_a_batch")
    replace(folder / "dvc.yaml", "\n  split:\n", "\n  divide:\n")
    cnn = folder / "src/fashion/networks/families/cnn.py"
    replace(cnn, "nn.BatchNorm1d(units)", "nn.BatchNorm1d(units, eps=1e-3)")  # an epsilon, for keras_2 alone
    replace(folder / "src/fashion/networks/families/mlp.py", "batch_norm: bool = False", "batch_norm: bool = True")
    replace(folder / "src/fashion/images/robustness.py", "seed: int = 0", "seed: int = 1")
    edit_params(folder, lambda params: params["variants"]["mlp_200"].update(batch_size=50))
    for name in ("models", "data/split", "data/augmented", "data/evaluated"):
        shutil.rmtree(folder / name)  # outputs need not be there
    return run(folder, "python", ".ci/relock.py", status=1)


def test_what_alters_bytes_or_settings_is_named_and_left_stale(relocked: tuple[dict[str, dict], Path, str]) -> None:
    _, _, output = relocked
    said = dict(line.removeprefix("stale: ").split(": ", 1) for line in output.splitlines() if line.startswith("stale"))
    default = {f"{stage}@{name}" for stage in ("train", "evaluate") for name in ("base", "mlp_200")}
    epsilon = {"train@keras_2", "evaluate@keras_2"}
    shown = {"describe", "show_groups", "report"}  # they show settings
    assert set(said) == default | epsilon | shown | {"evaluate_final", "compare"}
    assert said["train@keras_2"] == "other bytes on the sample: data/histories/keras_2.csv, models/keras_2.safetensors"
    assert said["evaluate_final"] == "other bytes on the sample: data/evaluated/final.json"
    assert said["compare"] == "other settings: variants"
    assert said["train@mlp_200"] == "other settings: variants.mlp_200.batch_size"


def test_a_stage_of_the_same_bytes_has_its_code_renewed_and_nothing_else(
    relocked: tuple[dict[str, dict], Path, str],
) -> None:
    before, folder, _ = relocked
    after = entries(folder)
    paths = [dep["path"] for dep in after["train@base_cnn"]["deps"]]
    assert TO in paths
    assert MOVED not in paths
    code = ("src/", "stages/")
    after["split"] = after.pop("divide")
    for name, entry in before.items():
        for key in ("cmd", "params", "outs"):
            assert after[name].get(key) == entry.get(key)
        data = [[dep for dep in lock["deps"] if not dep["path"].startswith(code)] for lock in (entry, after[name])]
        assert data[0] == data[1]


def test_a_stage_left_stale_is_still_as_it_was_in_the_lock(relocked: tuple[dict[str, dict], Path, str]) -> None:
    before, folder, _ = relocked
    assert entries(folder)["train@keras_2"] == before["train@keras_2"]
    would_run = stages_run(run(folder, "dvc", "repro", "--dry", "--allow-missing", status=None))
    assert "train@base_cnn" not in would_run


def test_a_fresh_lock_is_left_alone(project: Path) -> None:
    assert run(project, "python", ".ci/relock.py") == "dvc.lock is fresh: nothing to renew\n"


def test_an_entry_of_a_former_stage_is_taken_out_and_nothing_runs(project: Path) -> None:
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(f"{lock}  former:\n    cmd: python former.py\n")
    output = run(project, "python", ".ci/relock.py")
    assert output == "dvc.lock: taken out, as no stage any more: dvc.lock:former\n"
    assert (project / "dvc.lock").read_text() == lock


def test_a_base_that_is_no_commit_is_refused_in_a_line(project: Path) -> None:
    with (project / "src/fashion/files.py").open("a") as file:
        file.write("# a comment\n")
    assert run(project, "python", ".ci/relock.py", "--base", "nothing", status=2) == "error: nothing: no such commit\n"


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC
def test_a_project_in_a_folder_of_a_repository_has_its_own_files_history_and_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(tmp_path / "repository/project", {"dvc.yaml": ONE})
    (project / ".git").rename(tmp_path / "repository/.git")
    run(project, "dvc", "repro", "--quiet")
    commit(tmp_path / "repository")
    base = run(project, "git", "rev-parse", "HEAD").strip()
    (project / "join.py").write_text((project / "join.py").read_text() + "# a comment\n")
    commit(tmp_path / "repository")  # of which the lock is not fresh
    (tmp_path / "repository/another").write_text("not of the project\n")
    commit(tmp_path / "repository")
    monkeypatch.setattr(relock, "ROOT", project)
    assert relock.last_fresh_commit(tmp_path / "commits") == base
    checkout = tmp_path / "commits" / base
    assert (checkout / "dvc.yaml").read_text() == (project / "dvc.yaml").read_text()
    assert not (checkout / "project").exists()
    assert set(relock.base_entries(base)) == {"one"}
    copy = relock.copy_of_working_tree(tmp_path / "copy")
    assert (copy / "join.py").read_bytes() == (project / "join.py").read_bytes()
    before = relock.state_of_tree()
    (tmp_path / "repository/another").write_text("changed\n")
    assert relock.state_of_tree() == before
    (project / "join.py").write_text("")
    assert relock.state_of_tree() != before


def commit(repository: Path) -> None:
    run(repository, "git", "add", "--all")
    run(repository, "git", "commit", "--quiet", "--message=All")


def ran(name: str, *code: str) -> Stage:
    definition = Definition("dvc.yaml", name)
    return Stage(name, "python run.py", definition, frozenset(), Resources(), deps=(*code, "data/images.npy"))


def test_a_training_with_another_seed_is_judged_by_one_of_the_same_code() -> None:
    each = [ran("train_again@a-1", "src/mlp.py"), ran("train_again@b-1", "src/cnn.py"), ran("train@c", "src/cnn.py")]
    there = {stage.name: stage for stage in each}

    def judge(name: str, *code: str) -> str | None:
        deps = [SimpleNamespace(def_path=path) for path in (*code, "data/images.npy")]
        return relock.judge_of(SimpleNamespace(addressing=f"seeds/dvc.yaml:{name}", deps=deps), there)

    assert judge("train_again@b-1", "src/cnn.py") == "train_again@b-1"
    assert judge("train_again@d-4", "src/cnn.py") == "train_again@b-1"
    assert judge("train_again@e-1", "src/ramped_cnn.py") is None
    assert judge("evaluate_again@d-4", "src/cnn.py") is None


def test_the_sample_has_one_training_with_another_seed_of_each_family() -> None:
    runs = {
        f"{name}-{seed}": {"family": family}
        for name, family in (("a", "mlp"), ("b", "mlp"), ("c", "cnn"))
        for seed in (1, 2)
    }
    kept = few({"trainings": runs, "finetunings": {"final-1": {}, "final-2": {}}, "tables": ["seeds"]})
    assert [about["family"] for about in kept["trainings"].values()] == ["mlp", "cnn"]
    assert len(kept["finetunings"]) == 1
    assert kept["tables"] == ["seeds"]
