"""Run `python SCRIPT.py` and `python -m MODULE` as a fork of a process that has imported large packages already.

A script that takes a second of its own spends several on starting Python and importing torch. A fork of a process that
has imported torch starts in milliseconds. The script must not see the difference. A command runs as a process of its
own if it is anything but a script or a module of the current folder with plain arguments, if `python` is another
interpreter, or if a file that the script could import has the name of a module that is loaded.
"""

import atexit
import gc
import importlib.machinery
import io
import logging
import os
import re
import runpy
import shutil
import signal
import sys
import threading
import types
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from abreast.dvc_api import Used, waited

OURS = re.compile(r"(abreast|scmrepo|dvc(_\w+)?)(\.|$)")  # modules that a script gets anew: these are replaced in part
PLAIN = re.compile(  # nothing in it that is for a shell
    r"(?P<python>python3?) +(?:-m +(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<script>[\w./-]+\.py))"
    r"(?: +[\w@%+=:,./-]+)* *",
    re.ASCII,
)


def import_path() -> list[str]:
    """Give the places that a script imports from, after its own folder."""
    here = Path(sys.argv[0]).parent.resolve()  # of the command `abreast`, which Python has put first
    return [place for number, place in enumerate(sys.path) if number or Path(place).resolve() != here]


def run_script(
    connection: Connection, paths: list[str], command: str, options: dict[str, Any]
) -> tuple[int, Used] | None:
    """Run a command line as a fork, if it may be one; give its exit status and what it used, or None.

    connection: of this process, not of the script. options: `cwd` and `env`, as of `subprocess.Popen`.
    """
    plain = PLAIN.fullmatch(command)
    if plain is None or threading.active_count() > 1:  # a fork may find locks that other threads hold
        return None
    module = plain["module"]
    file = Path(options["cwd"], f"{module.replace('.', '/')}.py" if module else plain["script"])
    folder = os.path.realpath(options["cwd"] if module else Path(os.path.realpath(file)).parent)  # sys.path[0]
    if not file.is_file() or not is_this_python(plain["python"], options["env"]) or shadows(Path(folder)):
        return None
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        connection.close()
        become_script(command.split(), module or file, [folder, *paths], options)
    return waited(pid)


def is_this_python(name: str, environment: dict[str, str]) -> bool:
    """Tell whether a command is the Python of this environment, by the folder that it is in."""
    found = shutil.which(name, path=environment.get("PATH"))
    ours = Path(sys.executable)  # by its folder, since all virtual environments have the same file
    return found is not None and Path(found).parent.samefile(ours.parent) and Path(found).samefile(ours)


def shadows(folder: Path) -> bool:
    """Tell whether a folder has a module with the name of a loaded one; Python would import the one in the folder."""
    names = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    return not names.isdisjoint({name.partition(".")[0] for name in sys.modules} - {"__main__"})


def become_script(arguments: list[str], target: Path | str, paths: list[str], options: dict[str, Any]) -> None:
    """Run a script, or a module if `target` is its name, in this process, as Python would, and end it."""
    status = 1
    try:
        gc.freeze()  # what is there belongs to the other process
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        os.chdir(options["cwd"])
        os.environ.clear()
        os.environ.update(options["env"])
        sys.orig_argv, sys.path[:] = arguments, paths
        sys.argv = arguments[1:] if isinstance(target, Path) else ["-m", *arguments[3:]]
        for name in ("stdout", "stderr"):
            set_stream(name)
        if "numpy.random" in sys.modules:  # else all forks would draw the same numbers
            sys.modules["numpy.random"].seed()
        if "torch" in sys.modules:
            sys.modules["torch"].default_generator.seed()
        sys.modules["tqdm"].tqdm.monitor_interval = 10  # as it is by itself
        for name in [name for name in sys.modules if OURS.match(name)]:
            del sys.modules[name]
        for name in ("dvc", "dvc_data", "dvc_objects"):
            logging.getLogger(name).handlers.clear()
        status = status_of(lambda: execute(target) if isinstance(target, Path) else execute_module(target))
        status = status_of(threading._shutdown) or status  # type: ignore[attr-defined]
        status_of(atexit._run_exitfuncs)
        flush()
    finally:
        if status == -signal.SIGINT:  # as Python ends then
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(status)  # to take torch down in order, in memory shared with other forks, takes 1.3 s


def execute(script: Path) -> None:
    """Run the code of a script as the module `__main__`."""
    new_main(
        __file__=str(script.absolute()),
        __loader__=importlib.machinery.SourceFileLoader("__main__", str(script)),
        __cached__=None,
    )
    exec(compile(script.read_bytes(), str(script.absolute()), "exec"), sys.modules["__main__"].__dict__)


def execute_module(name: str) -> None:
    """Run a module of the import path as the module `__main__`, by the function of Python's `-m`."""
    new_main()
    runpy._run_module_as_main(name)  # type: ignore[attr-defined]


def new_main(**attributes: Any) -> None:
    sys.modules["__main__"] = types.ModuleType("__main__")
    vars(sys.modules["__main__"]).update(__builtins__=sys.modules["builtins"], **attributes)


def set_stream(name: str) -> None:
    """Give the script a standard stream of its own, with the settings that Python had begun with."""
    given = getattr(sys, f"__{name}__")
    stream = io.open(  # noqa: UP020, SIM115
        given.fileno(), "w", encoding=given.encoding, errors=given.errors, closefd=False, newline="\n"
    )
    stream.reconfigure(line_buffering=given.line_buffering, write_through=given.write_through)
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def status_of(act: Any) -> int:
    """Do something, and give the exit status that Python would end with."""
    try:
        act()
    except SystemExit as end:
        if isinstance(end.code, int):
            return end.code & 0xFF
        if end.code is not None:
            print(end.code, file=sys.stderr)
        return int(end.code is not None)
    except KeyboardInterrupt as error:
        report(error)
        return -signal.SIGINT
    except BaseException as error:
        report(error)
        return 1
    return 0


def report(error: BaseException) -> None:
    """Print an error as Python does, without what stands above the script."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)


def flush() -> None:
    """Let go of the script's module, and write what is left in buffers of files and of streams."""
    sys.modules.pop("__main__", None)
    gc.collect()
    for file in [it for it in gc.get_objects() if issubclass(type(it), io.IOBase)]:
        with suppress(Exception):  # of which Python says nothing either
            file.flush()
