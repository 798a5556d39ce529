"""`abreast repro --scheduler`, on real workers in processes of their own: what `dvc repro` gives, whatever fails."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from abreast.cluster.exchange import SECRET
from dvc_project import (
    DURATIONS,
    FAILING,
    LOGS,
    abreast,
    at_work,
    entries,
    make,
    ran,
    results,
    run,
    slow,
    start,
    wait_for,
)
from farm import Farm, farm

CHAIN = {
    "dvc.yaml": """
        stages:
          first: {cmd: python join.py in.txt first.txt, deps: [in.txt, join.py], outs: [first.txt]}
          each:
            foreach: ${letters}
            do:
              cmd: python join.py first.txt each/${key}.txt
              deps: [first.txt, join.py]
              params: ["letters.${key}"]
              outs: ["each/${key}.txt"]
          all: {cmd: python join.py each made/all.txt, deps: [each, join.py], outs: [made]}
          score: {cmd: python join.py made score.json, deps: [made], metrics: [score.json: {cache: false}]}
        """,
    "params.yaml": "letters: {c: 1, a: 2, b: 3}",
    "more/dvc.yaml": "stages: {b: {cmd: python ../join.py ../made b.txt, deps: [../made], outs: [b.txt]}}",
    ".gitignore": "/logs\n",
}


def project(folder: Path, files: dict[str, str], remote: str | Path | None = None) -> Path:
    """Make a DVC project with a commit and a remote, by default a folder beside it."""
    make(folder, {**files, ".gitignore": "/logs\n"})
    remote = remote or folder.with_name(f"{folder.name} remote")
    if isinstance(remote, Path):
        remote.mkdir()
    run(folder, "dvc", "remote", "add", "--quiet", "--default", "there", str(remote))
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "All")
    return folder


def on(farm: Farm, folder: Path, *arguments: str, status: int = 0) -> str:
    return abreast(folder, "--scheduler", farm.address, "-j", "1", *arguments, status=status)


def away(folder: Path) -> set[str]:
    """Name the stages of the last run that workers ran."""
    ran = json.loads(run(folder, "abreast", "log", "--json"))
    return {record["stage"] for record in ran if record["where"]}


def taken(folder: Path, name: str) -> bool:
    """Tell whether the head has what a stage made; of dvc.lock, which DVC writes in place, one may see a part."""
    log = folder / LOGS / f"{name}.log"
    return log.exists() and "Updating lock file" in log.read_text().partition("is cached - skipping run")[2]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with farm(tmp_path_factory.mktemp("farm")) as there:
        yield there


def test_it_agrees_with_dvc_repro_to_the_byte_at_first_and_after_a_change(two: Farm, tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", CHAIN)
    plain = shutil.copytree(ours, tmp_path / "plain")
    for content in ("in\n", "changed, and not committed\n"):
        for folder in (plain, ours):
            (folder / "in.txt").write_text(content)
            (folder / DURATIONS).unlink(missing_ok=True)  # by which stages of a moment would stay here
        run(plain, "dvc", "repro", "--all-pipelines")
        on(two, ours, "dvc.yaml", "more/dvc.yaml")
        assert results(ours) == results(plain)
        assert away(ours) == {"first", "each@a", "each@b", "each@c", "all", "more/dvc.yaml:b"}
    assert run(ours, "dvc", "status") == "Data and pipelines are up to date.\n"


def test_what_the_remote_knows_is_not_run_again(two: Farm, tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", slow(0, 2))
    on(two, ours)
    other = tmp_path / "other"
    run(tmp_path, "git", "clone", "--quiet", str(ours), str(other))
    on(two, other)
    assert not away(other)
    assert results(other) == results(ours)


def test_a_project_may_be_a_folder_of_a_repository_with_data_in_dvc_files(two: Farm, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    ours = make(
        repository / "some project",
        {
            "data/a.txt": "a\n",
            "data/b/c.txt": "c\n",
            "src/more.txt": "more\n",
            "dvc.yaml": """
                stages:
                  all: {cmd: python join.py data src all.txt, deps: [data, src, join.py], outs: [all.txt]}
                  part:
                    wdir: there
                    cmd: python ../join.py ../data/b/c.txt made/part.txt
                    deps: [../data/b/c.txt, ../join.py]
                    outs: [made]
                """,
            "there/kept.txt": "",
        },
    )
    shutil.move(ours / ".git", repository / ".git")
    (tmp_path / "remote").mkdir()
    run(ours, "dvc", "remote", "add", "--quiet", "--default", "--local", "there", "../../remote")
    run(ours, "dvc", "add", "--quiet", "data")
    (repository / ".gitignore").write_text("logs\n")
    run(repository, "git", "add", "--all")
    run(repository, "git", "commit", "--quiet", "--message", "All")
    plain = shutil.copytree(repository, tmp_path / "plain") / "some project"
    run(plain, "dvc", "repro")
    on(two, ours)
    assert results(ours) == results(plain)
    assert away(ours) == {"all", "part"}


def test_a_stage_runs_again_by_force(two: Farm, tmp_path: Path) -> None:
    dice = """
        import sys, uuid
        open(sys.argv[1], "w").write(uuid.uuid4().hex)
        """
    ours = project(
        tmp_path / "ours",
        {"dice.py": dice, "dvc.yaml": "stages: {s: {cmd: python dice.py s.txt, deps: [in.txt], outs: [s.txt]}}"},
    )
    on(two, ours)
    before = (ours / "s.txt").read_text()
    (ours / DURATIONS).unlink()
    on(two, ours, "--force")
    assert (ours / "s.txt").read_text() != before
    assert run(ours, "dvc", "status") == "Data and pipelines are up to date.\n"


def test_a_failing_stage_stops_what_needs_it_alone_and_shows_its_log(two: Farm, tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", FAILING)
    output = on(two, ours, status=1)
    assert "  it broke" in output
    assert "1 stage done, 1 failed, 1 not run since they need those" in output
    assert entries(ours) == ["good"]


def test_a_remote_emptied_half_way_is_filled_again(two: Farm, tmp_path: Path) -> None:
    files = {
        "dvc.yaml": """
            stages:
              first: {cmd: python join.py in.txt first.txt, deps: [in.txt], outs: [first.txt]}
              second: {cmd: python join.py first.txt second.txt, deps: [first.txt], outs: [second.txt]}
              third: {cmd: python join.py *t.txt second.txt third.txt, deps: [first.txt, second.txt], outs: [third.txt]}
            """
    }
    ours = project(tmp_path / "ours", files)
    on(two, ours, "second")
    assert away(ours) == {"first", "second"}
    shutil.rmtree(tmp_path / "ours remote")
    (tmp_path / "ours remote").mkdir()
    on(two, ours)
    assert (ours / "third.txt").read_text() == "in\nfirst.txt\nin\nfirst.txt\nsecond.txt\nthird.txt\n"
    assert away(ours) == {"third"}


def test_files_that_the_remote_lost_from_a_folder_are_pushed_again(two: Farm, tmp_path: Path) -> None:
    files = {
        "data/a.txt": "a\n",
        "data/b.txt": "b\n",
        "dvc.yaml": "stages: {all: {cmd: python join.py data all.txt, deps: [data], outs: [all.txt]}}",
    }
    ours = make(tmp_path / "ours", files)
    (tmp_path / "ours remote").mkdir()
    run(ours, "dvc", "remote", "add", "--quiet", "--default", "there", str(tmp_path / "ours remote"))
    run(ours, "dvc", "add", "--quiet", "data")
    run(ours, "dvc", "push", "--quiet")
    for path in (tmp_path / "ours remote").rglob("*"):
        if path.is_file() and path.suffix != ".dir":
            path.unlink()
    on(two, ours)
    assert (ours / "all.txt").read_text() == "a\nb\nall.txt\n"
    assert away(ours) == {"all"}


def test_a_stage_goes_where_its_meta_says(two: Farm, tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", slow(0, 2, s1=", meta: {gpu: 1, memory: 1 MB}"))
    with start(ours, "--scheduler", two.address) as process:
        wait_for(lambda: taken(ours, "s0"))
        two.worker("gifted", "--resources", "gpu=1")
        assert process.wait(60) == 0
    assert entries(ours) == ["s0", "s1"]
    assert away(ours) == {"s0", "s1"}


def test_two_heads_share_the_workers(two: Farm, tmp_path: Path) -> None:
    one, other = (project(tmp_path / name, slow(0.5, 4)) for name in ("one", "other"))
    with start(one, "--scheduler", two.address) as process:
        on(two, other)
        assert process.wait(60) == 0
    assert entries(one) == entries(other) == ["s0", "s1", "s2", "s3"]
    assert results(one) == results(other)


def test_a_stage_whose_inputs_come_out_as_before_is_not_sent_even_without_a_run_cache(
    two: Farm, tmp_path: Path
) -> None:
    files = {
        "dvc.yaml": """
            stages:
              same: {cmd: echo same > same.txt, deps: [in.txt], outs: [same.txt]}
              then: {cmd: python join.py same.txt then.txt, deps: [same.txt], outs: [then.txt]}
            """
    }
    ours = project(tmp_path / "ours", files)
    on(two, ours)
    shutil.rmtree(ours / ".dvc/cache/runs")
    shutil.rmtree(tmp_path / "ours remote/runs")
    (ours / DURATIONS).unlink()
    (ours / "in.txt").write_text("changed\n")
    on(two, ours)
    assert away(ours) == {"same"}
    assert (ours / LOGS / "then.log").read_text().startswith("Stage 'then' didn't change, skipping")


def test_a_stage_on_a_worker_is_not_held_to_one_thread_as_dask_holds_numpy(two: Farm, tmp_path: Path) -> None:
    echo = 'echo "$OMP_NUM_THREADS $MKL_NUM_THREADS $MALLOC_TRIM_THRESHOLD_" > s.txt'
    ours = project(tmp_path / "ours", {"dvc.yaml": f"stages: {{s: {{cmd: '{echo}', deps: [in.txt], outs: [s.txt]}}}}"})
    plain = shutil.copytree(ours, tmp_path / "plain")
    on(two, ours)
    run(plain, "dvc", "repro")
    assert away(ours) == {"s"}
    assert results(ours) == results(plain)


def test_projects_that_share_a_worker_do_not_share_its_run_cache(tmp_path: Path) -> None:
    """A file that a stage does not name, such as its program here, may differ between them."""
    one = project(tmp_path / "one", slow(0, 1))
    files = slow(0, 1)
    other = project(tmp_path / "other", files | {"wait.py": files["wait.py"].replace("'x'", "'y'")})
    with farm(tmp_path / "farm", workers=1) as there:
        on(there, one)
        on(there, other)
    assert (other / "s0.txt").read_text() == "y"


def test_a_worker_that_dies_costs_its_stage_alone_which_runs_elsewhere(tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", slow(3, 2))
    with farm(tmp_path / "farm") as two, start(ours, "--scheduler", two.address) as process:
        wait_for(lambda: len(two.running()) >= 4 and len(list(ours.glob(f"{LOGS}/s*.log"))) == 2)
        two.kill(two.processes[1])
        assert process.wait(90) == 0
        wait_for(lambda: not two.running())
        assert entries(ours) == ["s0", "s1"]
        assert away(ours) == {"s0", "s1"}


def test_a_new_worker_takes_over_when_the_only_one_has_died(tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", slow(2, 1))
    with farm(tmp_path / "farm", workers=1) as one, start(ours, "--scheduler", one.address) as process:
        wait_for(lambda: one.running())
        one.kill(one.processes[1], for_good=False)
        assert process.wait(90) == 0
        assert away(ours) == {"s0"}


KILLER = """
import os, psutil, signal, time
worker = next(each for each in psutil.Process().parents() if "spawn_main" in " ".join(each.cmdline()))
time.sleep(1)
worker.send_signal(signal.SIGKILL)
time.sleep(60)
"""


def test_a_stage_that_takes_three_workers_down_fails_and_the_rest_goes_on(tmp_path: Path) -> None:
    files = slow(0, 1)
    files["dvc.yaml"] += "  killer: {cmd: python killer.py, deps: [in.txt, killer.py], outs: [killer.txt]}\n"
    ours = project(tmp_path / "ours", {**files, "killer.py": KILLER})
    with farm(tmp_path / "farm", workers=1) as one:
        output = on(one, ours, status=1)
    assert "error: killer: the workers that ran it died, of too little memory perhaps\n" in output
    assert entries(ours) == ["s0"]


def test_a_stage_of_two_cores_runs_on_a_worker_of_one_when_the_larger_has_died(tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", slow(3, 1, s0=", meta: {cores: 2}"))
    with farm(tmp_path / "farm", workers=1) as there:
        large = there.worker("large", "--nthreads", "2")
        with start(ours, "--scheduler", there.address) as process:
            wait_for(lambda: there.running())
            there.kill(large)
            assert process.wait(60) == 0
    assert away(ours) == {"s0"}


CHANGES = {"a setting": ("params.yaml", "letters: {a: 2}"), "a file": ("in.txt", None)}


@pytest.mark.parametrize("change", CHANGES)
def test_a_stage_whose_inputs_change_while_it_runs_fails_in_a_line(change: str, two: Farm, tmp_path: Path) -> None:
    files = slow(3, 1)
    files["dvc.yaml"] = files["dvc.yaml"].replace("deps: [in.txt]", "deps: [in.txt], params: [letters.a]")
    ours = project(tmp_path / "ours", {**files, "params.yaml": "letters: {a: 1}"})
    with start(ours, "--scheduler", two.address) as process:
        wait_for(lambda: two.running())
        name, text = CHANGES[change]
        if text is None:
            (ours / name).unlink()
        else:
            (ours / name).write_text(text)
        assert process.wait(60) == 1
    *_, last = (ours / LOGS / "s0.log").read_text().splitlines()
    assert last.startswith("error: ")
    assert entries(ours) == []


STOPS = {"INT": (signal.SIGINT, 130), "KILL": (signal.SIGKILL, -9)}


@pytest.mark.parametrize("stop", STOPS)
def test_workers_stop_when_the_head_does_and_what_they_had_done_is_kept(stop: str, two: Farm, tmp_path: Path) -> None:
    number, status = STOPS[stop]
    files = slow(300, 1)
    files["dvc.yaml"] += "  quick: {cmd: python join.py in.txt quick.txt, deps: [in.txt], outs: [quick.txt]}\n"
    ours = project(tmp_path / "ours", files)
    with start(ours, "--scheduler", two.address) as process:
        wait_for(lambda: taken(ours, "quick") and two.running())
        process.send_signal(number)
        assert process.wait(60) == status
    wait_for(lambda: not two.running())
    other = tmp_path / "other"
    run(tmp_path, "git", "clone", "--quiet", str(ours), str(other))
    assert ran(on(two, other, "quick")) == {"quick"}
    assert not away(other)


@pytest.mark.parametrize("where", ["here", "on a worker"])
def test_a_scheduler_lost_while_a_stage_runs_ends_the_run_in_a_line(where: str, tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", slow(300, 1))
    if where == "here":  # since it is short, says the file
        (ours / LOGS).mkdir(parents=True)
        (ours / DURATIONS).write_text('{"s0": 1}')
    with farm(tmp_path / "farm", workers=1) as one:
        command = [sys.executable, "-m", "abreast", "repro", "--scheduler", one.address]
        with subprocess.Popen(command, cwd=ours, stderr=subprocess.PIPE, text=True) as process:
            wait_for(lambda: at_work(ours) if where == "here" else one.running())
            wait_for(lambda: (ours / LOGS / "s0.log").exists())
            one.processes[0].kill()
            _, said = process.communicate(timeout=120)
        assert process.returncode == 2
        assert (
            said.splitlines()[-1]
            == f"error: the scheduler {one.address} has ended; start it and run again, what was done is kept"
        )
        wait_for(lambda: not one.running())


def test_workers_that_compute_otherwise_are_set_apart(tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", slow(0, 2))
    with farm(tmp_path / "farm", workers=0) as there:
        there.worker("other", environment={"ATEN_CPU_CAPABILITY": "avx2"})
        why = "switches ATEN_CPU_CAPABILITY=avx2"
        assert on(there, ours, status=2).startswith(f"error: no worker of {there.address} fits: {why}")
        (tmp_path / "older/abreast").mkdir(parents=True)
        (tmp_path / "older/abreast/__init__.py").touch()
        there.worker("older", environment={"PYTHONPATH": str(tmp_path / "older")})
        there.worker("like")
        output = on(there, ours)
        assert f"takes no part: {why}" in output
        assert re.search("takes no part: .*No module named 'abreast.*; install there what is installed here\n", output)
        assert entries(ours) == ["s0", "s1"]
        assert away(ours) == {"s0", "s1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_worker_with_a_full_disk_is_set_apart_and_its_stage_runs_elsewhere(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=25m", "none", small], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted")
    try:
        filler = "open('s.txt', 'wb').write(bytes(24_000_000))"
        dvc = "stages: {s: {cmd: python fill.py, deps: [in.txt, fill.py], outs: [s.txt]}}"
        ours = project(tmp_path / "ours", {"fill.py": filler, "dvc.yaml": dvc})
        with farm(tmp_path / "farm", workers=0) as there:
            there.worker("full", place=small)
            output = on(there, ours, status=2)
            full = f"no space left for {small}"
            assert output.splitlines()[-1].startswith(f"error: no worker of {there.address} is left: {full}")
            there.worker("roomy")
            assert on(there, ours).splitlines()[-1] == "All 1 stage done."
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


def test_without_a_scheduler_a_remote_or_git_it_says_so_in_a_line(tmp_path: Path) -> None:
    nobody = ["--scheduler", "tcp://127.0.0.1:9"]
    bare = make(tmp_path / "bare", slow(0, 1))
    no_remote = "error: no DVC remote, through which workers get their data: dvc remote add --default NAME URL\n"
    assert abreast(bare, *nobody, status=2) == no_remote
    run(bare, "dvc", "remote", "add", "--quiet", "--default", "there", str(tmp_path / "bare"))
    run(bare, "dvc", "config", "core.no_scm", "true")
    shutil.rmtree(bare / ".git")
    output = abreast(bare, *nobody, status=2)
    assert output.startswith("error: git rev-parse: fatal: not a git repository")
    assert output.endswith("workers get the project from git\n")
    ours = project(tmp_path / "ours", slow(0, 1))
    output = abreast(ours, *nobody, status=2)
    assert output.startswith("error: --scheduler tcp://127.0.0.1:9: no Dask scheduler of a fitting version answers: ")
    assert len(output.splitlines()) == 1
    away = project(tmp_path / "away", slow(0, 1), remote="s3://nowhere/at/all")
    run(away, "dvc", "remote", "modify", "there", "endpointurl", "http://127.0.0.1:9")
    output = abreast(away, *nobody, status=2)
    assert output.startswith("error: the DVC remote s3://nowhere/at/all: ")
    assert len(output.splitlines()) == 1


def test_a_remote_in_s3_carries_the_files_and_a_worker_that_cannot_reach_it_is_set_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        import boto3

        boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="bucket")
        ours = project(tmp_path / "ours", slow(0, 2), remote="s3://bucket/some/where")
        run(ours, "dvc", "remote", "modify", "--local", "there", "endpointurl", f"http://{host}:{port}")
        with farm(tmp_path / "farm", workers=1, environment=keys) as one:
            one.worker("cut off", environment={"http_proxy": "http://127.0.0.1:9"})
            output = run(ours, "abreast", "repro", "--scheduler", one.address, environment=keys)
        assert "takes no part: error: the DVC remote s3://bucket/some/where: " in output
        assert away(ours) == {"s0", "s1"}
    finally:
        server.stop()


def certificate(folder: Path) -> dict[str, str]:
    """Make a certificate that signs itself; give the settings by which Dask's programs trust it and show it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=farm"]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    each = {
        f"{tls}{who}__{what}": str(file)
        for who in ("SCHEDULER", "WORKER", "CLIENT")
        for what, file in (("KEY", key), ("CERT", cert))
    }
    return {**each, f"{tls}CA_FILE": str(cert), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}


