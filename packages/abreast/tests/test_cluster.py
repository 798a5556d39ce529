"""`abreast repro --scheduler` with Dask workers on this machine: the files of `dvc repro`, also after failures."""

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

from abreast.cluster.remote import SECRET
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


def repro_on(cluster: Farm, folder: Path, *arguments: str, status: int = 0) -> str:
    return abreast(folder, "--scheduler", cluster.address, "-j", "1", *arguments, status=status)


def stages_on_workers(folder: Path) -> set[str]:
    """Return the stages of the last run that workers ran."""
    records = json.loads(run(folder, "abreast", "log", "--json"))
    return {record["stage"] for record in records if record["where"]}


def is_saved(folder: Path, name: str) -> bool:
    """Tell whether the head has saved the outputs of a stage."""
    log = folder / LOGS / f"{name}.log"
    return log.exists() and "Updating lock file" in log.read_text().partition("is cached - skipping run")[2]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with farm(tmp_path_factory.mktemp("farm")) as cluster:
        yield cluster


@pytest.mark.nightly
def test_all_files_are_those_of_dvc_repro_in_a_first_run_and_after_a_change(two_workers: Farm, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", CHAIN)
    by_dvc = shutil.copytree(folder, tmp_path / "by_dvc")
    for content in ("in\n", "changed, and not committed\n"):
        for each in (by_dvc, folder):
            (each / "in.txt").write_text(content)
            (each / DURATIONS).unlink(missing_ok=True)  # else short stages would run on the head
        run(by_dvc, "dvc", "repro", "--all-pipelines")
        repro_on(two_workers, folder, "dvc.yaml", "more/dvc.yaml")
        assert results(folder) == results(by_dvc)
        assert stages_on_workers(folder) == {"first", "each@a", "each@b", "each@c", "all", "more/dvc.yaml:b"}
    assert run(folder, "dvc", "status") == "Data and pipelines are up to date.\n"


@pytest.mark.nightly
def test_a_stage_in_the_remote_run_cache_is_not_run_again(two_workers: Farm, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", slow(0, 2))
    repro_on(two_workers, folder)
    other = tmp_path / "other"
    run(tmp_path, "git", "clone", "--quiet", str(folder), str(other))
    repro_on(two_workers, other)
    assert not stages_on_workers(other)
    assert results(other) == results(folder)


@pytest.mark.nightly
def test_the_project_may_be_a_subfolder_with_dvc_files(two_workers: Farm, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    folder = make(
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
    shutil.move(folder / ".git", repository / ".git")
    (tmp_path / "remote").mkdir()
    run(folder, "dvc", "remote", "add", "--quiet", "--default", "--local", "there", "../../remote")
    run(folder, "dvc", "add", "--quiet", "data")
    (repository / ".gitignore").write_text("logs\n")
    run(repository, "git", "add", "--all")
    run(repository, "git", "commit", "--quiet", "--message", "All")
    by_dvc = shutil.copytree(repository, tmp_path / "by_dvc") / "some project"
    run(by_dvc, "dvc", "repro")
    repro_on(two_workers, folder)
    assert results(folder) == results(by_dvc)
    assert stages_on_workers(folder) == {"all", "part"}


@pytest.mark.nightly
def test_force_runs_a_stage_again(two_workers: Farm, tmp_path: Path) -> None:
    dice = """
        import sys, uuid
        open(sys.argv[1], "w").write(uuid.uuid4().hex)
        """
    folder = project(
        tmp_path / "project",
        {"dice.py": dice, "dvc.yaml": "stages: {s: {cmd: python dice.py s.txt, deps: [in.txt], outs: [s.txt]}}"},
    )
    repro_on(two_workers, folder)
    before = (folder / "s.txt").read_text()
    (folder / DURATIONS).unlink()
    repro_on(two_workers, folder, "--force")
    assert (folder / "s.txt").read_text() != before
    assert run(folder, "dvc", "status") == "Data and pipelines are up to date.\n"


@pytest.mark.nightly
def test_a_failed_stage_stops_only_its_dependents_and_shows_its_log(two_workers: Farm, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", FAILING)
    output = repro_on(two_workers, folder, status=1)
    assert "  it broke" in output
    assert "1 stage done, 1 failed, 1 not run because they depend on failed ones" in output
    assert entries(folder) == ["good"]


@pytest.mark.nightly
def test_inputs_are_pushed_again_to_a_remote_that_lost_them(two_workers: Farm, tmp_path: Path) -> None:
    files = {
        "dvc.yaml": """
            stages:
              first: {cmd: python join.py in.txt first.txt, deps: [in.txt], outs: [first.txt]}
              second: {cmd: python join.py first.txt second.txt, deps: [first.txt], outs: [second.txt]}
              third: {cmd: python join.py *t.txt second.txt third.txt, deps: [first.txt, second.txt], outs: [third.txt]}
            """
    }
    folder = project(tmp_path / "project", files)
    repro_on(two_workers, folder, "second")
    assert stages_on_workers(folder) == {"first", "second"}
    shutil.rmtree(tmp_path / "project remote")
    (tmp_path / "project remote").mkdir()
    repro_on(two_workers, folder)
    assert (folder / "third.txt").read_text() == "in\nfirst.txt\nin\nfirst.txt\nsecond.txt\nthird.txt\n"
    assert stages_on_workers(folder) == {"third"}


@pytest.mark.nightly
def test_a_stage_runs_on_a_worker_with_the_resources_of_its_meta(two_workers: Farm, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", slow(0, 2, s1=", meta: {gpu: 1, memory: 1 MB}"))
    with start(folder, "--scheduler", two_workers.address) as process:
        wait_for(lambda: is_saved(folder, "s0"))
        two_workers.worker("gifted", "--resources", "gpu=1")
        assert process.wait(60) == 0
    assert entries(folder) == ["s0", "s1"]
    assert stages_on_workers(folder) == {"s0", "s1"}


@pytest.mark.nightly
def test_two_heads_share_the_workers(two_workers: Farm, tmp_path: Path) -> None:
    one, other = (project(tmp_path / name, slow(0.5, 4)) for name in ("one", "other"))
    with start(one, "--scheduler", two_workers.address) as process:
        repro_on(two_workers, other)
        assert process.wait(60) == 0
    assert entries(one) == entries(other) == ["s0", "s1", "s2", "s3"]
    assert results(one) == results(other)


@pytest.mark.nightly
def test_a_stage_with_unchanged_inputs_is_not_sent(two_workers: Farm, tmp_path: Path) -> None:
    files = {
        "dvc.yaml": """
            stages:
              same: {cmd: echo same > same.txt, deps: [in.txt], outs: [same.txt]}
              then: {cmd: python join.py same.txt then.txt, deps: [same.txt], outs: [then.txt]}
            """
    }
    folder = project(tmp_path / "project", files)
    repro_on(two_workers, folder)
    shutil.rmtree(folder / ".dvc/cache/runs")
    shutil.rmtree(tmp_path / "project remote/runs")
    (folder / DURATIONS).unlink()
    (folder / "in.txt").write_text("changed\n")
    repro_on(two_workers, folder)
    assert stages_on_workers(folder) == {"same"}
    assert (folder / LOGS / "then.log").read_text().startswith("Stage 'then' didn't change, skipping")


@pytest.mark.nightly
def test_a_stage_on_a_worker_does_not_inherit_thread_limits_of_dask(two_workers: Farm, tmp_path: Path) -> None:
    echo = 'echo "$OMP_NUM_THREADS $MKL_NUM_THREADS $MALLOC_TRIM_THRESHOLD_" > s.txt'
    folder = project(
        tmp_path / "project", {"dvc.yaml": f"stages: {{s: {{cmd: '{echo}', deps: [in.txt], outs: [s.txt]}}}}"}
    )
    by_dvc = shutil.copytree(folder, tmp_path / "by_dvc")
    repro_on(two_workers, folder)
    run(by_dvc, "dvc", "repro")
    assert stages_on_workers(folder) == {"s"}
    assert results(folder) == results(by_dvc)


@pytest.mark.nightly
def test_projects_that_share_a_worker_do_not_share_its_run_cache(tmp_path: Path) -> None:
    """A file that a stage does not declare, such as its program here, may differ between them."""
    one = project(tmp_path / "one", slow(0, 1))
    files = slow(0, 1)
    other = project(tmp_path / "other", files | {"wait.py": files["wait.py"].replace("'x'", "'y'")})
    with farm(tmp_path / "farm", workers=1) as cluster:
        repro_on(cluster, one)
        repro_on(cluster, other)
    assert (other / "s0.txt").read_text() == "y"


@pytest.mark.nightly
def test_the_stage_of_a_dead_worker_runs_on_another_worker(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", slow(3, 2))
    with farm(tmp_path / "farm") as two_workers, start(folder, "--scheduler", two_workers.address) as process:
        wait_for(lambda: len(two_workers.running()) >= 4 and len(list(folder.glob(f"{LOGS}/s*.log"))) == 2)
        two_workers.kill(two_workers.processes[1])
        assert process.wait(90) == 0
        wait_for(lambda: not two_workers.running())
        assert entries(folder) == ["s0", "s1"]
        assert stages_on_workers(folder) == {"s0", "s1"}


@pytest.mark.nightly
def test_a_new_worker_replaces_the_only_one_after_its_death(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", slow(2, 1))
    with farm(tmp_path / "farm", workers=1) as one_worker, start(folder, "--scheduler", one_worker.address) as process:
        wait_for(lambda: one_worker.running())
        one_worker.kill(one_worker.processes[1], for_good=False)
        assert process.wait(90) == 0
        assert stages_on_workers(folder) == {"s0"}


KILLER = """
import os, psutil, signal, time
worker = next(each for each in psutil.Process().parents() if "spawn_main" in " ".join(each.cmdline()))
time.sleep(1)
worker.send_signal(signal.SIGKILL)
time.sleep(60)
"""


@pytest.mark.nightly
def test_a_stage_that_kills_three_workers_fails_and_others_run(tmp_path: Path) -> None:
    files = slow(0, 1)
    files["dvc.yaml"] += "  killer: {cmd: python killer.py, deps: [in.txt, killer.py], outs: [killer.txt]}\n"
    folder = project(tmp_path / "project", {**files, "killer.py": KILLER})
    with farm(tmp_path / "farm", workers=1) as one_worker:
        output = repro_on(one_worker, folder, status=1)
    assert "error: killer: the workers that ran it died, perhaps out of memory\n" in output
    assert entries(folder) == ["s0"]


@pytest.mark.nightly
def test_a_stage_of_two_cores_runs_on_a_worker_of_one_after_the_larger_one_died(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", slow(3, 1, s0=", meta: {cores: 2}"))
    with farm(tmp_path / "farm", workers=1) as cluster:
        large = cluster.worker("large", "--nthreads", "2")
        with start(folder, "--scheduler", cluster.address) as process:
            wait_for(lambda: cluster.running())
            cluster.kill(large)
            assert process.wait(60) == 0
    assert stages_on_workers(folder) == {"s0"}


CHANGES = {"a setting": ("params.yaml", "letters: {a: 2}"), "a file": ("in.txt", None)}


@pytest.mark.nightly
@pytest.mark.parametrize("change", CHANGES)
def test_a_stage_whose_inputs_change_while_it_runs_fails_in_a_line(
    change: str, two_workers: Farm, tmp_path: Path
) -> None:
    files = slow(3, 1)
    files["dvc.yaml"] = files["dvc.yaml"].replace("deps: [in.txt]", "deps: [in.txt], params: [letters.a]")
    folder = project(tmp_path / "project", {**files, "params.yaml": "letters: {a: 1}"})
    with start(folder, "--scheduler", two_workers.address) as process:
        wait_for(lambda: two_workers.running())
        name, text = CHANGES[change]
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
        assert process.wait(60) == 1
    *_, last = (folder / LOGS / "s0.log").read_text().splitlines()
    assert last.startswith("error: ")
    assert entries(folder) == []


STOPS = {"INT": (signal.SIGINT, 130), "KILL": (signal.SIGKILL, -9)}


@pytest.mark.nightly
@pytest.mark.parametrize("stop", STOPS)
def test_workers_stop_with_the_head_and_finished_stages_are_kept(stop: str, two_workers: Farm, tmp_path: Path) -> None:
    number, status = STOPS[stop]
    files = slow(300, 1)
    files["dvc.yaml"] += "  quick: {cmd: python join.py in.txt quick.txt, deps: [in.txt], outs: [quick.txt]}\n"
    folder = project(tmp_path / "project", files)
    with start(folder, "--scheduler", two_workers.address) as process:
        wait_for(lambda: is_saved(folder, "quick") and two_workers.running())
        process.send_signal(number)
        assert process.wait(60) == status
    wait_for(lambda: not two_workers.running())
    other = tmp_path / "other"
    run(tmp_path, "git", "clone", "--quiet", str(folder), str(other))
    assert ran(repro_on(two_workers, other, "quick")) == {"quick"}
    assert not stages_on_workers(other)


@pytest.mark.nightly
@pytest.mark.parametrize("where", ["here", "on a worker"])
def test_a_scheduler_that_ends_during_a_stage_ends_the_run_with_one_line(where: str, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", slow(300, 1))
    if where == "here":  # since the file says that it is short
        (folder / LOGS).mkdir(parents=True)
        (folder / DURATIONS).write_text('{"s0": 1}')
    with farm(tmp_path / "farm", workers=1) as one_worker:
        command = [sys.executable, "-m", "abreast", "repro", "--scheduler", one_worker.address]
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
            wait_for(lambda: at_work(folder) if where == "here" else one_worker.running())
            wait_for(lambda: (folder / LOGS / "s0.log").exists())
            one_worker.processes[0].kill()
            _, output = process.communicate(timeout=120)
        assert process.returncode == 2
        assert (
            output.splitlines()[-1]
            == f"error: the scheduler {one_worker.address} has ended; start it and run again; finished stages are kept"
        )
        wait_for(lambda: not one_worker.running())


@pytest.mark.nightly
def test_workers_with_another_environment_are_excluded(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", slow(0, 2))
    with farm(tmp_path / "farm", workers=0) as cluster:
        cluster.worker("other", environment={"ATEN_CPU_CAPABILITY": "avx2"})
        why = "variables ATEN_CPU_CAPABILITY=avx2"
        assert repro_on(cluster, folder, status=2).startswith(f"error: no worker of {cluster.address} fits: {why}")
        (tmp_path / "older/abreast").mkdir(parents=True)
        (tmp_path / "older/abreast/__init__.py").touch()
        cluster.worker("older", environment={"PYTHONPATH": str(tmp_path / "older")})
        cluster.worker("like")
        output = repro_on(cluster, folder)
        assert f"is not used: {why}" in output
        assert re.search("is not used: .*No module named 'abreast.*; install the head's packages there\n", output)
        assert entries(folder) == ["s0", "s1"]
        assert stages_on_workers(folder) == {"s0", "s1"}


@pytest.mark.nightly
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_worker_with_a_full_disk_is_excluded(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=25m", "none", small], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted")
    try:
        filler = "open('s.txt', 'wb').write(bytes(24_000_000))"
        dvc = "stages: {s: {cmd: python fill.py, deps: [in.txt, fill.py], outs: [s.txt]}}"
        folder = project(tmp_path / "project", {"fill.py": filler, "dvc.yaml": dvc})
        with farm(tmp_path / "farm", workers=0) as cluster:
            cluster.worker("full", place=small)
            output = repro_on(cluster, folder, status=2)
            full = f"no space left for {small}"
            assert output.splitlines()[-1].startswith(f"error: no worker of {cluster.address} is left: {full}")
            cluster.worker("roomy")
            assert repro_on(cluster, folder).splitlines()[-1] == "All 1 stage done."
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


@pytest.mark.nightly
def test_a_missing_scheduler_remote_or_git_is_an_error_of_one_line(tmp_path: Path) -> None:
    no_scheduler = ["--scheduler", "tcp://127.0.0.1:9"]
    bare = make(tmp_path / "bare", slow(0, 1))
    no_remote = "error: no DVC remote, through which workers get their data: dvc remote add --default NAME URL\n"
    assert abreast(bare, *no_scheduler, status=2) == no_remote
    run(bare, "dvc", "remote", "add", "--quiet", "--default", "there", str(tmp_path / "bare"))
    run(bare, "dvc", "config", "core.no_scm", "true")
    shutil.rmtree(bare / ".git")
    output = abreast(bare, *no_scheduler, status=2)
    assert output.startswith("error: git rev-parse: fatal: not a git repository")
    assert output.endswith("workers get the project from git\n")
    folder = project(tmp_path / "project", slow(0, 1))
    output = abreast(folder, *no_scheduler, status=2)
    assert output.startswith("error: --scheduler tcp://127.0.0.1:9: no Dask scheduler of a fitting version: ")
    assert len(output.splitlines()) == 1
    in_s3 = project(tmp_path / "away", slow(0, 1), remote="s3://nowhere/at/all")
    run(in_s3, "dvc", "remote", "modify", "there", "endpointurl", "http://127.0.0.1:9")
    output = abreast(in_s3, *no_scheduler, status=2)
    assert output.startswith("error: the DVC remote s3://nowhere/at/all: ")
    assert len(output.splitlines()) == 1


@pytest.mark.nightly
def test_a_remote_in_s3_works_and_a_worker_that_cannot_reach_it_is_excluded(
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
        folder = project(tmp_path / "project", slow(0, 2), remote="s3://bucket/some/where")
        run(folder, "dvc", "remote", "modify", "--local", "there", "endpointurl", f"http://{host}:{port}")
        with farm(tmp_path / "farm", workers=1, environment=keys) as one_worker:
            one_worker.worker("cut off", environment={"http_proxy": "http://127.0.0.1:9"})
            output = run(folder, "abreast", "repro", "--scheduler", one_worker.address, environment=keys)
        assert "is not used: error: the DVC remote s3://bucket/some/where: " in output
        assert stages_on_workers(folder) == {"s0", "s1"}
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


@pytest.mark.nightly
def test_over_tls_a_head_without_the_certificate_is_refused(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", slow(0, 1))
    trusted = certificate(tmp_path)
    with farm(tmp_path / "farm", workers=1, protocol="tls", environment=trusted) as one_worker:
        assert one_worker.address.startswith("tls://")
        assert f"error: --scheduler {one_worker.address}: " in repro_on(one_worker, folder, status=2)
        run(folder, "abreast", "repro", "--scheduler", one_worker.address, environment=trusted)
    assert stages_on_workers(folder) == {"s0"}


def test_secret_settings_of_a_remote_are_not_sent() -> None:
    names = ["password", "passphrase", "secret_access_key", "access_key_id", "session_token", "sas_token"]
    assert [name for name in [*names, "connection_string"] if not SECRET.search(name)] == []


def test_stages_run_on_a_worker(tmp_path: Path) -> None:
    """The short case of the tests that are marked as nightly."""
    folder = project(tmp_path / "project", slow(0, 2))
    by_dvc = shutil.copytree(folder, tmp_path / "by_dvc")
    with farm(tmp_path / "farm", workers=1) as one_worker:
        repro_on(one_worker, folder)
    run(by_dvc, "dvc", "repro")
    assert stages_on_workers(folder) == {"s0", "s1"}
    assert results(folder) == results(by_dvc)


def test_an_address_with_a_password_is_an_error_of_one_line(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", slow(0, 1), remote="https://someone:secret@127.0.0.1:9/data")
    output = abreast(folder, "--scheduler", "tcp://127.0.0.1:9", status=2)
    assert output.startswith("error: the DVC remote there has a password in its address")
    assert len(output.splitlines()) == 1
    assert "secret" not in output


def test_dask_is_imported_only_with_a_scheduler(tmp_path: Path) -> None:
    program = "import sys; from abreast.command import main; main(['repro']); print('distributed' in sys.modules)"
    assert run(make(tmp_path, slow(0, 1)), "python", "-c", program).startswith("False\n")
