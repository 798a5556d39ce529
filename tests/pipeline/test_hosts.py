"""Run the whole pipeline on four hosts: network namespaces connected by a bridge, each with its own folder."""

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
    """Give the address of each host, this machine first, and the start of a command that runs on it.

    If network namespaces cannot be made, all are this machine.
    """
    name = f"ab{os.getpid() % 100000}"
    hosts = [(f"{NETWORK}.1", list[str]())]
    try:
        if ip("link", "add", name, "type", "bridge"):
            ip("address", "add", f"{NETWORK}.1/24", "dev", name)
            ip("link", "set", name, "up")
            for number in range(2, HOSTS + 2):
                host, bridge_end, host_end = f"{name}-{number}", f"{name}a{number}", f"{name}b{number}"
                on_host = ["netns", "exec", host, "ip"]
                commands = (
                    ["netns", "add", host],
                    ["link", "add", bridge_end, "type", "veth", "peer", "name", host_end],
                    ["link", "set", host_end, "netns", host],
                    ["link", "set", bridge_end, "master", name, "up"],
                    [*on_host, "address", "add", f"{NETWORK}.{number}/24", "dev", host_end],
                    [*on_host, "link", "set", host_end, "up"],
                    [*on_host, "link", "set", "lo", "up"],
                )
                if not all(ip(*command) for command in commands):
                    break
                hosts.append((f"{NETWORK}.{number}", ["ip", "netns", "exec", host]))
        yield hosts if len(hosts) == HOSTS + 1 else [("127.0.0.1", [])] * (HOSTS + 1)
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


def training_hosts(cluster: Farm) -> list[int]:
    """Give the numbers of the hosts on which a training runs."""
    numbers = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        host = re.match(rf"{cluster.folder}/host(\d)/", process.info["cwd"] or "")
        if host and "stages.models.train" in (process.info["cmdline"] or []):
            numbers.append(int(host[1]))
    return numbers


@pytest.mark.nightly
def test_four_hosts_give_the_same_bytes_as_one_host_also_if_one_of_them_is_killed(
    hosts: list[tuple[str, list[str]]], bucket: str, reproduced: tuple[Path, str], tmp_path: Path
) -> None:
    one_host, head = reproduced[0], tmp_path / "head"
    head.mkdir()
    make_clone(head)
    run(head, "git", "add", "--all")
    run(head, "git", "commit", "--quiet", "--message", "All")
    for command in (["add", "--default", "store", "s3://bucket/images"], ["modify", "store", "endpointurl", bucket]):
        run(head, "dvc", "remote", command[0], "--quiet", *command[1:])
    with farm(tmp_path / "farm", workers=0, host=hosts[0][0], environment=KEYS) as cluster:
        for number, (address, on_host) in enumerate(hosts[1:], start=1):
            cluster.worker(f"host{number}", on=on_host, host=address)
        command = ["abreast", "repro", "--scheduler", cluster.address]
        with subprocess.Popen(command, cwd=head, env=ENVIRONMENT | KEYS) as process:
            wait_for(lambda: training_hosts(cluster) or process.poll() is not None, 120)
            cluster.kill(cluster.processes[training_hosts(cluster)[0]])
            assert process.wait(300) == 0
    assert checksums(head) == checksums(one_host)
    assert (head / "dvc.lock").read_bytes() == (one_host / "dvc.lock").read_bytes()
