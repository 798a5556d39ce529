"""`abreast repro` and `dvc repro` with unusual names and files of the user: none affects abreast."""

import http.server
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dvc_project import LOGS, abreast, compare_with_dvc, entries, make, nightly, ran, run

WAYS = {
    "abreast": (["abreast"], {}),
    "python -m abreast": (["python", "-m", "abreast"], {}),
    "without forks": (["abreast"], {"ABREAST_FORK": "0"}),
}
MODULES = ["abreast", "copy", "dvc", "json", "logging", "psutil", "queue", "rich", "select", "signal", "types"]
IMPORTED_BEFORE_ABREAST = ["abreast", "types"]  # Python imports these before it runs `-m abreast`


@pytest.mark.parametrize("way", ["abreast", *nightly(*[*WAYS][1:])])
def test_modules_of_the_user_are_not_imported(way: str, tmp_path: Path) -> None:
    command, environment = WAYS[way]
    names = [name for name in MODULES if way != "python -m abreast" or name not in IMPORTED_BEFORE_ABREAST]
    modules = {f"{name}.py": "raise SystemExit('imported')\n" for name in names}
    stages = "stages: {a: {cmd: cat in.txt > a.txt, deps: [in.txt], outs: [a.txt]}}"
    compare_with_dvc(tmp_path, {**modules, "dvc.yaml": stages}, command=command, environment=environment)


