"""`abreast check` in fresh clones of small projects without data and cache: it names all changes, and no others."""

import json
import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from abreast import command
from dvc_project import abreast_in_process, made_once, make, run, stages_run

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # within DVC

PIPELINE = {
    "dvc.yaml": """
        stages:
          prep: {cmd: python join.py in.txt data/a.txt, deps: [in.txt], outs: [data/a.txt]}
          train:
            cmd: python join.py data/a.txt model.txt
            deps: [data/a.txt, join.py]
            params: [lr, net, other.json: [seed]]
            outs: [model.txt]
          score:
            cmd: python join.py model.txt score.json
            deps: [model.txt]
            metrics: [score.json: {cache: false}]
          report: {cmd: python join.py score.json report.txt, deps: [score.json], outs: [report.txt]}
          gather: {cmd: python join.py data gather.txt, deps: [data], outs: [gather.txt]}
        """,
    "params.yaml": "lr: 0.1\nnet: {width: 3, kernels: [3, 5]}\n",
    "other.json": '{"seed": 1}',
    "data/notes.txt": "by hand\n",
}
ALL_KINDS = {
    "dvc.yaml": """
        stages:
          each:
            foreach: [a, b]
            do:
              cmd: python join.py in.txt each/${item}.txt
              deps: [in.txt]
              params: [letters.py: ["${item}"]]
              outs: ["each/${item}.txt"]
          cross:
            matrix: {letter: [a, b], number: [1, 2]}
            cmd: python join.py each/${item.letter}.txt cross/${key}.txt
            deps: ["each/${item.letter}.txt"]
            outs: ["cross/${key}.txt"]
          kept: {cmd: python join.py in.txt kept.txt, deps: [in.txt], outs: [kept.txt]}
          after: {cmd: python join.py kept.txt raw.csv after.txt, deps: [kept.txt, raw.csv], outs: [after.txt]}
          always: {cmd: python join.py in.txt always.txt, deps: [in.txt], outs: [always.txt], always_changed: true}
          ask: {cmd: cat in.txt}
        """,
    "letters.py": "a = (1, 2)\nb = 2\n",
    "raw.csv": "1,2\n",
    "seeds/dvc.yaml": """
        stages:
          seed:
            wdir: ..
            cmd: python join.py each/a.txt seeds/seed.json
            deps: [each/a.txt]
            params: [seeds/params.yaml: [count]]
            metrics: [seeds/seed.json: {cache: false}]
        """,
    "seeds/params.yaml": "count: 3\n",
}


def make_origins(folder: Path) -> None:
    """Make two projects, run and commit them."""
    pipeline, all_kinds = make(folder / "pipeline", PIPELINE), make(folder / "all_kinds", ALL_KINDS)
    run(all_kinds, "dvc", "add", "raw.csv")
    for origin in (pipeline, all_kinds):
        run(origin, "dvc", "repro", "--all-pipelines")
    run(all_kinds, "dvc", "freeze", "kept")
    for origin in (pipeline, all_kinds):
        run(origin, "git", "add", "--all")
        run(origin, "git", "commit", "--quiet", "--message=Run")


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = made_once(tmp_path_factory, "origins", make_origins)
    return {name: folder / name for name in ("pipeline", "all_kinds")}


@pytest.fixture
def pipeline(origins: dict[str, Path], tmp_path: Path) -> Path:
    run(tmp_path, "git", "clone", "--quiet", str(origins["pipeline"]), "clone")
    return tmp_path / "clone"


@pytest.fixture
def all_kinds(origins: dict[str, Path], tmp_path: Path) -> Path:
    run(tmp_path, "git", "clone", "--quiet", str(origins["all_kinds"]), "clone")
    return tmp_path / "clone"


def check(folder: Path, *arguments: str, status: int = 1) -> list[str]:
    """Return the lines that `abreast check` prints in a folder."""
    return abreast_in_process(folder, "check", *arguments, status=status).splitlines()


def error_line(folder: Path, *arguments: str) -> str:
    """Return the one line of an error."""
    (line,) = check(folder, *arguments, status=2)
    return line


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, path
    path.write_text(text.replace(old, new, 1))


