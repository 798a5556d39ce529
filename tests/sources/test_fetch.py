import functools
import gzip
import hashlib
import http.server
import shutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

import fashion.sources.fetch
from clone import DATA
from fashion.errors import InputError
from fashion.sources.fetch import DEBIAN_FOLDER, fetch

NAMES = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
SUMS = {name: hashlib.sha256(gzip.decompress((DATA / name).read_bytes())).hexdigest() for name in NAMES}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


class FileHandler(QuietHandler, ABC):
    """Sends the headers of a file; subclasses send its bytes."""

    headers_of_file: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in self.headers_of_file.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):  # the client has closed the connection
            self.send_file()

    @abstractmethod
    def send_file(self) -> None: ...


class CutOffHandler(FileHandler):
    """Sends fewer bytes than its header says, as if the connection broke."""

    headers_of_file: ClassVar[dict[str, str]] = {"Content-Length": "1000"}

    def send_file(self) -> None:
        self.wfile.write(b"only this")


class StallingHandler(FileHandler):
    """Sends a few bytes, and then nothing."""

    def send_file(self) -> None:
        self.wfile.write(b"this much")
        time.sleep(3)


class DrippingHandler(FileHandler):
    """Sends a byte every 50 ms, without end."""

    def send_file(self) -> None:
        while True:
            self.wfile.write(b".")
            time.sleep(0.05)


class EndlessHandler(FileHandler):
    """Sends bytes as fast as it can, without end."""

    def send_file(self) -> None:
        while True:
            self.wfile.write(bytes(1 << 16))


class BombHandler(FileHandler):
    """Sends a small file that is large when decompressed."""

    def send_file(self) -> None:
        self.wfile.write(gzip.compress(bytes(3_000_000)))


class GarbageHandler(FileHandler):
    """Sends a page instead of each file, as captive portals do."""

    def send_file(self) -> None:
        self.wfile.write(b"<html>Please log in</html>")


class OtherFileHandler(FileHandler):
    """Sends a complete gzip file of other bytes."""

    def send_file(self) -> None:
        self.wfile.write(gzip.compress(b"other bytes"))


class RedirectingHandler(QuietHandler):
    """Redirects each request to itself."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()


def serve(handler: object) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def mirror() -> Iterator[str]:
    yield from serve(functools.partial(QuietHandler, directory=DATA))


@pytest.fixture
def cut_off_mirror() -> Iterator[str]:
    yield from serve(CutOffHandler)


@pytest.fixture(autouse=True)
def no_apt(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("bin")))


def test_files_are_downloaded_from_a_mirror(mirror: str, tmp_path: Path) -> None:
    fetch(SUMS, tmp_path, [mirror])
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    assert all((tmp_path / name).read_bytes() == (DATA / name).read_bytes() for name in NAMES)


def test_an_incomplete_download_leaves_no_files(cut_off_mirror: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot fetch"):
        fetch(SUMS, tmp_path, [cut_off_mirror])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (StallingHandler, "no answer in time"),
        (DrippingHandler, "slower than 10 kB per second"),
        (EndlessHandler, "more than 1 MB"),
        (BombHandler, "more than 1 MB, decompressed"),
        (RedirectingHandler, "Exceeded 30 redirects"),
        (GarbageHandler, "Not a gzipped file"),
        (OtherFileHandler, "does not have the checksum of ingest.sha256 in params.yaml"),
    ],
)
def test_after_a_faulty_mirror_the_next_one_is_tried(
    handler: type,
    reason: str,
    mirror: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fashion.sources.fetch, "READ_TIMEOUT", 1)
    monkeypatch.setattr(fashion.sources.fetch, "MIN_SPEED_AFTER", 1)
    monkeypatch.setattr(fashion.sources.fetch, "MAX_BYTES", 1_000_000)
    for faulty_mirror in serve(handler):
        fetch(SUMS, tmp_path, [faulty_mirror, mirror])
    assert reason in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    assert all((tmp_path / name).read_bytes() == (DATA / name).read_bytes() for name in NAMES)


def test_after_a_mirror_without_the_files_the_next_one_is_tried(mirror: str, tmp_path: Path) -> None:
    fetch(SUMS, tmp_path, [f"{mirror}/nowhere", "http://127.0.0.1:9", mirror])
    assert (tmp_path / NAMES[0]).is_file()


def test_the_error_names_all_sources_that_were_tried_and_the_way_out(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        fetch(SUMS, tmp_path, [f"{mirror}/nowhere", "http://127.0.0.1:9"])
    message = str(error.value)
    assert "put them there yourself" in message
    assert "nowhere (HTTP 404)" in message
    assert "127.0.0.1:9 (no connection)" in message
    assert "dataset-fashion-mnist" in message


def test_debians_package_is_unpacked_if_there_is_no_mirror(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small package of the same layout in place of the one of 31 MB, unpacked by the real dpkg-deb."""
    dpkg = shutil.which("dpkg-deb", path="/usr/bin:/bin")
    if dpkg is None:
        pytest.skip("no dpkg-deb on this system")
    tree, tools = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("tools")
    files = tree / DEBIAN_FOLDER.relative_to("/")
    files.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(DATA / name, files)
    (tree / "DEBIAN").mkdir()
    control = "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n"
    (tree / "DEBIAN" / "control").write_text(control)
    apt = tools / "apt-get"
    apt.write_text(f"#!/bin/sh\n[ $1 = download ] && dpkg-deb --build {tree} $2_1_all.deb\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    fetch(SUMS, tmp_path, [])
    assert all((tmp_path / name).read_bytes() == (DATA / name).read_bytes() for name in NAMES)
