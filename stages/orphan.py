"""End a stage whose DVC is gone: killed, it leaves what it ran behind, to compute for hours what nobody takes.

Nothing here can change what a stage writes, so no stage lists it as a dependency.
"""

import os
import signal
import sys
import threading
import time
from contextlib import suppress

LOOK = 1.0  # seconds between two looks


def end_with_dvc(stage: str) -> None:
    """Interrupt this process, as Ctrl-C does, once the DVC that runs it is gone."""
    threading.Thread(target=wait_and_end, args=(stage,), daemon=True).start()


def wait_and_end(stage: str) -> None:
    import psutil  # 20 ms, during which the stage imports what it needs itself

    dvc = psutil.Process().parent()
    with suppress(psutil.Error):  # of others' processes we see nothing, and then it is that one
        # A shell may stand between the two: it was told the name of the stage, too.
        while dvc and dvc.environ().get("DVC_STAGE") == os.environ["DVC_STAGE"]:
            dvc = dvc.parent()
    with suppress(psutil.NoSuchProcess):
        while dvc and dvc.is_running() and dvc.status() != psutil.STATUS_ZOMBIE:
            time.sleep(LOOK)
    with suppress(OSError):  # whoever read our lines may be gone as well
        print(f"{stage}: DVC is gone; ending", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
