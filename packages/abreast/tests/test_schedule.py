import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from abreast.run.schedule import Schedule, Task, run_all


def task(name: str, seconds: float = 1, *needs: str, cores: int = 1) -> Task:
    return Task(name, frozenset(needs), seconds, {"cores": cores})


def schedule(*tasks: Task, cores: int = 2) -> Schedule:
    return Schedule({task.name: task for task in tasks}, {"cores": cores})


def test_the_longest_starts_first() -> None:
    assert schedule(task("short", 1), task("long", 9), task("middle", 5)).startable() == ["long", "middle"]


def test_what_a_long_chain_hangs_on_comes_before_a_longer_task() -> None:
    plan = schedule(task("alone", 5), task("first", 1), task("then", 8, "first"), cores=1)
    assert plan.startable() == ["first"]


def test_a_task_of_two_cores_comes_before_a_longer_one_of_one_slot() -> None:
    assert schedule(task("long", 99), task("wide", 1, cores=2), task("small")).startable() == ["wide"]


def test_a_task_of_two_cores_is_not_started_on_one_and_not_overtaken() -> None:
    plan = schedule(task("wide", 9, cores=2), task("small", 1), task("other"))
    plan.running["other"] = 0.0
    assert plan.startable() == []


def test_a_task_of_more_cores_than_there_are_fills_them_all() -> None:
    plan = schedule(task("wide", 9, cores=8), task("small", 1))
    assert plan.startable() == ["wide"]


def test_everything_that_needs_a_failed_task_is_blocked() -> None:
    plan = schedule(task("a"), task("b", 1, "a"), task("c", 1, "b"), task("d"))
    plan.failed["a"] = 1
    assert plan.blocked == {"b", "c"}
    assert plan.startable() == ["d"]


def test_the_time_left_follows_the_pace_so_far() -> None:
    plan = schedule(task("a", 100), task("b", 100), task("c", 200), cores=1)
    plan.done["a"] = 200
    assert plan.seconds_left() == pytest.approx(600)


def test_all_tasks_run_once_and_after_what_they_need() -> None:
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


def test_a_failed_task_leaves_the_others_to_their_end() -> None:
    plan = schedule(task("bad"), task("needs_it", 1, "bad"), task("good"))
    with ThreadPoolExecutor(2) as pool:
        run_all(plan, pool, lambda name: 3 * (name == "bad"), lambda *_: None)
    assert plan.failed == {"bad": 3}
    assert set(plan.done) == {"good"}
    assert plan.blocked == {"needs_it"}


def test_a_task_that_finds_too_little_memory_holds_back_those_that_want_memory_alone() -> None:
    hungry = {
        name: Task(name, frozenset(), seconds, {"cores": 1, "memory": 6}) for name, seconds in (("a", 9), ("b", 8))
    }
    tasks = {**hungry, "light": Task("light", frozenset(), 1, {"cores": 1, "memory": 1}), "none": task("none", 1)}
    plan = Schedule(tasks, {"cores": 4, "memory": 8})
    assert plan.startable() == ["a", "none"]


def test_a_task_that_wants_more_than_there_is_gets_all() -> None:
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


def test_failures_that_are_ignored_block_nothing() -> None:
    plan = Schedule({each.name: each for each in (task("a"), task("b", 1, "a"))}, {"cores": 1}, ignore_failures=True)
    plan.failed["a"] = 1
    assert plan.blocked == set()
    assert plan.startable() == ["b"]


def test_a_chain_of_thousands_is_no_matter_of_recursion() -> None:
    tasks = [task("0")] + [task(str(number), 1, str(number - 1)) for number in range(1, 5000)]
    assert schedule(*reversed(tasks)).urgency["0"] == 5000
