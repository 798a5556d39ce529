"""`abreast rehearse`: a forked script ends as in Python, and links into DVC's cache are not written through."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from dvc_project import ENVIRONMENT, LOGS, abreast, make, results, run

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
            time.sleep(0.5)
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
        pool.submit(time.sleep, 0.5)
        pool.submit(lambda: open("out.txt", "w").write("late"))
        """,
    "what is registered to be done at exit": """
        import atexit, threading, time
        atexit.register(lambda: open("out.txt", "a").write("at exit\\n"))
        def late():
            time.sleep(0.5)
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


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_leaves_the_files_of_python(script: str, tmp_path: Path) -> None:
    files = {"s.py": SCRIPTS[script], "dvc.yaml": "stages: {s: {cmd: python s.py, outs: [out.txt]}}"}
    by_python = make(tmp_path / "by_python", {**FORKED, **files, "beside.py": "file = open('out.txt', 'w')\n"})
    by_abreast = shutil.copytree(by_python, tmp_path / "by_abreast")
    run(by_python, "python", "-B", "s.py")
    run(by_abreast, "abreast", "rehearse", environment={"PYTHONDONTWRITEBYTECODE": "1"})
    assert results(by_abreast) == results(by_python)


ENDS = {
    "a text": "import sys; sys.exit('for want of data')",
    "a number": "print('last output'); raise SystemExit(3)",
    "an error": "def f(): 1 / 0\nf()",
    "a syntax error": "print('never')\n1 +\n",
    "a file that cannot be written": "file = open('/dev/full', 'w')\nfile.write('x')\nprint('end')",
    "a thread's error": "import threading; threading.Thread(target=int, args='x', name='t').start()",
    "Ctrl-C": "raise KeyboardInterrupt",
    "a signal": "import os; print('last output', flush=True); os.kill(os.getpid(), 15)",
}


@pytest.mark.parametrize("end", ENDS)
def test_the_last_output_and_exit_status_of_a_script_are_those_of_python(end: str, tmp_path: Path) -> None:
    folder = make(tmp_path, {**FORKED, "s.py": ENDS[end], "dvc.yaml": "stages: {s: {cmd: python s.py}}"})
    by_python = subprocess.run(["python", "s.py"], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    abreast(folder, command="rehearse", status=1 if by_python.returncode else 0)
    failed = f"ERROR: failed to run: python s.py, exited with {by_python.returncode}\n" if by_python.returncode else ""
    log = (folder / LOGS / "s.log").read_text()
    assert log == f"Running stage 's':\n> python s.py\n{by_python.stdout}{by_python.stderr}{failed}"


LINKED = """
    stages:
      script: {cmd: python write.py a.txt, deps: [in.txt], outs: [a.txt]}
      shell: {cmd: cat in.txt > b.txt, deps: [in.txt], outs: [b.txt]}
      folder: {cmd: mkdir -p c && cat in.txt > c/c.txt, deps: [in.txt], outs: [c]}
      grown: {cmd: cat in.txt >> d.txt, deps: [in.txt], outs: [d.txt: {persist: true}]}
      grown_folder: {cmd: mkdir -p e && cat in.txt >> e/e.txt, deps: [in.txt], outs: [e: {persist: true}]}
      metrics: {cmd: cat in.txt > m.json, deps: [in.txt], metrics: [m.json]}
    """


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
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