def test_over_tls_a_head_without_the_certificate_is_turned_away(tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", slow(0, 1))
    trusted = certificate(tmp_path)
    with farm(tmp_path / "farm", workers=1, protocol="tls", environment=trusted) as one:
        assert one.address.startswith("tls://")
        assert f"error: --scheduler {one.address}: " in on(one, ours, status=2)
        run(ours, "abreast", "repro", "--scheduler", one.address, environment=trusted)
    assert away(ours) == {"s0"}


@pytest.mark.parametrize(
    "setting",
    ["password", "passphrase", "secret_access_key", "access_key_id", "session_token", "sas_token", "connection_string"],
)
def test_a_secret_setting_of_a_remote_stays_here(setting: str) -> None:
    assert SECRET.search(setting)


def test_an_address_with_a_password_is_refused_in_a_line(tmp_path: Path) -> None:
    ours = project(tmp_path / "ours", slow(0, 1), remote="https://someone:secret@127.0.0.1:9/data")
    output = abreast(ours, "--scheduler", "tcp://127.0.0.1:9", status=2)
    assert output.startswith("error: the DVC remote there has a password in its address")
    assert len(output.splitlines()) == 1
    assert "secret" not in output


def test_nothing_imports_dask_unless_a_scheduler_is_named(tmp_path: Path) -> None:
    program = "import sys; from abreast.command import main; main(['repro']); print('distributed' in sys.modules)"
    assert run(make(tmp_path, slow(0, 1)), "python", "-c", program).startswith("False\n")
