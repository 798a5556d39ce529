"""Get the public data files: from the mirrors over HTTPS, else from Debian's package archive."""

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
from fashion.files import replacing

DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
CONNECT, READ = 5, 30  # seconds without an answer
SLOWEST, FAIR = 10_000, 60  # bytes a second, from so many seconds on
LARGEST = 200_000_000  # bytes of a file, also decompressed; the training images have 47 million


def fetch(checksums: Mapping[str, str], folder: Path, mirrors: Sequence[str]) -> None:
    """Put files into `folder`, from the first source that has them all; InputError when none has.

    checksums: SHA-256 of each file's decompressed bytes, by its name.
    """
    tried = []
    for mirror in mirrors:
        try:
            download(checksums, folder, mirror)
            return
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            tried.append(f"{mirror} ({reason(error)})")
            print(f"fetch: {tried[-1]}; trying elsewhere", file=sys.stderr, flush=True)
    try:
        unpack_debian_package(list(checksums), folder)
        return
    except (subprocess.CalledProcessError, OSError) as error:
        tried.append(f"Debian package {DEBIAN_PACKAGE} ({reason(error)})")
    missing = ", ".join(checksums)
    raise InputError(f"{folder}: cannot fetch {missing}; put them there yourself. Tried: {'; '.join(tried)}")


def download(checksums: Mapping[str, str], folder: Path, mirror: str) -> None:
    """Download the files that are not there yet, with a progress bar; each is moved into place when whole and right."""
    with requests.Session() as session:
        retry = Retry(total=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
        session.mount("https://", HTTPAdapter(max_retries=retry))
        session.headers["Accept-Encoding"] = "identity"  # the bytes as they lie there, of the announced length
        for name, checksum in checksums.items():
            if (folder / name).exists():
                continue
            url = f"{mirror.rstrip('/')}/{name}"
            with session.get(url, stream=True, timeout=(CONNECT, READ)) as response, replacing(folder / name) as part:
                response.raise_for_status()
                size = int(response.headers.get("Content-Length", 0))
                print(f"fetch: {url}", file=sys.stderr, flush=True)
                with (
                    part.open("wb") as file,
                    tqdm(total=size or None, unit="B", unit_scale=True, desc=name, mininterval=1) as bar,
                ):
                    for chunk in chunks(response.raw):
                        file.write(chunk)
                        bar.update(len(chunk))
                if size and part.stat().st_size != size:
                    raise OSError(f"{part.stat().st_size} of {size} bytes came")
                if decompressed_checksum(part) != checksum:
                    raise OSError(f"{name} has other bytes than ingest.sha256 in params.yaml says")


def chunks(raw: urllib3.HTTPResponse) -> Iterator[bytes]:
    """Give what comes, as it comes; OSError where that is too slow, or too much."""
    started, done = time.monotonic(), 0
    while chunk := raw.read1(1 << 16):
        yield chunk
        done += len(chunk)
        seconds = time.monotonic() - started
        if seconds > FAIR and done / seconds < SLOWEST:
            raise OSError(f"slower than {SLOWEST / 1000:.0f} kB a second")
        if done > LARGEST:
            raise OSError(f"more than {LARGEST / 1e6:.0f} MB")


def decompressed_checksum(path: Path) -> str:
    """Compute SHA-256 of what a gzip file holds; OSError where it is none, or holds too much."""
    checksum = hashlib.sha256()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(1 << 20):
                checksum.update(chunk)
                if file.tell() > LARGEST:
                    raise OSError(f"more than {LARGEST / 1e6:.0f} MB, decompressed")
    except (EOFError, zlib.error) as error:
        raise OSError(f"not a whole gzip file: {error}") from None
    return checksum.hexdigest()


def unpack_debian_package(names: Sequence[str], folder: Path) -> None:
    """Download Debian's package and take the files out of it; nothing is installed and no rights are needed."""
    print(f"fetch: Debian package {DEBIAN_PACKAGE}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        get_package = functools.partial(subprocess.run, ["apt-get", "download", DEBIAN_PACKAGE], cwd=temporary)
        if get_package(capture_output=True).returncode != 0:
            if os.geteuid() == 0:  # the lists of packages may be missing, as in a container
                subprocess.run(["apt-get", "update"], capture_output=True, check=True)
            get_package(capture_output=True, check=True)
        package = next(Path(temporary).glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, temporary], capture_output=True, check=True)
        for name in names:
            with replacing(folder / name) as part:
                shutil.copyfile(Path(temporary) / DEBIAN_FOLDER.relative_to("/") / name, part)


def reason(error: Exception) -> str:
    """Say in a few words why a source did not work."""
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
