"""Run the commands of docs/remotes.md with a remote in S3: a second clone pulls all results and has nothing to run."""

import re
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from clone import ROOT, checksums, run

ADD, PUSH, PULL = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/remotes.md").read_text(encoding="utf-8"), re.DOTALL)
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    """Serve S3 with an empty bucket; give its address."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="bucket")
    yield f"http://{host}:{port}"
    server.stop()


def output_checksums(folder: Path) -> dict[str, int]:
    return {path: checksum for path, checksum in checksums(folder).items() if not path.startswith("data/raw/")}


def test_a_second_clone_pulls_all_results_has_nothing_to_run_and_predicts(
    project: Path, server: str, images, tmp_path: Path
) -> None:
    add = next(line.partition("  #")[0] for line in ADD.splitlines() if "s3://" in line)
    run(project, *add.split())
    run(project, "dvc", "remote", "modify", "store", "endpointurl", server)
    run(project, "git", "commit", "--quiet", "--all", "--message", "Remote")
    for line in PUSH.splitlines():
        run(project, *line.split(), environment=KEYS)
    second = tmp_path / "second"
    run(tmp_path, "git", "clone", "--quiet", str(project), str(second))
    Image.fromarray(images[0, 0]).save(second / "shoe.png")
    fetched, status, predicted = [
        run(
            second,
            *line.replace("fashion", "python -m fashion").split(),
            environment=KEYS | {"PYTHONPATH": str(ROOT / "src")},
        )
        for line in PULL.splitlines()
    ]
    assert "files fetched" in fetched
    assert status == "Data and pipelines are up to date.\n"
    assert "shoe.png," in predicted
    assert run(second, "abreast", "repro") == "Everything is up to date.\n"
    assert output_checksums(second) == output_checksums(project)
    assert len(list(second.glob(".dvc/cache/runs/*/*"))) == len(list(project.glob(".dvc/cache/runs/*/*")))
