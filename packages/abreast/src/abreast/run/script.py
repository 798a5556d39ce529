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
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from abreast.dvc_api import Usage, wait_for_exit

RELOADED = re.compile(r"(abreast|scmrepo|dvc(_\w+)?)(\.|$)")  # abreast changes them: a script imports them anew
COMMAND = re.compile(  # without quotes, variables, pipes and all else that needs a shell
    r"(?P<python>python3?) +(?:-m +(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<script>[\w./-]+\.py))"
    r"(?: +[\w@%+=:,./-]+)* *",
    re.ASCII,
)


def script_import_paths() -> list[str]:
    """Return what a script has in sys.path after its own folder."""
    own_folder = Path(sys.argv[0]).parent.resolve()  # of the command `abreast`; Python puts it first
    return [path for number, path in enumerate(sys.path) if number or Path(path).resolve() != own_folder]


def run_script(
    connection: Connection, import_paths: list[str], command: str, options: dict[str, Any]
) -> tuple[int, Usage] | None:
    """Run a command line as a fork, and return its exit status and resource usage; None if it must not be a fork.

    connection: of this process; the script does not inherit it. options: `cwd` and `env`, as of `subprocess.Popen`.
    """
    match = COMMAND.fullmatch(command)
    if match is None or threading.active_count() > 1:  # a fork may inherit locks that other threads hold
        return None
    module = match["module"]
    file = Path(options["cwd"], f"{module.replace('.', '/')}.py" if module else match["script"])
    folder = os.path.realpath(options["cwd"] if module else Path(os.path.realpath(file)).parent)  # sys.path[0]
    if not file.is_file() or not is_this_python(match["python"], options["env"]) or has_name_of_loaded_module(folder):
        return None
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        connection.close()
        run_and_exit(command.split(), module or file, [folder, *import_paths], options)
    return wait_for_exit(pid)


def is_this_python(name: str, environment: dict[str, str]) -> bool:
    """Tell whether a command is the Python of this virtual environment."""
    found = shutil.which(name, path=environment.get("PATH"))
    this = Path(sys.executable)  # its folder counts, since all virtual environments link to the same file
    return found is not None and Path(found).parent.samefile(this.parent) and Path(found).samefile(this)


def has_name_of_loaded_module(folder: str) -> bool:
    """Tell whether a folder has a module with the name of a loaded one; Python would import the one in the folder."""
    names = {path.stem for path in Path(folder).glob("*.py")}
    names |= {path.parent.name for path in Path(folder).glob("*/__init__.py")}
    return not names.isdisjoint({name.partition(".")[0] for name in sys.modules} - {"__main__"})


def run_and_exit(arguments: list[str], target: Path | str, import_paths: list[str], options: dict[str, Any]) -> None:
    """Run a script (a path) or a module (a name) in this process as Python would, and end the process."""
    status = 1
    try:
        gc.freeze()  # garbage collection would copy the memory that forks share
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        os.chdir(options["cwd"])
        os.environ.clear()
        os.environ.update(options["env"])
        sys.orig_argv, sys.path[:] = arguments, import_paths
        sys.argv = arguments[1:] if isinstance(target, Path) else ["-m", *arguments[3:]]
        for name in ("stdout", "stderr"):
            open_stream(name)
        if "numpy.random" in sys.modules:  # else all forks would draw the same numbers
            sys.modules["numpy.random"].seed()
        if "torch" in sys.modules:
            sys.modules["torch"].default_generator.seed()
        sys.modules["tqdm"].tqdm.monitor_interval = 10  # its default, which abreast has changed
        for name in [name for name in sys.modules if RELOADED.match(name)]:
            del sys.modules[name]
        for name in ("dvc", "dvc_data", "dvc_objects"):
            logging.getLogger(name).handlers.clear()
        status = exit_status(lambda: run_file(target) if isinstance(target, Path) else run_module(target))
        status = exit_status(threading._shutdown) or status  # type: ignore[attr-defined]
        exit_status(atexit._run_exitfuncs)
        flush_files()
    finally:
        if status == -signal.SIGINT:  # Python ends by the signal, too
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(status)  # a regular exit takes 1.3 s to free torch's modules, in memory that forks share


def run_file(script: Path) -> None:
    """Run the code of a script as `__main__`."""
    set_main(
        __file__=str(script.absolute()),
        __loader__=importlib.machinery.SourceFileLoader("__main__", str(script)),
        __cached__=None,
    )
    exec(compile(script.read_bytes(), str(script.absolute()), "exec"), vars(sys.modules["__main__"]))


def run_module(name: str) -> None:
    """Run a module as `__main__`, with the function that Python uses for -m."""
    set_main()
    runpy._run_module_as_main(name)  # type: ignore[attr-defined]


def set_main(**attributes: Any) -> None:
    """Replace the module `__main__` by an empty one with these attributes."""
    sys.modules["__main__"] = types.ModuleType("__main__")
    vars(sys.modules["__main__"]).update(__builtins__=sys.modules["builtins"], **attributes)


def open_stream(name: str) -> None:
    """Open sys.stdout or sys.stderr again, with the settings that Python had chosen at its start."""
    original = getattr(sys, f"__{name}__")
    stream = io.open(  # noqa: UP020, SIM115
        original.fileno(), "w", encoding=original.encoding, errors=original.errors, closefd=False, newline="\n"
    )
    stream.reconfigure(line_buffering=original.line_buffering, write_through=original.write_through)
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def exit_status(function: Callable[[], None]) -> int:
    """Call a function, and return the exit status with which Python would end."""
    try:
        function()
    except SystemExit as error:
        if isinstance(error.code, int):
            return error.code & 0xFF
        if error.code is not None:
            print(error.code, file=sys.stderr)
        return int(error.code is not None)
    except KeyboardInterrupt as error:
        print_traceback(error)
        return -signal.SIGINT
    except BaseException as error:
        print_traceback(error)
        return 1
    return 0


def print_traceback(error: BaseException) -> None:
    """Print a traceback as Python does, without the calls of this file."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    sys.excepthook(type(error), error.with_traceback(traceback), traceback)


def flush_files() -> None:
    """Delete the script's module, and flush all open files, as Python does at its exit."""
    sys.modules.pop("__main__", None)
    gc.collect()
    for file in [item for item in gc.get_objects() if issubclass(type(item), io.IOBase)]:
        with suppress(Exception):  # Python ignores these errors, too
            file.flush()
