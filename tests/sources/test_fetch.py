import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clone import DATA
from fashion.errors import InputError
from fashion.sources.fetch import DEBIAN_FOLDER, fetch

NAMES = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


class CutOffHandler(QuietHandler):
    """Announces more bytes than it sends, as a broken line does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")


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
    fetch(NAMES, tmp_path, [mirror])
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    assert all((tmp_path / name).read_bytes() == (DATA / name).read_bytes() for name in NAMES)


def test_a_download_that_breaks_off_leaves_nothing_behind(cut_off_mirror: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot fetch"):
        fetch(NAMES, tmp_path, [cut_off_mirror])
    assert list(tmp_path.iterdir()) == []


def test_the_next_mirror_is_asked_when_one_has_not_got_the_files(mirror: str, tmp_path: Path) -> None:
    fetch(NAMES, tmp_path, [f"{mirror}/nowhere", "http://127.0.0.1:9", mirror])
    assert (tmp_path / NAMES[0]).is_file()


def test_when_nothing_helps_the_error_says_what_was_tried_and_what_to_do(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        fetch(NAMES, tmp_path, [f"{mirror}/nowhere", "http://127.0.0.1:9"])
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
    fetch(NAMES, tmp_path, [])
    assert all((tmp_path / name).read_bytes() == (DATA / name).read_bytes() for name in NAMES)
