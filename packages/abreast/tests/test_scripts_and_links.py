"""`abreast rehearse`: a forked script leaves the files and output of Python; links into DVC's cache stay."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from dvc_project import ENVIRONMENT, LOGS, abreast, make, nightly, results, run

FORKED = {"pyproject.toml": 'tool.abreast.preload = ["colorsys"]'}
SCRIPTS = {
    "a file that is never closed": """
        import csv
        file = open("out.txt", "w", newline="")
        writer = csv.writer(file)
        for number in range(100):
            writer.writerow([number, "x" * 50])
        """,
    "a file that a module never closes": """
        import beside
        beside.file.write("x" * 100)
        """,
    "a file in a cycle": """
        class Keeper:
            def __init__(self):
                self.file, self.itself = open("out.txt", "w"), self
        Keeper().file.write("x" * 100)
        """,
    "a compressed file that is never closed": """
        import gzip, shutil
        file = gzip.GzipFile("out.txt", "wb", mtime=0)
        file.write(b"x" * 100)
        """,
    "a thread that writes later": """
        import threading, time
        def late():
            time.sleep(0.2)
            open("out.txt", "w").write("late")
        threading.Thread(target=late).start()
        open("out.txt", "w").write("early")
        """,
    "a daemon thread that never ends": """
        import threading, time
        threading.Thread(target=time.sleep, args=[600], daemon=True).start()
        open("out.txt", "w").write("x")
        """,
    "a pool whose tasks wait": """
        import concurrent.futures, time
        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(time.sleep, 0.2)
        pool.submit(lambda: open("out.txt", "w").write("late"))
        """,
    "a function that is registered for the exit": """
        import atexit, threading, time
        atexit.register(lambda: open("out.txt", "a").write("at exit\\n"))
        def late():
            time.sleep(0.2)
            open("out.txt", "a").write("thread\\n")
        threading.Thread(target=late).start()
        """,
    "a temporary folder": """
        import tempfile
        folder = tempfile.TemporaryDirectory(dir=".", prefix="left-")
        open("out.txt", "w").write("x")
        """,
    "an object with __del__": """
        import os
        TEXT = b"x"
        class Keeper:
            def __del__(self):
                os.write(os.open("out.txt", os.O_WRONLY | os.O_CREAT), TEXT)
        keeper = Keeper()
        """,
    "a name of its own module": """
        import pickle, sys
        class Point: ...
        open("out.txt", "wb").write(pickle.dumps(Point()) + __name__.encode() + sys.argv[0].encode())
        """,
}
ENDS = {
    "a text": "import sys; sys.exit('for want of data')",
    "a number": "print('last output'); raise SystemExit(3)",
    "nothing": "import sys; sys.exit()",
    "an immediate end": "import os; os._exit(4)",
    "an error": "def f(): 1 / 0\nf()",
    "an error in a module": "import fails",
    "a syntax error": "print('never')\n1 +\n",
    "a file that cannot be written": "file = open('/dev/full', 'w')\nfile.write('x')\nprint('end')",
    "a thread's error": "import threading; threading.Thread(target=int, args='x', name='t').start()",
    "Ctrl-C": "raise KeyboardInterrupt",
    "a signal": "import os; print('last output', flush=True); os.kill(os.getpid(), 15)",
}
ABOUT_MODULE = """
import sys
{relative}
from other.deep import thing
names = ["__name__", "__package__", "__file__", "__cached__", "__builtins__"]
print(*(globals()[name] for name in names), __spec__.name, __spec__.origin, type(__loader__).__name__)
print(sys.argv, sys.orig_argv, sys.path[0], __loader__ is __spec__.loader, sys.modules["__main__"].__spec__ is __spec__)
print(thing.__package__, sorted(name for name in sys.modules if name.startswith(("top", "regular", "space"))))
open("preloaded.txt", "w").write(str("colorsys" in sys.modules))
"""
MODULES = {  # the files __init__.py on the way to each
    "top": [],
    "regular.inner": ["regular/__init__.py"],
    "regular.space.inner": ["regular/__init__.py"],
    "space.inner": [],
    "space.regular.inner": ["space/regular/__init__.py"],
}
MODULE_ENDS = {
    **{name: ENDS[name] for name in ("a text", "a number", "an error", "a syntax error", "Ctrl-C")},
    "an error in a module": "from . import fails",
    "a relative import of a missing module": "from .missing import name",
}


def make_cases(folder: Path, command: str, cases: dict[str, dict[str, str]], outs: str = "") -> Path:
    """Make a project with one stage for each case, in a folder of its own: a command and some files."""
    files = {**FORKED, "dvc.yaml": "stages:\n"}
    for name, case in cases.items():
        files["dvc.yaml"] += f"  {slug(name)}: {{wdir: {slug(name)}, cmd: {command.format(name)}{outs}}}\n"
        files |= {f"{slug(name)}/{file}": text for file, text in case.items()}
    return make(folder, files)


def slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def run_cases(folder: Path, command: str, cases: dict[str, dict[str, str]]) -> None:
    """Run each case by Python and as a stage; require the same output and exit status."""
    make_cases(folder, command, cases)
    by_python = {}
    for name in cases:
        words = command.format(name).split()
        by_python[name] = subprocess.run(
            words, cwd=folder / slug(name), env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
    failures = [name for name, completed in by_python.items() if completed.returncode]
    abreast(folder, "-j", "1", command="rehearse", status=1 if failures else 0)
    for name, completed in by_python.items():
        line = command.format(name)
        failed = f"ERROR: failed to run: {line}, exited with {completed.returncode}\n" if name in failures else ""
        log = (folder / LOGS / f"{slug(name)}.log").read_text()
        assert log == f"Running stage '{slug(name)}':\n> {line}\n{completed.stdout}{completed.stderr}{failed}"


def test_a_script_leaves_the_files_of_python(tmp_path: Path) -> None:
    beside = "file = open('out.txt', 'w')\n"
    cases = {name: {"s.py": text, "beside.py": beside} for name, text in SCRIPTS.items()}
    by_python = make_cases(tmp_path / "by_python", "python s.py", cases, ", outs: [out.txt]")
    by_abreast = make_cases(tmp_path / "by_abreast", "python s.py", cases, ", outs: [out.txt]")
    for name in SCRIPTS:
        run(by_python / slug(name), "python", "-B", "s.py")
    run(by_abreast, "abreast", "rehearse", environment={"PYTHONDONTWRITEBYTECODE": "1"})
    assert results(by_abreast) == results(by_python)


def test_the_last_output_and_exit_status_of_a_script_are_those_of_python(tmp_path: Path) -> None:
    run_cases(tmp_path, "python s.py", {name: {"s.py": text, "fails.py": "1 / 0"} for name, text in ENDS.items()})


def test_a_module_run_with_m_is_a_fork_and_sees_what_python_would_show(tmp_path: Path) -> None:
    cases = {}
    for module, inits in MODULES.items():
        path = module.replace(".", "/")
        folder = path.rpartition("/")[0]
        text = ABOUT_MODULE.format(relative="from . import beside" if folder else "import beside")
        cases[module] = {f"{path}.py": text, f"{folder or '.'}/beside.py": "", "other/deep/thing.py": ""}
        cases[module] |= dict.fromkeys(inits, "")
    run_cases(tmp_path, "python -m {} a=1 --b x/y", cases)
    assert [(tmp_path / slug(module) / "preloaded.txt").read_text() for module in MODULES] == ["True"] * len(MODULES)


def test_a_module_run_with_m_ends_with_the_status_and_traceback_of_python(tmp_path: Path) -> None:
    cases = {name: {"package/module.py": end, "package/fails.py": "1 / 0"} for name, end in MODULE_ENDS.items()}
    run_cases(tmp_path, "python -m package.module", cases)


LINKED = """
    stages:
      script: {cmd: python write.py a.txt, deps: [in.txt], outs: [a.txt]}
      shell: {cmd: cat in.txt > b.txt, deps: [in.txt], outs: [b.txt]}
      folder: {cmd: mkdir -p c && cat in.txt > c/c.txt, deps: [in.txt], outs: [c]}
      grown: {cmd: cat in.txt >> d.txt, deps: [in.txt], outs: [d.txt: {persist: true}]}
      grown_folder: {cmd: mkdir -p e && cat in.txt >> e/e.txt, deps: [in.txt], outs: [e: {persist: true}]}
      metrics: {cmd: cat in.txt > m.json, deps: [in.txt], metrics: [m.json]}
    """


@pytest.mark.parametrize("link", ["symlink", *nightly("hardlink")])
def test_a_rehearsal_does_not_write_through_links_into_the_cache(link: str, tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1], 'w').write(open('in.txt').read())\n"
    config = f"[cache]\n    type = {link}\n"
    folder = make(tmp_path, {**FORKED, "dvc.yaml": LINKED, "write.py": script, ".dvc/config": config, "in.txt": "1\n"})
    run(folder, "dvc", "repro")
    one = results(folder)
    (folder / "in.txt").write_text("2\n")
    abreast(folder, command="rehearse")
    outputs = ["a.txt", "b.txt", "c/c.txt", "d.txt", "e/e.txt", "m.json"]
    assert [(folder / name).read_text() for name in outputs] == ["2\n", "2\n", "2\n", "1\n2\n", "1\n2\n", "2\n"]
    cached = [path for path in folder.glob(".dvc/cache/files/md5/*/*") if path.suffix != ".dir"]
    names = [f"{path.parent.name}{path.name}" for path in cached]
    assert [hashlib.md5(path.read_bytes()).hexdigest() for path in cached] == names
    (folder / "in.txt").write_text("1\n")
    run(folder, "dvc", "checkout", "--force")
    assert results(folder) == one
