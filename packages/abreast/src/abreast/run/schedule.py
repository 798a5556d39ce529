"""Run tasks in parallel on any `concurrent.futures.Executor`: most cores first, then the longest critical path.

Knows nothing of DVC: a task has a name, the tasks that it needs, expected seconds, and a demand of each resource.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

POLL_INTERVAL = 0.5  # seconds
MIN_SECONDS = 60  # expected seconds of finished and late tasks from which the speed of this machine is estimated
CORES, REMOTE_CORES = "cores", "remote cores"  # of this machine, and of workers


@dataclass(frozen=True)
class Task:
    """A task that starts after all of `needs` are done.

    seconds: expected; they decide the order and the remaining time. demand: amount of each resource while it runs.
    """

    name: str
    needs: frozenset[str]
    seconds: float
    demand: Mapping[str, float] = field(default_factory=lambda: {CORES: 1})


@dataclass
class Schedule:
    """Which tasks are pending, running, done or failed, and which can start now.

    capacity: amount of each resource; it may change during the run. ignore_failures: whether tasks run although a task
    that they need has failed.

    >>> tasks = {"a": Task("a", frozenset(), seconds=1), "b": Task("b", frozenset({"a"}), seconds=1)}
    >>> Schedule(tasks, {"cores": 2}).startable()
    ['a']
    """

    tasks: Mapping[str, Task]
    capacity: dict[str, float]
    ignore_failures: bool = False
    running: dict[str, float] = field(default_factory=dict)  # name: start in monotonic seconds
    done: dict[str, float] = field(default_factory=dict)  # name: seconds
    failed: dict[str, int] = field(default_factory=dict)  # name: exit status

    def __post_init__(self) -> None:
        dependents: dict[str, list[str]] = {name: [] for name in self.tasks}
        for task in self.tasks.values():
            for need in task.needs:
                dependents[need].append(task.name)

        self.critical_path: dict[str, float] = {}  # seconds of the longest chain that begins with the task
        order = TopologicalSorter({task.name: task.needs for task in self.tasks.values()}).static_order()
        for name in reversed([*order]):
            rest = max((self.critical_path[dependent] for dependent in dependents[name]), default=0.0)
            self.critical_path[name] = self.tasks[name].seconds + rest

    @property
    def blocked(self) -> set[str]:
        """Return the tasks that need a failed task, directly or not."""
        blocked: set[str] = set()
        failed = set() if self.ignore_failures else {*self.failed}
        while more := {name for name in self.pending if self.tasks[name].needs & (failed | blocked)} - blocked:
            blocked |= more
        return blocked

    @property
    def pending(self) -> list[str]:
        started = {*self.running, *self.done, *self.failed}
        return [name for name in self.tasks if name not in started]

    @property
    def ready(self) -> list[str]:
        """Return the tasks that have to wait only for resources."""
        finished = self.done.keys() | (self.failed.keys() if self.ignore_failures else set())
        return [name for name in self.pending if self.tasks[name].needs <= finished]

    def demand(self, name: str, resource: str) -> float:
        """Return the demand of a task; at most the capacity."""
        return min(self.tasks[name].demand.get(resource, 0), self.capacity.get(resource, 0))

    def free(self, resource: str) -> float:
        return self.capacity.get(resource, 0) - sum(self.demand(name, resource) for name in list(self.running))

    def startable(self) -> list[str]:
        """Return the tasks to start now: most cores first, then the longest critical path.

        A task that finds too little of a resource reserves it: tasks after it do not get it, or it would wait until no
        small task is left. Large tasks come first, or cores would be idle while one waits for long tasks to end.
        """
        ready = self.ready
        free = {resource: self.free(resource) for name in ready for resource in self.tasks[name].demand}

        def priority(name: str) -> tuple[float, float, str]:
            return -max(self.demand(name, CORES), self.demand(name, REMOTE_CORES)), -self.critical_path[name], name

        selected = []
        for name in sorted(ready, key=priority):
            demands = {resource: self.demand(name, resource) for resource in self.tasks[name].demand}
            scarce = [resource for resource, demand in demands.items() if not 0 < demand <= free[resource]]
            for resource in scarce:
                free[resource] = 0
            if not scarce:
                selected.append(name)
                for resource, demand in demands.items():
                    free[resource] -= demand
        return selected

    def seconds_left(self) -> float:
        """Estimate the remaining time: expected seconds, scaled by how much other tasks differed from them.

        These are the finished tasks, and those that have run for longer than expected.
        """
        now = time.monotonic()
        elapsed = {name: now - started for name, started in list(self.running.items())}
        late = {name: seconds for name, seconds in elapsed.items() if seconds > self.tasks[name].seconds}
        measured = {**self.done, **late}
        expected = sum(self.tasks[name].seconds for name in measured)
        scale = sum(measured.values()) / expected if expected > MIN_SECONDS else 1.0
        left = {name: self.tasks[name].seconds * scale for name in {*self.pending} - self.blocked}
        for name, seconds in elapsed.items():
            left[name] = max(self.tasks[name].seconds * scale - seconds, 0.0)

        def seconds_of_work(cores: str) -> float:
            work = sum(seconds * self.demand(name, cores) for name, seconds in left.items())
            return work / max(self.capacity.get(cores, 1), 1)

        chains = (left[name] + (self.critical_path[name] - self.tasks[name].seconds) * scale for name in left)
        return max(seconds_of_work(CORES), seconds_of_work(REMOTE_CORES), max(chains, default=0.0))


def run_all(
    schedule: Schedule, executor: Executor, run_task: Callable[[str], int], on_event: Callable[[str, str], None]
) -> None:
    """Run all tasks of a schedule.

    run_task: runs the task of a name and returns its exit status; called by the executor.
    on_event: called with "started", "done" or "failed" and the task's name, and with ("", "") at each poll.

    >>> with ThreadPoolExecutor(2) as executor:
    ...     run_all(schedule, executor, run_task=lambda name: 0, on_event=print)
    """
    futures: dict[Future[int], str] = {}
    while True:
        for name in schedule.startable():
            schedule.running[name] = time.monotonic()
            futures[executor.submit(run_task, name)] = name
            on_event("started", name)
        if not futures:
            if not schedule.ready:
                return
            time.sleep(POLL_INTERVAL)  # until the capacity grows
        finished, _ = wait(futures, timeout=POLL_INTERVAL, return_when=FIRST_COMPLETED)
        for future in finished:
            name = futures.pop(future)
            seconds = time.monotonic() - schedule.running.pop(name)
            status = future.result()
            if status == 0:
                schedule.done[name] = seconds
            else:
                schedule.failed[name] = status
            on_event("failed" if status else "done", name)
        on_event("", "")
