"""The order in which tasks of different cores, memory and duration run."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from abreast.run.schedule import Schedule, Task, run_all


def task(name: str, seconds: float = 1, *needs: str, cores: int = 1) -> Task:
    return Task(name, frozenset(needs), seconds, {"cores": cores})


def schedule(*tasks: Task, cores: int = 2) -> Schedule:
    return Schedule({task.name: task for task in tasks}, {"cores": cores})


def test_the_longest_task_starts_first() -> None:
    assert schedule(task("short", 1), task("long", 9), task("middle", 5)).startable() == ["long", "middle"]


def test_a_task_on_the_critical_path_comes_before_a_longer_task() -> None:
    plan = schedule(task("alone", 5), task("first", 1), task("then", 8, "first"), cores=1)
    assert plan.startable() == ["first"]


def test_a_task_of_two_cores_comes_before_a_longer_one_of_one_core() -> None:
    assert schedule(task("long", 99), task("wide", 1, cores=2), task("small")).startable() == ["wide"]


def test_a_task_of_two_cores_waits_for_both_and_is_not_overtaken() -> None:
    plan = schedule(task("wide", 9, cores=2), task("small", 1), task("other"))
    plan.running["other"] = 0.0
    assert plan.startable() == []


def test_a_task_of_more_cores_than_the_capacity_uses_all() -> None:
    plan = schedule(task("wide", 9, cores=8), task("small", 1))
    assert plan.startable() == ["wide"]


def test_everything_that_needs_a_failed_task_is_blocked() -> None:
    plan = schedule(task("a"), task("b", 1, "a"), task("c", 1, "b"), task("d"))
    plan.failed["a"] = 1
    assert plan.blocked == {"b", "c"}
    assert plan.startable() == ["d"]


def test_the_remaining_time_is_scaled_by_the_finished_tasks() -> None:
    plan = schedule(task("a", 100), task("b", 100), task("c", 200), cores=1)
    plan.done["a"] = 200
    assert plan.seconds_left() == pytest.approx(600)


def test_the_remaining_time_is_scaled_by_tasks_that_run_for_longer_than_expected() -> None:
    plan = schedule(task("a", 100), task("b", 200), cores=1)
    plan.running["a"] = time.monotonic() - 300
    assert plan.seconds_left() == pytest.approx(600, rel=0.01)


def test_a_running_task_that_is_not_late_says_nothing_of_the_others() -> None:
    plan = schedule(task("done", 100), task("a", 100), task("b", 200), cores=1)
    plan.done["done"], plan.running["a"] = 100, time.monotonic() - 10
    assert plan.seconds_left() == pytest.approx(290, rel=0.01)


def test_all_tasks_run_once_and_after_those_that_they_need() -> None:
    plan = schedule(task("a"), task("b", 1, "a"), task("c", 1, "a"), task("d", 1, "b", "c"))
    order, events = [], []
    with ThreadPoolExecutor(2) as pool:
        run_all(plan, pool, lambda name: order.append(name) or 0, lambda *event: events.append(event))
    assert sorted(order) == ["a", "b", "c", "d"]
    assert (order[0], order[-1]) == ("a", "d")
    assert [event for event in events if event[0] == "done"] == [("done", name) for name in plan.done]


def test_independent_tasks_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)
    plan = schedule(task("a"), task("b"))
    with ThreadPoolExecutor(2) as pool:
        run_all(plan, pool, lambda _: meeting.wait() * 0, lambda *_: None)
    assert set(plan.done) == {"a", "b"}


def test_other_tasks_run_after_a_failure() -> None:
    plan = schedule(task("bad"), task("needs_it", 1, "bad"), task("good"))
    with ThreadPoolExecutor(2) as pool:
        run_all(plan, pool, lambda name: 3 * (name == "bad"), lambda *_: None)
    assert plan.failed == {"bad": 3}
    assert set(plan.done) == {"good"}
    assert plan.blocked == {"needs_it"}


def test_a_task_that_waits_for_memory_holds_back_only_tasks_that_need_memory() -> None:
    hungry = {
        name: Task(name, frozenset(), seconds, {"cores": 1, "memory": 6}) for name, seconds in (("a", 9), ("b", 8))
    }
    tasks = {**hungry, "light": Task("light", frozenset(), 1, {"cores": 1, "memory": 1}), "none": task("none", 1)}
    plan = Schedule(tasks, {"cores": 4, "memory": 8})
    assert plan.startable() == ["a", "none"]


def test_a_demand_above_the_capacity_counts_as_the_capacity() -> None:
    plan = Schedule({"big": Task("big", frozenset(), 1, {"cores": 9, "memory": 99})}, {"cores": 2, "memory": 8})
    assert plan.startable() == ["big"]


def test_tasks_of_one_mutex_run_one_after_the_other() -> None:
    tasks = {name: Task(name, frozenset(), 1, {"cores": 1, "mutex port": 1}) for name in "ab"}
    plan = Schedule(tasks, {"cores": 4, "mutex port": 1})
    assert plan.startable() == ["a"]
    plan.running["a"] = 0.0
    assert plan.startable() == []
    del plan.running["a"]
    plan.done["a"] = 1.0
    assert plan.startable() == ["b"]


def test_ignored_failures_block_no_task() -> None:
    plan = Schedule({each.name: each for each in (task("a"), task("b", 1, "a"))}, {"cores": 1}, ignore_failures=True)
    plan.failed["a"] = 1
    assert plan.blocked == set()
    assert plan.startable() == ["b"]


def test_a_chain_of_thousands_of_tasks_needs_no_recursion() -> None:
    tasks = [task("0")] + [task(str(number), 1, str(number - 1)) for number in range(1, 5000)]
    assert schedule(*reversed(tasks)).critical_path["0"] == 5000
