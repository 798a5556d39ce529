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


class AnsweringHandler(QuietHandler, ABC):
    """Announces a file, and leaves its bytes to others."""

    headers_of_file: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in self.headers_of_file.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):  # of who has enough
            self.send_file()

    @abstractmethod
    def send_file(self) -> None: ...


class CutOffHandler(AnsweringHandler):
    """Announces more bytes than it sends, as a broken line does."""

    headers_of_file: ClassVar[dict[str, str]] = {"Content-Length": "1000"}

    def send_file(self) -> None:
        self.wfile.write(b"only this")


class StallingHandler(AnsweringHandler):
    """Sends a little, and then nothing."""

    def send_file(self) -> None:
        self.wfile.write(b"this much")
        time.sleep(3)


class DrippingHandler(AnsweringHandler):
    """Sends a byte now and then, for ever."""

    def send_file(self) -> None:
        while True:
            self.wfile.write(b".")
            time.sleep(0.05)


class EndlessHandler(AnsweringHandler):
    """Sends as fast as it can, for ever."""

    def send_file(self) -> None:
        while True:
            self.wfile.write(bytes(1 << 16))


class BombHandler(AnsweringHandler):
    """Sends a small file that is large when decompressed."""

    def send_file(self) -> None:
        self.wfile.write(gzip.compress(bytes(3_000_000)))


class GarbageHandler(AnsweringHandler):
    """Sends a page of its own instead of each file, as captive portals do."""

    def send_file(self) -> None:
        self.wfile.write(b"<html>Please log in</html>")


class OtherFileHandler(AnsweringHandler):
    """Sends a whole gzip file of other bytes."""

    def send_file(self) -> None:
        self.wfile.write(gzip.compress(b"other bytes"))


class RedirectingHandler(QuietHandler):
    """Sends everyone to itself."""

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


def test_files_come_whole_from_a_mirror(mirror: str, tmp_path: Path) -> None:
    fetch(SUMS, tmp_path, [mirror])
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    assert all((tmp_path / name).read_bytes() == (DATA / name).read_bytes() for name in NAMES)


def test_a_download_that_breaks_off_leaves_nothing_behind(cut_off_mirror: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot fetch"):
        fetch(SUMS, tmp_path, [cut_off_mirror])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (StallingHandler, "no answer in time"),
        (DrippingHandler, "slower than 10 kB a second"),
        (EndlessHandler, "more than 1 MB"),
        (BombHandler, "more than 1 MB, decompressed"),
        (RedirectingHandler, "Exceeded 30 redirects"),
        (GarbageHandler, "Not a gzipped file"),
        (OtherFileHandler, "has other bytes than ingest.sha256 in params.yaml says"),
    ],
)
def test_a_mirror_that_behaves_badly_is_left_for_the_next(
    handler: type,
    said: str,
    mirror: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fashion.sources.fetch, "READ", 1)
    monkeypatch.setattr(fashion.sources.fetch, "FAIR", 1)
    monkeypatch.setattr(fashion.sources.fetch, "LARGEST", 1_000_000)
    for bad in serve(handler):
        fetch(SUMS, tmp_path, [bad, mirror])
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    assert all((tmp_path / name).read_bytes() == (DATA / name).read_bytes() for name in NAMES)


def test_the_next_mirror_is_asked_when_one_has_not_got_the_files(mirror: str, tmp_path: Path) -> None:
    fetch(SUMS, tmp_path, [f"{mirror}/nowhere", "http://127.0.0.1:9", mirror])
    assert (tmp_path / NAMES[0]).is_file()


def test_when_nothing_helps_the_error_says_what_was_tried_and_what_to_do(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        fetch(SUMS, tmp_path, [f"{mirror}/nowhere", "http://127.0.0.1:9"])
    message = str(error.value)
    assert "put them there yourself" in message
    assert "nowhere (HTTP 404)" in message
    assert "127.0.0.1:9 (no connection)" in message
    assert "dataset-fashion-mnist" in message


def test_debians_package_is_unpacked_when_no_mirror_answers(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of the same layout stands in for the 31 MB one; dpkg-deb is the real one."""
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
