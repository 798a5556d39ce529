"""Cores, memory, GPUs, mutexes and retries of stages, as `meta` in dvc.yaml sets them."""

import os
from pathlib import Path

import loky
import pytest

from abreast.errors import AbreastError
from abreast.plan.resources import Resources, capacity, count_cores
from dvc_project import ENVIRONMENT, LOGS, abreast, entries, make, nightly, ran, run

MEETING = """
import pathlib, sys, time
me, other = map(pathlib.Path, sys.argv[1:3])
me.write_text("")
until = time.monotonic() + float(sys.argv[3])
while not other.exists() and time.monotonic() < until:
    time.sleep(0.01)
me.write_text("together" if other.exists() else "alone")
"""


def meeting(folder: Path, a: str = "{}", b: str = "{}", seconds: float = 3) -> Path:
    """Make a project of two stages with this `meta` that wait for each other, a few seconds at most."""
    stage = "  {0}: {{cmd: python meeting.py {0}.txt {1}.txt {3}, outs: [{0}.txt], meta: {2}}}\n"
    stages = stage.format("a", "b", a, seconds) + stage.format("b", "a", b, seconds)
    return make(folder, {"meeting.py": MEETING, "dvc.yaml": f"stages:\n{stages}"})


def ran_in_parallel(folder: Path) -> bool:
    return {"alone"}.isdisjoint((folder / f"{name}.txt").read_text() for name in "ab")


def test_without_jobs_the_cores_of_a_quota_are_used(tmp_path: Path) -> None:
    """LOKY_MAX_CPU_COUNT simulates a container's quota: loky respects both, and other libraries ignore the variable."""
    folder = meeting(tmp_path)
    run(folder, "abreast", "repro", environment={"LOKY_MAX_CPU_COUNT": "1"})
    assert not ran_in_parallel(folder)
    abreast(folder, "--force", "-j", "2")
    assert ran_in_parallel(folder)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="has no affinity")
def test_without_jobs_the_cores_of_the_affinity_are_used() -> None:
    allowed = os.sched_getaffinity(0)
    assert capacity(None, [])["cores"] == count_cores() == loky.cpu_count()
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert capacity(None, [])["cores"] == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert capacity(7, [])["cores"] == 7


TOO_MUCH = "{memory: 9000 TB}"
PAIRS = {
    "of little memory": ("{memory: 1 MB}", "{memory: 1 MiB}", True),
    "of more memory than there is": (TOO_MUCH, TOO_MUCH, False),
    "of which one asks for memory": (TOO_MUCH, "{}", True),
    "of a GPU each of two": ("{gpu: 1}", "{gpu: 1}", True),
    "of two GPUs": ("{gpu: 2}", "{gpu: 1}", False),
    "of one mutex": ("{mutex: [base]}", "{mutex: base}", False),
    "of one mutex among others": ("{mutex: [base, port]}", "{mutex: [disk, port]}", False),
    "of different mutexes": ("{mutex: [base]}", "{mutex: [port]}", True),
}


DEFAULT_PAIRS = ("of more memory than there is", "of a GPU each of two", "of one mutex among others")


@pytest.mark.parametrize("pair", [*DEFAULT_PAIRS, *nightly(*(name for name in PAIRS if name not in DEFAULT_PAIRS))])
def test_two_stages_run_in_parallel_if_resources_suffice(pair: str, tmp_path: Path) -> None:
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho GPU 0\necho GPU 1\n")
    tool.chmod(0o755)
    one, other, parallel = PAIRS[pair]
    folder = meeting(tmp_path / "project", one, other, 3 if parallel else 1)
    path = f"{tool.parent}{os.pathsep}{ENVIRONMENT['PATH']}"
    output = run(folder, "abreast", "repro", "-j", "2", environment={"PATH": path})
    assert ran_in_parallel(folder) == parallel
    assert ("a: meta.memory: 9000 TB is more than" in output) == (one == TOO_MUCH)


def test_without_nvidia_smi_there_is_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert capacity(2, [{"gpu": 1}])["gpu"] == 1


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"cores": 0}, "dvc.yaml: s: meta.cores: 0 is not an integer of at least 1"),
        ({"memory": "8 apples"}, "dvc.yaml: s: meta.memory: '8 apples' is not an amount of memory.*"),
        ({"gpu": True}, "dvc.yaml: s: meta.gpu: True is not an integer of at least 0"),
        ({"mutex": {"a": 1}}, "dvc.yaml: s: meta.mutex: {'a': 1} is not a list of names"),
        ({"retries": -1}, "dvc.yaml: s: meta.retries: -1 is not an integer of at least 0"),
    ],
)
def test_an_invalid_value_in_meta_is_an_error_with_its_place(meta: dict[str, object], message: str) -> None:
    with pytest.raises(AbreastError, match=f"^{message}$"):
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


@pytest.mark.parametrize("command", ["repro", *nightly("rehearse")])
def test_a_failed_stage_is_retried(command: str, tmp_path: Path) -> None:
    folder = make(tmp_path, {"dvc.yaml": FLAKY.format(fails=2)})
    output = abreast(folder, command=command)
    assert ran(output) == {"flaky", "after"}
    assert [line.partition("; its log")[0] for line in output.splitlines() if "retry" in line] == [
        "flaky: failed; retry 1 of 2 starts",
        "flaky: failed; retry 2 of 2 starts",
    ]
    assert (folder / LOGS / "flaky.log").read_text().count("> echo try") == 3


def test_a_stage_that_keeps_failing_fails_after_its_retries(tmp_path: Path) -> None:
    folder = make(tmp_path, {"dvc.yaml": FLAKY.format(fails=9)})
    assert "flaky failed. The end of" in abreast(folder, status=1)
    assert (folder / "tries.txt").read_text() == "try\n" * 3
    assert not entries(folder)
