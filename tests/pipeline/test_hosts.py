"""The whole pipeline on four hosts: network namespaces with a bridge between them, and folders of their own."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest
from moto.server import ThreadedMotoServer

from clone import ENVIRONMENT, checksums, make_clone, run
from dvc_project import wait_for
from farm import Farm, farm

HOSTS = 4
NETWORK = "10.213.77"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True).returncode == 0


@pytest.fixture
def hosts() -> Iterator[list[tuple[str, list[str]]]]:
    """Give hosts' addresses, this one's first, and what runs a command there; all this one's where none can be made."""
    name = f"ab{os.getpid() % 100000}"
    made = [(f"{NETWORK}.1", list[str]())]
    try:
        if ip("link", "add", name, "type", "bridge"):
            ip("address", "add", f"{NETWORK}.1/24", "dev", name)
            ip("link", "set", name, "up")
            for number in range(2, HOSTS + 2):
                host, here, there = f"{name}-{number}", f"{name}a{number}", f"{name}b{number}"
                inside = ["netns", "exec", host, "ip"]
                steps = (
                    ["netns", "add", host],
                    ["link", "add", here, "type", "veth", "peer", "name", there],
                    ["link", "set", there, "netns", host],
                    ["link", "set", here, "master", name, "up"],
                    [*inside, "address", "add", f"{NETWORK}.{number}/24", "dev", there],
                    [*inside, "link", "set", there, "up"],
                    [*inside, "link", "set", "lo", "up"],
                )
                if not all(ip(*step) for step in steps):
                    break
                made.append((f"{NETWORK}.{number}", ["ip", "netns", "exec", host]))
        yield made if len(made) == HOSTS + 1 else [("127.0.0.1", [])] * (HOSTS + 1)
    finally:
        for number in range(2, HOSTS + 2):
            ip("netns", "delete", f"{name}-{number}")
        ip("link", "delete", name)


@pytest.fixture
def bucket(hosts: list[tuple[str, list[str]]]) -> Iterator[str]:
    """Serve S3 on the first host; give its address."""
    server = ThreadedMotoServer(hosts[0][0], port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="bucket")
    yield f"http://{host}:{port}"
    server.stop()


def trainers(farm: Farm) -> list[int]:
    """Number the hosts on which something trains."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        place = re.match(rf"{farm.folder}/host(\d)/", process.info["cwd"] or "")
        if place and "stages/train.py" in (process.info["cmdline"] or []):
            found.append(int(place[1]))
    return found


def test_four_hosts_of_which_one_is_switched_off_give_the_same_bytes_as_one(
    hosts: list[tuple[str, list[str]]], bucket: str, reproduced: tuple[Path, str], tmp_path: Path
) -> None:
    alone, head = reproduced[0], tmp_path / "head"
    head.mkdir()
    make_clone(head)
    run(head, "git", "add", "--all")
    run(head, "git", "commit", "--quiet", "--message", "All")
    for command in (["add", "--default", "store", "s3://bucket/images"], ["modify", "store", "endpointurl", bucket]):
        run(head, "dvc", "remote", command[0], "--quiet", *command[1:])
    with farm(tmp_path / "farm", workers=0, host=hosts[0][0], environment=KEYS) as there:
        for number, (address, inside) in enumerate(hosts[1:], start=1):
            there.worker(f"host{number}", on=inside, host=address)
        command = ["abreast", "repro", "--scheduler", there.address]
        with subprocess.Popen(command, cwd=head, env=ENVIRONMENT | KEYS) as process:
            wait_for(lambda: trainers(there) or process.poll() is not None, 120)
            there.kill(there.processes[trainers(there)[0]])
            assert process.wait(300) == 0
    assert checksums(head) == checksums(alone)
    assert (head / "dvc.lock").read_bytes() == (alone / "dvc.lock").read_bytes()
