"""Run tasks side by side on any `concurrent.futures.Executor`, those of most cores first, then the most urgent.

Knows nothing of DVC: a task is a name, what it needs, how long it will take, and how much of which resource it fills.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

TICK = 0.5  # seconds between two looks at the running tasks
ENOUGH = 60  # expected seconds of finished tasks from which the pace is taken
CORES, REMOTE_CORES = "cores", "remote cores"  # of this machine, and of others


@dataclass(frozen=True)
class Task:
    """Something to do, once all of `needs` is done.

    seconds: expected, for the order and the time left. demand: how much of each resource it fills meanwhile.
    """

    name: str
    needs: frozenset[str]
    seconds: float
    demand: Mapping[str, float] = field(default_factory=lambda: {CORES: 1})


@dataclass
class Schedule:
    """Which tasks wait, run, are done, have failed, or can never run since one that they need has failed.

    capacity: how much there is of each resource; it may change meanwhile. ignore_failures: of what a task needs.
    """

    tasks: Mapping[str, Task]
    capacity: dict[str, float]
    ignore_failures: bool = False
    running: dict[str, float] = field(default_factory=dict)  # name: when started, in monotonic seconds
    done: dict[str, float] = field(default_factory=dict)  # name: seconds it took
    failed: dict[str, int] = field(default_factory=dict)  # name: exit status

    def __post_init__(self) -> None:
        users: dict[str, list[str]] = {name: [] for name in self.tasks}
        for task in self.tasks.values():
            for need in task.needs:
                users[need].append(task.name)

        self.urgency: dict[str, float] = {}  # seconds to the end of the longest chain that needs it
        order = TopologicalSorter({task.name: task.needs for task in self.tasks.values()}).static_order()
        for name in reversed([*order]):
            after = max((self.urgency[user] for user in users[name]), default=0.0)
            self.urgency[name] = self.tasks[name].seconds + after

    @property
    def blocked(self) -> set[str]:
        """Name the tasks that need, directly or not, one that failed."""
        blocked: set[str] = set()
        over = set() if self.ignore_failures else {*self.failed}
        while more := {name for name in self.waiting if self.tasks[name].needs & (over | blocked)} - blocked:
            blocked |= more
        return blocked

    @property
    def waiting(self) -> list[str]:
        begun = {*self.running, *self.done, *self.failed}
        return [name for name in self.tasks if name not in begun]

    def size(self, name: str, resource: str) -> float:
        """Give how much of a resource a task fills, which may not be more than there is."""
        return min(self.tasks[name].demand.get(resource, 0), self.capacity.get(resource, 0))

    def free(self, resource: str) -> float:
        return self.capacity.get(resource, 0) - sum(self.size(name, resource) for name in list(self.running))

    @property
    def ready(self) -> list[str]:
        """Name the tasks that wait for nothing but room."""
        over = self.done.keys() | (self.failed.keys() if self.ignore_failures else set())
        return [name for name in self.waiting if self.tasks[name].needs <= over]

    def startable(self) -> list[str]:
        """Name the tasks to start now: those of most cores first, and among equals the most urgent.

        One that finds too little of a resource holds that back from those after it: else it would wait for ever behind
        small ones. Were the largest not first, cores would stay empty until the long ones before it end.
        """
        ready = self.ready
        free = {resource: self.free(resource) for name in ready for resource in self.tasks[name].demand}

        def rank(name: str) -> tuple[float, float, str]:
            return -max(self.size(name, CORES), self.size(name, REMOTE_CORES)), -self.urgency[name], name

        chosen = []
        for name in sorted(ready, key=rank):
            sizes = {resource: self.size(name, resource) for resource in self.tasks[name].demand}
            short = [resource for resource, size in sizes.items() if not 0 < size <= free[resource]]
            for resource in short:
                free[resource] = 0
            if not short:
                chosen.append(name)
                for resource, size in sizes.items():
                    free[resource] -= size
        return chosen

    def seconds_left(self) -> float:
        """Estimate the time to the end, from the expected times and how far those of the finished tasks were off."""
        expected = sum(self.tasks[name].seconds for name in list(self.done))
        pace = sum(list(self.done.values())) / expected if expected > ENOUGH else 1.0
        now = time.monotonic()
        left = {name: self.tasks[name].seconds * pace for name in {*self.waiting} - self.blocked}
        for name, started in list(self.running.items()):
            left[name] = max(self.tasks[name].seconds * pace - (now - started), 0.0)

        def work(cores: str) -> float:
            amount = sum(seconds * self.size(name, cores) for name, seconds in left.items())
            return amount / max(self.capacity.get(cores, 1), 1)

        tail = max((left[name] + (self.urgency[name] - self.tasks[name].seconds) * pace for name in left), default=0.0)
        return max(work(CORES), work(REMOTE_CORES), tail)


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
