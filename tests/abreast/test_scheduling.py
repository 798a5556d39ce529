import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from abreast.scheduling import Schedule, Task, run_all


def task(name: str, seconds: float = 1, *needs: str, slots: int = 1) -> Task:
    return Task(name, frozenset(needs), seconds, slots)


def schedule(*tasks: Task, slots: int = 2) -> Schedule:
    return Schedule({task.name: task for task in tasks}, slots)


def test_the_longest_starts_first() -> None:
    assert schedule(task("short", 1), task("long", 9), task("middle", 5)).startable() == ["long", "middle"]


def test_what_a_long_chain_hangs_on_comes_before_a_longer_task() -> None:
    plan = schedule(task("alone", 5), task("first", 1), task("then", 8, "first"), slots=1)
    assert plan.startable() == ["first"]


def test_a_task_of_two_slots_comes_before_a_longer_one_of_one_slot() -> None:
    assert schedule(task("long", 99), task("wide", 1, slots=2), task("small")).startable() == ["wide"]


def test_a_task_of_two_slots_is_not_started_on_one_and_not_overtaken() -> None:
    plan = schedule(task("wide", 9, slots=2), task("small", 1), task("other"))
    plan.running["other"] = 0.0
    assert plan.startable() == []


def test_a_task_of_more_slots_than_there_are_fills_them_all() -> None:
    plan = schedule(task("wide", 9, slots=8), task("small", 1))
    assert plan.startable() == ["wide"]


def test_everything_that_needs_a_failed_task_is_blocked() -> None:
    plan = schedule(task("a"), task("b", 1, "a"), task("c", 1, "b"), task("d"))
    plan.failed["a"] = 1
    assert plan.blocked == {"b", "c"}
    assert plan.startable() == ["d"]


def test_the_time_left_follows_the_pace_so_far() -> None:
    plan = schedule(task("a", 100), task("b", 100), task("c", 200), slots=1)
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