def test_a_rehearsal_that_preloads_modules_imports_none_of_the_user(tmp_path: Path) -> None:
    modules = {f"{name}.py": "raise SystemExit('imported')\n" for name in ["colorsys", *MODULES]}
    stages = "stages: {a: {cmd: cat in.txt > a.txt, deps: [in.txt], outs: [a.txt]}}"
    preload = {"pyproject.toml": 'tool.abreast.preload = ["colorsys"]'}
    abreast(make(tmp_path, {**modules, **preload, "dvc.yaml": stages}), command="rehearse")
    assert (tmp_path / "a.txt").read_text() == "in\n"


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve a folder over HTTP, without checksums; give its address and the folder."""
    folder = tmp_path_factory.mktemp("served")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def test_a_stage_that_depends_on_a_url_runs_again_only_after_a_change(served: tuple[str, Path], tmp_path: Path) -> None:
    url, served_folder = served
    (served_folder / "f.txt").write_text("one")
    stages = f'stages: {{get: {{cmd: echo ran >> ran.txt, deps: ["{url}/f.txt"]}}}}'
    folder = compare_with_dvc(tmp_path, {"dvc.yaml": stages})
    assert abreast(folder) == "Everything is up to date.\n"
    (served_folder / "f.txt").write_text("another")
    assert ran(abreast(folder)) == {"get"}
    assert (folder / "ran.txt").read_text() == "ran\n" * 2


@pytest.mark.parametrize("within", ["a/folder", *nightly(".")])
def test_the_git_index_is_that_of_dvc_repro_with_autostage(within: str, tmp_path: Path) -> None:
    """The stage that DVC runs first ends last: its lock entry and its line of .gitignore are written last."""
    files = {
        ".dvc/config": "[core]\n    autostage = true\n",
        "dvc.yaml": """
            stages:
              b: {cmd: sleep 0.5; cat in.txt > b.txt, deps: [in.txt], outs: [b.txt]}
              a: {cmd: cat in.txt > a.txt, deps: [in.txt], outs: [a.txt]}
            """,
    }
    by_dvc = make(tmp_path / "by_dvc" / within, files)
    if within != ".":
        shutil.move(by_dvc / ".git", tmp_path / "by_dvc")
    by_abreast = shutil.copytree(tmp_path / "by_dvc", tmp_path / "by_abreast") / within
    run(by_dvc, "dvc", "repro")
    abreast(by_abreast, "-j", "2")
    assert run(by_abreast, "git", "ls-files", "--stage") == run(by_dvc, "git", "ls-files", "--stage")
    staged = run(by_abreast, "git", "status", "--porcelain", ".")
    assert re.search("^A  .*dvc.lock$", staged, re.MULTILINE)
    assert staged == run(by_dvc, "git", "status", "--porcelain", ".")


@pytest.mark.parametrize("command", ["repro", *nightly("rehearse")])
def test_a_stage_uses_the_first_python_in_path(command: str, tmp_path: Path) -> None:
    fake = tmp_path / "fake/python"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "$PATH" > a.txt\n')
    fake.chmod(0o755)
    files = {"dvc.yaml": "stages: {a: {cmd: python a.py, outs: [a.txt]}}", "a.py": "1 / 0"}
    folder = make(tmp_path / "project", {**files, "pyproject.toml": 'tool.abreast.preload = ["colorsys"]'})
    path = f"{fake.parent}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run(folder, str(Path(sys.executable).with_name("abreast")), command, environment={"PATH": path})
    assert (folder / "a.txt").read_text() == f"{path}\n"


WRITTEN_BY_A_STAGE = {
    "in a command": """
        vars: [gen.yaml]
        stages:
          a: {cmd: "echo 'lr: 2' > gen.yaml; echo a > a.txt", deps: [in.txt], outs: [a.txt]}
          b: {cmd: "echo ${lr} > b.txt", deps: [a.txt], outs: [b.txt]}
        """,
    "in a foreach": """
        vars: [gen.yaml]
        stages:
          a: {cmd: "echo 'names: {z: 2}' > gen.yaml; echo a > a.txt", deps: [in.txt], outs: [a.txt]}
          b:
            foreach: ${names}
            do: {cmd: "echo ${item} > b${key}.txt", deps: [a.txt], outs: ["b${key}.txt"]}
        """,
    "in a stage's own file": """
        stages:
          a: {cmd: "echo 'lr: 2' > p/gen.yaml; echo a > a.txt", deps: [in.txt], outs: [a.txt]}
          b: {wdir: p, vars: [gen.yaml], cmd: "echo ${lr} > b.txt", deps: [../a.txt], outs: [b.txt]}
        """,
    "as a parameter": """
        stages:
          a: {cmd: "echo 'lr: 2' > params.yaml; echo a > a.txt", deps: [in.txt], outs: [a.txt]}
          b: {cmd: "cat params.yaml > b.txt", deps: [a.txt], params: [lr], outs: [b.txt]}
        """,
}


@pytest.mark.parametrize("where", ["as a parameter", *nightly(*[*WRITTEN_BY_A_STAGE][:-1])])
def test_a_value_that_a_stage_writes_is_used_as_by_dvc_repro(where: str, tmp_path: Path) -> None:
    stages = WRITTEN_BY_A_STAGE[where]
    files = [file for file in ("p/gen.yaml", "gen.yaml", "params.yaml") if file in stages]
    compare_with_dvc(tmp_path, {files[0]: "lr: 1\nnames: {x: 1, y: 2}\n", "dvc.yaml": stages})


LONG = "v" * 130
NAMES = {
    "places": ["a/b", "a_b", "../up", "/absolute", "c:/absolute/y", "c:d", "..", "."],
    "times and spaces": ["2024-01-01T10:00", "e f", " e", "*", "%s", "-n"],
    "letters": ["A", "a", "ä", "a\u0308", "日本", "😀", "[bold]", ":train:"],
    "long ones": [f"{LONG}1", f"{LONG}2", "ü" * 300],
}


def test_each_stage_has_a_log_of_its_own_inside_the_project(tmp_path: Path) -> None:
    names = [name for group in NAMES.values() for name in group]
    stages = {"s": {"foreach": names, "do": {"cmd": "echo 'I am ${item}'", "deps": ["in.txt"]}}}
    folder = make(tmp_path / "project", {"dvc.yaml": json.dumps({"stages": stages}, ensure_ascii=False)})
    abreast(folder, command="rehearse")
    logs = [log.read_text().splitlines() for log in (folder / LOGS).iterdir()]
    lines = [[line for line in log if line.startswith("I am ")] for log in logs]
    assert sorted(lines) == sorted([f"I am {name}"] for name in names)
    assert {log.parent for log in tmp_path.rglob("*.log")} == {folder / LOGS}


@pytest.mark.nightly
def test_stages_with_long_names_leave_the_files_of_dvc_repro(tmp_path: Path) -> None:
    stages = f"""
        stages:
          s:
            matrix: {{one: [{LONG}1, {LONG}2], two: ["a:b", {LONG}]}}
            cmd: echo '${{item.one}} ${{item.two}}'
            deps: [in.txt]
        """
    folder = compare_with_dvc(tmp_path, {"dvc.yaml": stages})
    assert len(entries(folder)) == 4


@pytest.mark.parametrize("command", ["repro", *nightly("rehearse")])
def test_a_failed_stage_is_shown_with_its_own_log(command: str, tmp_path: Path) -> None:
    stages = """
        stages:
          one: {foreach: ["m:1"], do: {cmd: echo this is one, deps: [in.txt]}}
          two: {foreach: ["m:1"], do: {cmd: echo this is two; false, deps: [in.txt]}}
        """
    output = abreast(make(tmp_path, {"dvc.yaml": stages}), command=command, status=1)
    assert "two@m:1 failed. The end of" in output
    assert "  this is two" in output
    assert "  this is one" not in output


IGNORED = {
    "latin_1": "*.tmp\n# für Läufe\n".encode("latin-1"),
    "crlf": b"*.tmp\r\n*.bak\r\n",
    "no_line_end": b"*.tmp",
}


def test_gitignore_keeps_its_bytes(tmp_path: Path) -> None:
    """Two stages add lines to each, and one stage depends on its folder."""
    stage, files = "  {}: {{cmd: {}, deps: [{}], outs: [{}]}}\n", {"dvc.yaml": "stages:\n"}
    for folder in IGNORED:
        files[f"{folder}/kept.txt"] = "kept\n"
        files["dvc.yaml"] += stage.format(
            f"all_{folder}", f"cat {folder}/*.txt > {folder}.txt", folder, f"{folder}.txt"
        )
        for name in "cb":
            out = f"{folder}/{name}.txt"
            files["dvc.yaml"] += stage.format(f"{name}_{folder}", f"cat in.txt > {out}", "in.txt", out)

    def write(project: Path) -> None:
        for folder, content in IGNORED.items():
            (project / folder / ".gitignore").write_bytes(content)

    by_abreast = compare_with_dvc(tmp_path, files, before=write)
    for folder, content in IGNORED.items():
        written = (by_abreast / folder / ".gitignore").read_bytes()
        assert written.startswith(content)
        assert written == (tmp_path / "by_dvc" / folder / ".gitignore").read_bytes()


PRINTED = ["x.py:100: fault", "p/dvc.yaml:train: [bold]no[/bold] [/red]"]


def test_stage_names_and_log_lines_are_printed_unchanged(tmp_path: Path) -> None:
    lines = "; ".join(f"echo '{line}'" for line in PRINTED)
    folder = make(tmp_path, {"p/dvc.yaml": json.dumps({"stages": {"train": {"cmd": f"{lines}; false"}}})})
    output = abreast(folder, "p/dvc.yaml", status=1)
    assert "p/dvc.yaml:train: started\n" in output
    assert all(f"  {line}\n" in output for line in PRINTED)
    assert " p/dvc.yaml:train " in run(folder, "abreast", "log")
