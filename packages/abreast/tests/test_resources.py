"""What of a machine's cores, memory and GPUs `abreast` fills, as `meta` of the stages says, and how often it tries."""

import os
from pathlib import Path

import loky
import pytest

from abreast.errors import AbreastError
from abreast.plan.resources import Resources, capacity, cpus
from dvc_project import ENVIRONMENT, LOGS, abreast, entries, make, ran, run

MEETING = """
import pathlib, sys, time
me, other = map(pathlib.Path, sys.argv[1:])
me.write_text("")
until = time.monotonic() + 3
while not other.exists() and time.monotonic() < until:
    time.sleep(0.01)
me.write_text("together" if other.exists() else "alone")
"""


def meeting(folder: Path, a: str = "{}", b: str = "{}") -> Path:
    """Make a project of two stages that wait for each other for a moment, with their `meta`."""
    stage = "  {0}: {{cmd: python meeting.py {0}.txt {1}.txt, outs: [{0}.txt], meta: {2}}}\n"
    stages = stage.format("a", "b", a) + stage.format("b", "a", b)
    return make(folder, {"meeting.py": MEETING, "dvc.yaml": f"stages:\n{stages}"})


def together(folder: Path) -> bool:
    return {"alone"}.isdisjoint((folder / f"{name}.txt").read_text() for name in "ab")


def test_without_jobs_it_fills_the_cores_that_a_quota_leaves(tmp_path: Path) -> None:
    """LOKY_MAX_CPU_COUNT stands for a container's quota: loky counts both, and nobody else heeds the first."""
    folder = meeting(tmp_path)
    run(folder, "abreast", "repro", environment={"LOKY_MAX_CPU_COUNT": "1"})
    assert not together(folder)
    abreast(folder, "--force", "-j", "2")
    assert together(folder)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="has no affinity")
def test_without_jobs_it_fills_the_cores_that_affinity_leaves() -> None:
    allowed = os.sched_getaffinity(0)
    assert capacity(None, [])["cores"] == cpus() == loky.cpu_count()
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert capacity(None, [])["cores"] == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert capacity(7, [])["cores"] == 7


MUCH = "{memory: 9000 TB}"
PAIRS = {
    "of little memory": ("{memory: 1 MB}", "{memory: 1 MiB}", True),
    "of more memory than there is": (MUCH, MUCH, False),
    "of which one asks for memory": (MUCH, "{}", True),
    "of a GPU each of two": ("{gpu: 1}", "{gpu: 1}", True),
    "of two GPUs": ("{gpu: 2}", "{gpu: 1}", False),
    "of one mutex": ("{mutex: [base]}", "{mutex: base}", False),
    "of one mutex among others": ("{mutex: [base, port]}", "{mutex: [disk, port]}", False),
    "of different mutexes": ("{mutex: [base]}", "{mutex: [port]}", True),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_two_stages_run_at_once_where_there_is_enough_for_both(pair: str, tmp_path: Path) -> None:
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho GPU 0\necho GPU 1\n")
    tool.chmod(0o755)
    one, other, at_once = PAIRS[pair]
    folder = meeting(tmp_path / "project", one, other)
    path = f"{tool.parent}{os.pathsep}{ENVIRONMENT['PATH']}"
    said = run(folder, "abreast", "repro", "-j", "2", environment={"PATH": path})
    assert together(folder) == at_once
    assert ("a: meta.memory: 9000 TB is more than" in said) == (one == MUCH)


def test_without_nvidia_smi_one_stage_at_a_time_has_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert capacity(2, [{"gpu": 1}])["gpu"] == 1


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"cores": 0}, "dvc.yaml: s: meta.cores: 0 is not a whole number from 1"),
        ({"memory": "8 apples"}, "dvc.yaml: s: meta.memory: '8 apples' is no amount of memory.*"),
        ({"gpu": True}, "dvc.yaml: s: meta.gpu: True is not a whole number from 0"),
        ({"mutex": {"a": 1}}, "dvc.yaml: s: meta.mutex: {'a': 1} is not a list of names"),
        ({"retries": -1}, "dvc.yaml: s: meta.retries: -1 is not a whole number from 0"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(meta: dict[str, object], said: str) -> None:
    with pytest.raises(AbreastError, match=f"^{said}$"):
        Resources.read(meta, "dvc.yaml: s")


FLAKY = """
    stages:
      flaky:
        cmd: echo try >> tries.txt; test $(wc -l < tries.txt) -gt {fails} && echo x > out.txt
        deps: [in.txt]
        outs: [out.txt]
        meta: {{retries: 2}}
      after: {{cmd: cat out.txt > after.txt, deps: [out.txt], outs: [after.txt]}}
    """


@pytest.mark.parametrize("command", ["repro", "rehearse"])
def test_a_stage_that_fails_at_first_is_tried_again_as_often_as_it_says(command: str, tmp_path: Path) -> None:
    folder = make(tmp_path, {"dvc.yaml": FLAKY.format(fails=2)})
    said = abreast(folder, command=command)
    assert ran(said) == {"flaky", "after"}
    assert [line.split(";")[0] for line in said.splitlines() if "tried" in line] == [
        "flaky: failed, and is tried again (1 of 2)",
        "flaky: failed, and is tried again (2 of 2)",
    ]
    assert (folder / LOGS / "flaky.log").read_text().count("> echo try") == 3


def test_a_stage_that_keeps_failing_has_failed_after_its_tries(tmp_path: Path) -> None:
    folder = make(tmp_path, {"dvc.yaml": FLAKY.format(fails=9)})
    assert "flaky failed. The end of" in abreast(folder, status=1)
    assert (folder / "tries.txt").read_text() == "try\n" * 3
    assert not entries(folder)
