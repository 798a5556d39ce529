"""Run a command, here `dvc repro` of one stage, for as long as standard input stays open.

Standard input is a pipe from the runner, which ends when the runner closes it or dies, however it does. Then the
stage's command is stopped, and never DVC: interrupted while it writes dvc.lock, in place, it would leave a part of it
that still parses. DVC sees that the command failed, or that it had ended before, tidies up and ends by itself.

Arguments: seconds that a stopped command has to tidy up, more seconds after which DVC itself is killed, since it hangs,
then the command. To be run with -S -E, and importing little:
it stands before each stage.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

LOOK = 0.2  # seconds between two looks for commands that DVC has started meanwhile


def main() -> int:
    process = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL)
    limits = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=stop_at_the_end, args=(process, *limits), daemon=True).start()
    return process.wait()


def stop_at_the_end(process: subprocess.Popen, grace: int, patience: int) -> None:
    """Wait for the end of standard input, and stop what runs."""
    while os.read(0, 1):
        pass
    stop(process, grace, patience)


def stop(process: subprocess.Popen, grace: int, patience: int) -> None:
    """Stop what DVC runs, and wait for DVC's own end."""
    import site

    site.main()  # -S has left it out, and psutil is found through it
    started = time.monotonic()
    interrupted: set[Any] = set()
    while process.poll() is None:
        waited = time.monotonic() - started
        if waited > grace + patience:
            process.kill()
        stop_children(process.pid, interrupted, kill=waited > grace)
        time.sleep(LOOK)


def stop_children(process: int, interrupted: set[Any], *, kill: bool) -> None:
    """Interrupt what a process runs, each once, or kill it if that has not helped."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        left = interrupted if kill else set()  # also those whose parents have ended before them
        for child in {*psutil.Process(process).children(recursive=True), *left}:
            with contextlib.suppress(psutil.NoSuchProcess):
                if kill:
                    child.kill()
                elif child not in interrupted:
                    interrupted.add(child)
                    child.send_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