def edit_lock(folder: Path, change, file: str = "dvc.lock") -> None:
    yaml = YAML()
    content = yaml.load(folder / file)
    change(content["stages"])
    yaml.dump(content, folder / file)


def test_a_clone_without_data_is_fresh_and_not_changed(pipeline: Path) -> None:
    def listed() -> dict[Path, bytes]:
        tmp = pipeline / ".dvc/tmp"  # DVC's own notes
        files = [path for path in pipeline.rglob("*") if path.is_file() and tmp not in path.parents]
        return {path: path.read_bytes() for path in files if ".git" not in path.parts}

    assert not (pipeline / "data/a.txt").exists()
    before = listed()
    assert check(pipeline, status=0) == ["Fresh: 5 stages of dvc.yaml, as in the lock."]
    assert listed() == before


def test_a_project_with_its_data_is_fresh(origins: dict[str, Path]) -> None:
    for origin in origins.values():
        assert check(origin, status=0)[0].startswith("Fresh: ")


def test_all_kinds_of_stages_and_all_dvc_yaml_files_are_checked(all_kinds: Path) -> None:
    """Foreach and matrix, wdir, frozen, always_changed, without outputs, .dvc files, parameters in other files."""
    assert check(all_kinds, status=0) == ["Fresh: 12 stages of dvc.yaml, raw.csv.dvc, seeds/dvc.yaml, as in the lock."]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("join.py", "import", "import  ", ["train: dependency join.py: changed"]),
        ("in.txt", "in", "out", ["prep: dependency in.txt: changed"]),
        ("data/notes.txt", "by", "not by", ["gather: dependency data: changed"]),
        ("params.yaml", "0.1", "0.2", ["train: parameter params.yaml:lr: 0.1 in the lock, now 0.2"]),
        ("params.yaml", "5]", "7]", ["train: parameter params.yaml:net.kernels: [3, 5] in the lock, now [3, 7]"]),
        ("params.yaml", "width: 3", "depth: 3", None),
        ("params.yaml", "lr: 0.1\n", "", ["train: parameter params.yaml:lr: removed"]),
        ("other.json", "1", "2", ["train: parameter other.json:seed: 1 in the lock, now 2"]),
        (
            "dvc.yaml",
            "python join.py in.txt data/a.txt",
            "python  -B join.py in.txt data/a.txt",
            [
                "prep: command: `python join.py in.txt data/a.txt` in the lock, "
                "now `python  -B join.py in.txt data/a.txt`"
            ],
        ),
        ("dvc.yaml", "deps: [data/a.txt, join.py]", "deps: [data/a.txt]", None),
        ("dvc.yaml", "deps: [model.txt]", "deps: [model.txt, in.txt]", ["score: dependency in.txt: not in the lock"]),
        ("dvc.yaml", "outs: [model.txt]", "outs: [model.txt, more.txt]", ["train: output more.txt: not in the lock"]),
        ("dvc.yaml", "params: [lr, net,", "params: [net,", None),
        (
            "score.json",
            "in",
            "on",
            ["score: output score.json: not what the stage wrote: edited by hand"],
        ),
    ],
)
def test_each_change_is_named(file: str, old: str, new: str, said: list[str] | None, pipeline: Path) -> None:
    replace(pipeline / file, old, new)
    expected = (
        said
        or {
            "width: 3": [
                "train: parameter params.yaml:net.width: removed",
                "train: parameter params.yaml:net.depth: new",
            ],
            "deps: [data/a.txt, join.py]": ["train: dependency join.py: in the lock, but no longer in dvc.yaml"],
            "params: [lr, net,": ["train: parameter params.yaml:lr: in the lock, but no longer in dvc.yaml"],
        }[old]
    )
    lines = [line for line in check(pipeline)[:-1] if "waits for" not in line]
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected


def test_a_stage_that_depends_on_stale_stages_waits_for_them(pipeline: Path) -> None:
    replace(pipeline / "params.yaml", "0.1", "0.2")
    replace(pipeline / "score.json", "in", "on")
    lines = check(pipeline)
    assert "report: waits for score" in lines
    assert not [line for line in lines if line.startswith(("prep", "gather"))]
    assert lines[-1].startswith("2 stages stale, 1 waiting: run `abreast repro`; then commit the results")


