"""Download public data files from mirrors over HTTPS, or from Debian's package archive."""

import functools
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from fashion.errors import InputError
from fashion.files import atomic_write

DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
CONNECT_TIMEOUT, READ_TIMEOUT = 5, 30  # seconds without an answer
MIN_SPEED = 10_000  # bytes per second, averaged over a download; not checked in its first seconds
MIN_SPEED_AFTER = 60  # seconds
MAX_BYTES = 200_000_000  # of a file, also when decompressed; the training images have 47 million


def fetch(checksums: Mapping[str, str], folder: Path, mirrors: Sequence[str]) -> None:
    """Download files into `folder` from the first source that has all of them; InputError if no source has.

    checksums: SHA-256 of the decompressed bytes, by file name. mirrors: tried in this order, before Debian.
    """
    failures = []
    for mirror in mirrors:
        try:
            download(checksums, folder, mirror)
            return
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failures.append(f"{mirror} ({explain(error)})")
            print(f"fetch: {failures[-1]}; trying the next source", file=sys.stderr, flush=True)
    try:
        unpack_debian_package(list(checksums), folder)
        return
    except (subprocess.CalledProcessError, OSError) as error:
        failures.append(f"Debian package {DEBIAN_PACKAGE} ({explain(error)})")
    missing = ", ".join(checksums)
    raise InputError(f"{folder}: cannot fetch {missing}; put them there yourself. Tried: {'; '.join(failures)}")


def download(checksums: Mapping[str, str], folder: Path, mirror: str) -> None:
    """Download the files that `folder` does not have, with a progress bar.

    A file gets its name only when it is complete and its checksum is right.
    """
    with requests.Session() as session:
        retry = Retry(total=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
        session.mount("https://", HTTPAdapter(max_retries=retry))
        session.headers["Accept-Encoding"] = "identity"  # no further compression: Content-Length is the file's size
        for name, checksum in checksums.items():
            if (folder / name).exists():
                continue
            url = f"{mirror.rstrip('/')}/{name}"
            with (
                session.get(url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response,
                atomic_write(folder / name) as temporary,
            ):
                response.raise_for_status()
                size = int(response.headers.get("Content-Length", 0))
                print(f"fetch: {url}", file=sys.stderr, flush=True)
                with (
                    temporary.open("wb") as file,
                    tqdm(total=size or None, unit="B", unit_scale=True, desc=name, mininterval=1) as bar,
                ):
                    for chunk in read_chunks(response.raw):
                        file.write(chunk)
                        bar.update(len(chunk))
                if size and temporary.stat().st_size != size:
                    raise OSError(f"received {temporary.stat().st_size} of {size} bytes")
                if decompressed_checksum(temporary) != checksum:
                    raise OSError(f"{name} does not have the checksum of ingest.sha256 in params.yaml")


def read_chunks(response: urllib3.HTTPResponse) -> Iterator[bytes]:
    """Read the bytes of a response as they arrive; OSError if they are too slow or too many."""
    started, received = time.monotonic(), 0
    while chunk := response.read1(1 << 16):
        yield chunk
        received += len(chunk)
        seconds = time.monotonic() - started
        if seconds > MIN_SPEED_AFTER and received / seconds < MIN_SPEED:
            raise OSError(f"slower than {MIN_SPEED / 1000:.0f} kB per second")
        if received > MAX_BYTES:
            raise OSError(f"more than {MAX_BYTES / 1e6:.0f} MB")


def decompressed_checksum(path: Path) -> str:
    """Compute SHA-256 of the decompressed bytes of a gzip file; OSError if it is damaged or too large."""
    checksum = hashlib.sha256()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(1 << 20):
                checksum.update(chunk)
                if file.tell() > MAX_BYTES:
                    raise OSError(f"more than {MAX_BYTES / 1e6:.0f} MB, decompressed")
    except (EOFError, zlib.error) as error:
        raise OSError(f"not a complete gzip file: {error}") from None
    return checksum.hexdigest()


def unpack_debian_package(names: Sequence[str], folder: Path) -> None:
    """Download Debian's package and copy the files from it, without installing it and without root."""
    print(f"fetch: Debian package {DEBIAN_PACKAGE}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        get_package = functools.partial(subprocess.run, ["apt-get", "download", DEBIAN_PACKAGE], cwd=temporary)
        if get_package(capture_output=True).returncode != 0:
            if os.geteuid() == 0:  # the package lists may be missing, as in a container
                subprocess.run(["apt-get", "update"], capture_output=True, check=True)
            get_package(capture_output=True, check=True)
        package = next(Path(temporary).glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, temporary], capture_output=True, check=True)
        for name in names:
            with atomic_write(folder / name) as path:
                shutil.copyfile(Path(temporary) / DEBIAN_FOLDER.relative_to("/") / name, path)


def explain(error: Exception) -> str:
    """Give the reason of a failed download in a few words."""
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {error.returncode}"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return " ".join(str(error).split())
