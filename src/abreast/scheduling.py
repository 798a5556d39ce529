"""Run tasks side by side on any `concurrent.futures.Executor`, those of most slots first, then the most urgent.

Knows nothing of DVC: a task is a name, what it needs, how long it will take and how many slots
(cores) it fills.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from functools import cache

TICK = 0.5  # seconds between two looks at the running tasks
ENOUGH = 60  # expected seconds of finished tasks from which the pace is taken


@dataclass(frozen=True)
class Task:
    """Something to do, once all of `needs` is done.

    seconds: expected, for the order and the time left; slots: how many it fills, of this machine's, or of others' if it
    is to run away from here.
    """

    name: str
    needs: frozenset[str]
    seconds: float
    slots: int = 1
    away: bool = False


@dataclass
class Schedule:
    """Which tasks wait, run, are done, have failed, or can never run since one that they need has failed.

    slots: of this machine. away: those of other ones, which may come and go.
    """

    tasks: Mapping[str, Task]
    slots: int
    away: int = field(default=0, kw_only=True)
    running: dict[str, float] = field(default_factory=dict)  # name: when started, in monotonic seconds
    done: dict[str, float] = field(default_factory=dict)  # name: seconds it took
    failed: dict[str, int] = field(default_factory=dict)  # name: exit status

    def __post_init__(self) -> None:
        users: dict[str, list[str]] = {name: [] for name in self.tasks}
        for task in self.tasks.values():
            for need in task.needs:
                users[need].append(task.name)

        @cache
        def urgency(name: str) -> float:
            return self.tasks[name].seconds + max(map(urgency, users[name]), default=0.0)

        self.urgency = {name: urgency(name) for name in self.tasks}  # seconds to the end of the chain that hangs on it

    @property
    def blocked(self) -> set[str]:
        """Name the tasks that need, directly or not, one that failed."""
        blocked: set[str] = set()
        while more := {
            name for name in self.waiting if name not in blocked and self.tasks[name].needs & ({*self.failed} | blocked)
        }:
            blocked |= more
        return blocked

    @property
    def waiting(self) -> list[str]:
        begun = {*self.running, *self.done, *self.failed}
        return [name for name in self.tasks if name not in begun]

    def size(self, name: str) -> int:
        """Give the slots that a task fills, which may not be more than there are."""
        return min(self.tasks[name].slots, self.room(away=self.tasks[name].away))

    def room(self, *, away: bool) -> int:
        return self.away if away else self.slots

    def busy(self, *, away: bool) -> int:
        return sum(self.size(name) for name in self.running if self.tasks[name].away == away)

    @property
    def ready(self) -> list[str]:
        """Name the tasks that wait for nothing but room."""
        return [name for name in self.waiting if self.tasks[name].needs <= self.done.keys()]

    def startable(self) -> list[str]:
        """Name the tasks to start now: those of most slots first, and among equals the most urgent.

        One that is too big for what is free holds back those after it: else it would wait for ever behind small ones.
        Were it not first, slots would stay empty until the long ones before it end.
        """
        free = {away: self.room(away=away) - self.busy(away=away) for away in (False, True)}
        chosen = []
        for name in sorted(self.ready, key=lambda name: (-self.size(name), -self.urgency[name], name)):
            away = self.tasks[name].away
            if 0 < self.size(name) <= free[away]:
                free[away] -= self.size(name)
                chosen.append(name)
            else:
                free[away] = 0
        return chosen

    def seconds_left(self) -> float:
        """Estimate the time to the end, from the expected times and how far those of the finished tasks were off."""
        expected = sum(self.tasks[name].seconds for name in self.done)
        pace = sum(self.done.values()) / expected if expected > ENOUGH else 1.0
        now = time.monotonic()
        left = {name: self.tasks[name].seconds * pace for name in {*self.waiting} - self.blocked}
        for name, started in self.running.items():
            left[name] = max(self.tasks[name].seconds * pace - (now - started), 0.0)
        work = {False: 0.0, True: 0.0}
        for name, seconds in left.items():
            away = self.tasks[name].away
            work[away] += seconds * self.size(name) / max(self.room(away=away), 1)
        tail = max((left[name] + (self.urgency[name] - self.tasks[name].seconds) * pace for name in left), default=0.0)
        return max(*work.values(), tail)


def run_all(
    schedule: Schedule, executor: Executor, work: Callable[[str], int], look: Callable[[str, str], None]
) -> None:
    """Run the schedule to its end.

    work: does a task by its name and gives an exit status; sent to the executor.
    look: told "started", "done" or "failed" and the task's name, and ("", "") at every tick.
    """
    futures: dict[Future[int], str] = {}
    while True:
        for name in schedule.startable():
            schedule.running[name] = time.monotonic()
            futures[executor.submit(work, name)] = name
            look("started", name)
        if not futures:
            if not schedule.ready:
                return
            time.sleep(TICK)  # until there is room
        finished, _ = wait(futures, timeout=TICK, return_when=FIRST_COMPLETED)
        for future in finished:
            name = futures.pop(future)
            seconds = time.monotonic() - schedule.running.pop(name)
            status = future.result()
            if status == 0:
                schedule.done[name] = seconds
            else:
                schedule.failed[name] = status
            look("failed" if status else "done", name)
        look("", "")