def test_a_waiting_stage_names_the_stale_stage_and_not_other_waiting_stages(pipeline: Path) -> None:
    replace(pipeline / "in.txt", "in", "out")
    waiting = {line for line in check(pipeline) if "waits for" in line}
    assert {f"{name}: waits for prep" for name in ("train", "score", "report", "gather")} <= waiting


@pytest.mark.parametrize(("path", "owner"), [("join.py", "train: dependency"), ("score.json", "score: output")])
def test_a_deleted_file_of_git_is_missing(path: str, owner: str, pipeline: Path) -> None:
    (pipeline / path).unlink()
    assert f"{owner} {path}: missing" in check(pipeline)


def test_data_that_git_ignores_may_be_missing(pipeline: Path) -> None:
    """Such as a file that users copy there by hand."""
    replace(pipeline / "dvc.yaml", "deps: [in.txt]", "deps: [raw/in.txt]")
    edit_lock(pipeline, lambda stages: stages["prep"]["deps"][0].update(path="raw/in.txt"))
    assert "prep: dependency raw/in.txt: missing" in check(pipeline)
    with (pipeline / ".gitignore").open("a") as file:
        file.write("/raw/\n")
    assert check(pipeline, status=0)


def test_a_missing_entry_and_an_entry_without_a_stage_are_named(pipeline: Path) -> None:
    edit_lock(pipeline, lambda stages: stages.update(old=stages.pop("score")))
    lines = check(pipeline)
    assert "score: entry: not in dvc.lock: the stage never ran, or its entry was lost" in lines
    assert "dvc.lock:old: an entry without a stage" in lines
    assert lines[-1].endswith("Delete the entries without a stage from the lock.")


def test_an_entry_without_a_stage_is_stale(pipeline: Path) -> None:
    edit_lock(pipeline, lambda stages: stages.update(old=stages["score"]))
    assert check(pipeline) == [
        "dvc.lock:old: an entry without a stage",
        "Delete the entries without a stage from the lock.",
    ]


def test_checksums_must_agree_between_stages_without_data(pipeline: Path) -> None:
    """DVC compares the checksums of files, not those of folders."""

    def forge(stages: dict) -> None:
        stages["prep"]["outs"][0]["md5"] = "0" * 32

    edit_lock(pipeline, forge)
    lines = check(pipeline)
    assert "train: dependency data/a.txt: not what prep wrote, according to the lock" in lines
    assert "gather: dependency data: changed" in lines


def test_sizes_must_agree_and_the_verdict_forces_stages_that_dvc_takes_as_fresh(pipeline: Path) -> None:
    def forge(stages: dict) -> None:
        stages["train"]["deps"][0]["size"] = 1
        stages["score"]["outs"][0]["size"] = 2

    edit_lock(pipeline, forge)
    assert stages_run(run(pipeline, "dvc", "repro", "--dry", "--allow-missing", "report")) == set()
    lines = check(pipeline)
    assert "train: dependency data/a.txt: 1 bytes in the lock, now 9" in lines
    assert "score: output score.json: 2 bytes in the lock, now 30" in lines
    assert "3 stages stale: run `dvc repro --force --single-item train score report`, since DVC" in lines[-1]


def test_every_checksum_of_a_dependency_is_compared(all_kinds: Path) -> None:
    """Except checksums of outputs that no stage depends on and that git does not have: only a run can compare these."""
    forged = []

    def forge(stages: dict) -> None:
        for name, entry in stages.items():
            for dep in entry.get("deps", []):
                dep["md5"] = "0" * 32
                forged.append((name, dep["path"]))

    edit_lock(all_kinds, forge)
    edit_lock(all_kinds, forge, "seeds/dvc.lock")
    named = {
        tuple(match) for line in check(all_kinds) for match in re.findall(r"^(?:.*:)?(\S+): dependency (\S+):", line)
    }
    assert named == {(name, path) for name, path in forged if name != "kept"}, "it is frozen"


