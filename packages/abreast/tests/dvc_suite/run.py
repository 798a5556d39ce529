"""Run DVC's own tests of `dvc repro` against `abreast repro`: python tests/dvc_suite/run.py [ARGUMENTS OF PYTEST]

The tests come from the source distribution of the DVC that is installed. pip downloads it once, into the user's cache
folder. What they import is in the extra: pip install "abreast[dvc-suite]". The plugin reproduce_by_abreast.py runs
`abreast repro` where the tests call `Repo.reproduce`.

Exit status: that of pytest, 0 if all tests pass except those that the plugin lists; 2 if the download fails.
"""

import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

TESTS = [f"tests/func/{name}" for name in ("repro", "test_dataset.py", "test_lockfile.py", "test_run_cache.py")]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "abreast")
HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    """Download the tests unless they are in the cache, run them, and return the exit status."""
    try:
        folder = tests_of(version("dvc"))
    except (OSError, PackageNotFoundError, subprocess.SubprocessError, tarfile.TarError) as error:
        print(f"error: DVC's tests cannot be downloaded: {reason(error)}", file=sys.stderr)
        return 2
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])  # `python` of stages
    # DVC's settings of pytest hold, but for `addopts`, which needs a plugin that measures coverage.
    options = ["-o", "addopts=", "-q", "--disable-warnings", "-p", "no:cacheprovider", "-p", "reproduce_by_abreast"]
    # Not on the command line: `dvc` looks there for its own flags -q and -v, even when a test calls it.
    pytest_options = shlex.join([*options, *arguments, *TESTS])
    environment = {"PATH": path, "PYTHONPATH": str(HERE), "PYTEST_ADDOPTS": pytest_options, "ABREAST_FSYNC": "0"}
    return subprocess.run([sys.executable, "-m", "pytest"], cwd=folder, env=os.environ | environment).returncode


def tests_of(release: str) -> Path:
    """Return the folder with the tests of a release of DVC, and with its settings of pytest.

    The code of DVC is not unpacked: tests in that folder would import it, and not the DVC that is installed.
    """
    folder = CACHE / f"dvc-{release}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as part:
            with tarfile.open(download(release, part)) as archive:
                files = [member for member in archive if member.name.split("/")[1:2] in (["tests"], ["pyproject.toml"])]
                archive.extractall(part, files, filter="data")
            Path(part, folder.name).rename(folder)
    return folder


def download(release: str, folder: str) -> Path:
    """Download the source distribution of a release of DVC from the package index into a folder."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--no-deps", "--no-binary", "dvc", "--dest", folder, f"dvc=={release}"]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return Path(folder, f"dvc-{release}.tar.gz")


def reason(error: Exception) -> str:
    """Describe an error in one line: the last line of pip's output, or the error itself."""
    lines = (getattr(error, "stderr", None) or "").split("\n")
    return next((line for line in reversed(lines) if line.strip()), str(error))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
