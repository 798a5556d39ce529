"""Get the public data files: from the mirrors over HTTPS, else from Debian's package archive."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from fashion.errors import InputError
from fashion.files import replacing

DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
CONNECT, READ = 5, 30  # seconds without an answer


def fetch(names: Sequence[str], folder: Path, mirrors: Sequence[str]) -> None:
    """Put the files `names` into `folder`, from the first source that has them all; InputError when none has."""
    tried = []
    for mirror in mirrors:
        try:
            download(names, folder, mirror)
            return
        except (requests.RequestException, OSError) as error:
            tried.append(f"{mirror} ({reason(error)})")
            print(f"fetch: {tried[-1]}; trying elsewhere", file=sys.stderr, flush=True)
    try:
        unpack_debian_package(names, folder)
        return
    except (subprocess.CalledProcessError, OSError) as error:
        tried.append(f"Debian package {DEBIAN_PACKAGE} ({reason(error)})")
    raise InputError(f"{folder}: cannot fetch {', '.join(names)}; put them there yourself. Tried: {'; '.join(tried)}")


def download(names: Sequence[str], folder: Path, mirror: str) -> None:
    """Download the files that are not there yet, with a progress bar; each is moved into place when whole."""
    with requests.Session() as session:
        retry = Retry(total=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
        session.mount("https://", HTTPAdapter(max_retries=retry))
        session.headers["Accept-Encoding"] = "identity"  # the bytes as they lie there, of the announced length
        for name in names:
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
                    for chunk in response.iter_content(1 << 16):
                        file.write(chunk)
                        bar.update(len(chunk))
                if size and part.stat().st_size != size:
                    raise OSError(f"{part.stat().st_size} of {size} bytes came")


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
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return " ".join(str(error).split())