def test_a_frozen_stage_may_have_changed_dependencies(all_kinds: Path) -> None:
    replace(all_kinds / "in.txt", "in", "out")
    lines = check(all_kinds)
    assert [line for line in lines if line.startswith(("kept", "after"))] == []
    assert "each@a: dependency in.txt: changed" in lines
    assert "cross@b-2: waits for each@b" in lines
    assert "seeds/dvc.yaml:seed: waits for each@a" in lines


def test_a_changed_dvc_file_is_a_change_of_the_stage_that_depends_on_it(all_kinds: Path) -> None:
    text = (all_kinds / "raw.csv.dvc").read_text()
    (all_kinds / "raw.csv.dvc").write_text(re.sub("md5: [0-9a-f]{32}", f"md5: {'f' * 32}", text))
    assert check(all_kinds)[0] == "after: dependency raw.csv: not what raw.csv.dvc wrote, according to the lock"


def test_parameters_of_other_files_and_folders_are_compared(all_kinds: Path) -> None:
    replace(all_kinds / "letters.py", "(1, 2)", "(1, 3)")
    replace(all_kinds / "seeds/params.yaml", "3", "4")
    lines = check(all_kinds)
    assert "each@a: parameter letters.py:a: [1, 2] in the lock, now [1, 3]" in lines
    assert "seeds/dvc.yaml:seed: parameter seeds/params.yaml:count: 3 in the lock, now 4" in lines


def test_targets_are_checked_with_their_dependencies_from_any_folder(all_kinds: Path) -> None:
    replace(all_kinds / "letters.py", "b = 2", "b = 3")
    fresh = ["Fresh: 2 stages of dvc.yaml, seeds/dvc.yaml, as in the lock."]
    assert check(all_kinds / "seeds", "dvc.yaml", status=0) == fresh
    assert check(all_kinds, "cross")[0] == "each@b: parameter letters.py:b: 2 in the lock, now 3"


def test_json_has_each_change(pipeline: Path) -> None:
    replace(pipeline / "params.yaml", "0.1", "0.2")
    found = json.loads("\n".join(check(pipeline, "--json")))
    assert found["fresh"] is False
    assert found["changes"] == {
        "train": [
            {
                "kind": "parameter",
                "name": "params.yaml:lr",
                "what": "0.1 in the lock, now 0.2",
                "old": 0.1,
                "new": 0.2,
                "seen": True,
            }
        ]
    }
    assert found["waits"]["report"] == ["train"]


def test_edited_data_is_named(origins: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(origins["pipeline"], tmp_path / "copy")
    (folder / "model.txt").unlink()
    (folder / "model.txt").write_text("better\n")
    lines = check(folder)
    assert lines[0].startswith("train: output model.txt: not what the stage wrote")
    assert lines[1] == "score: waits for train"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"dvc.yaml": "stages: {a: {cmd: [}"}, r"error: .*dvc.yaml.*"),
        ({"dvc.lock": "stages: ["}, r"error: .*dvc.lock.*"),
        ({"params.yaml": "lr: ["}, r"error: .*params.yaml.*"),
        ({"dvc.yaml": ""}, r"error: no stages: there is neither a dvc.yaml nor a .dvc file"),
    ],
)
def test_an_error_in_the_project_is_one_line(files: dict[str, str], message: str, pipeline: Path) -> None:
    for name, text in files.items():
        (pipeline / name).write_text(text)
    assert re.fullmatch(message, error_line(pipeline))


def test_an_unknown_target_and_a_folder_without_project_are_refused(pipeline: Path, tmp_path: Path) -> None:
    for place, target in ((pipeline, ["trian"]), (tmp_path, [])):
        assert error_line(place, *target).startswith("error: ")


def test_the_examples_for_ci_and_a_hook_in_the_readme_are_valid_commands() -> None:
    page = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n((?:check|repos):.*?)```", page, re.DOTALL)
    job, hooks = (YAML(typ="safe").load(block) for block in blocks)
    for line in (job["check"]["script"][-1], hooks["repos"][0]["hooks"][0]["entry"]):
        name, *arguments = line.split()
        assert name == "abreast"
        assert command.make_parser().parse_args(arguments).command == "check"
