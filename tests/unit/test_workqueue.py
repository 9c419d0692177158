"""The work queue's promises. Time is in the tests' hands: timers are recorded, and fire when a test says so."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from tests.support.aio import aio, settle, soon
from theazo_operator.kube.errors import Outdated, Refused, Unavailable
from theazo_operator.workqueue import BackOff, Workqueue

CANARY = "canary-5up3r-s3cr3t"
FOREVER = timedelta(days=1)
Work = Callable[[str], Awaitable[timedelta | None]]


class Queue(Workqueue[str]):
    """A queue whose timers are recorded."""

    def __init__(self, work: Work, *, workers: int = 1, share: int | None = None) -> None:
        super().__init__("test", work, workers=workers, share=share, group=lambda key: key[0])
        self.delays: list[float] = []

    def _wake(self, key: str, delay: timedelta) -> None:
        self.delays.append(delay.total_seconds())
        super()._wake(key, max(delay, FOREVER))

    def fire(self, key: str) -> None:
        self._timers[key].cancel()
        self._due(key)

    def has_timer(self, key: str) -> bool:
        return key in self._timers and not self._timers[key].cancelled()


@contextlib.asynccontextmanager
async def started(queue: Queue) -> AsyncIterator[Queue]:
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        for key in list(queue._timers):
            queue._cancel_timer(key)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Job:
    """Work that says when it begins, and ends when it is told to."""

    def __init__(self, *results: timedelta | BaseException | None, held: bool = False) -> None:
        self.begun: list[str] = []
        self.running = self.most = 0
        self.gate = asyncio.Event()
        if not held:
            self.gate.set()
        self._results = list(results)

    async def __call__(self, key: str) -> timedelta | None:
        self.begun.append(key)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        result = self._results.pop(0) if self._results else None
        if isinstance(result, BaseException):
            raise result
        return result


@aio
async def test_a_key_is_worked_on() -> None:
    job = Job()
    async with started(Queue(job)) as queue:
        queue.add("a")
        await settle()
    assert job.begun == ["a"]
    assert queue.delays == []


@aio
async def test_a_key_added_twice_before_it_is_worked_on_is_worked_on_once() -> None:
    job = Job()
    queue = Queue(job)
    queue.add("a")
    queue.add("a")
    async with started(queue):
        await settle()
    assert job.begun == ["a"]


@aio
async def test_a_key_is_never_worked_on_twice_at_once_and_once_more_if_added_meanwhile() -> None:
    job = Job(held=True)
    async with started(Queue(job, workers=4)) as queue:
        queue.add("a")
        await settle()
        for _ in range(3):
            queue.add("a")
        await settle()
        assert job.begun == ["a"]
        job.gate.set()
        await settle()
    assert job.begun == ["a", "a"]
    assert job.most == 1


@aio
async def test_different_keys_are_worked_on_at_once_by_as_many_as_there_are_workers() -> None:
    job = Job(held=True)
    async with started(Queue(job, workers=2)) as queue:
        for key in "abc":
            queue.add(key)
        await settle()
        assert sorted(job.begun) == ["a", "b"]
        job.gate.set()
        await settle()
    assert sorted(job.begun) == ["a", "b", "c"]
    assert job.most == 2


@aio
async def test_one_group_leaves_workers_to_the_others_whatever_it_has_waiting() -> None:
    job = Job(held=True)
    async with started(Queue(job, workers=3, share=2)) as queue:
        for i in range(9):
            queue.add(f"a{i}")
        await settle()
        assert job.begun == ["a0", "a1"]
        queue.add("b0")
        queue.add("b1")
        await settle()
        assert job.begun == ["a0", "a1", "b0"]
        job.gate.set()
        await settle()
    assert sorted(job.begun) == [*(f"a{i}" for i in range(9)), "b0", "b1"]


@aio
async def test_groups_take_turns() -> None:
    job = Job()
    queue = Queue(job)
    for key in ("a0", "a1", "a2", "b0", "b1", "c0"):
        queue.add(key)
    async with started(queue):
        await settle()
    assert job.begun == ["a0", "b0", "c0", "a1", "b1", "a2"]


@pytest.mark.parametrize("result", [None, BackOff(), Unavailable("GET", "pods", 503, ""), ValueError()])
def test_a_share_is_given_back_however_the_work_ends(result: BaseException | None) -> None:
    @aio
    async def scenario() -> None:
        job = Job(*[result] * 6)
        queue = Queue(job, workers=2, share=1)
        for i in range(6):
            queue.add(f"a{i}")
        async with started(queue):
            await settle()
        assert job.begun == [f"a{i}" for i in range(6)]
        assert job.most == 1
        assert not queue._ready._at_work  # nor is anything kept of a group that is gone
        assert not queue._ready._lines

    scenario()


@aio
async def test_work_says_when_to_look_again() -> None:
    job = Job(timedelta(seconds=7))
    async with started(Queue(job)) as queue:
        queue.add("a")
        await settle()
        assert queue.delays == [7]
        queue.fire("a")
        await settle()
        assert not queue.has_timer("a")
    assert job.begun == ["a", "a"]


@aio
async def test_an_event_before_the_time_replaces_it() -> None:
    job = Job(timedelta(seconds=7))
    async with started(Queue(job)) as queue:
        queue.add("a")
        await settle()
        queue.add("a")
        await settle()
        assert not queue.has_timer("a")
    assert job.begun == ["a", "a"]


@aio
async def test_a_time_that_has_come_already_is_now() -> None:
    again = asyncio.Event()
    times = [timedelta(seconds=-3), None]

    async def work(_: str) -> timedelta | None:
        result = times.pop(0)
        if not times:
            again.set()
        return result

    queue = Workqueue("test", work, workers=1)
    task = asyncio.create_task(queue.run())
    queue.add("a")
    await soon(again.wait())
    task.cancel()


FAILURE = Unavailable("GET", "pods", 503, "ServiceUnavailable")
WEBHOOK = Unavailable("POST", "pods", 500, "InternalError")


@pytest.mark.parametrize(
    ("failure", "delays"),
    [
        (FAILURE, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]),
        (Refused("GET", "pods", 403, "Forbidden"), [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]),
        (WEBHOOK, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]),
        (Unavailable("POST", "pods", 429, "TooManyRequests"), [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]),
        (Outdated("POST", "pods", 409, "Conflict"), [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]),
        (BackOff(), [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]),
        (ValueError(CANARY), [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]),
    ],
    ids=["request failed", "request refused", "webhook away", "too many", "conflict", "backs off", "unforeseen"],
)
def test_what_fails_is_tried_again_later_each_time(failure: Exception, delays: list[float]) -> None:
    @aio
    async def scenario() -> None:
        job = Job(*[failure] * len(delays))
        async with started(Queue(job)) as queue:
            queue.add("a")
            await settle()
            for _ in delays[1:]:
                queue.fire("a")
                await settle()
        assert queue.delays == pytest.approx(delays)
        assert len(job.begun) == len(delays)

    scenario()


@aio
async def test_a_thousand_failures_are_no_overflow() -> None:
    queue = Queue(Job())
    assert max(queue._next_delay("a", timedelta(seconds=60)) for _ in range(2000)) == timedelta(seconds=60)


@aio
async def test_success_forgets_failures() -> None:
    job = Job(FAILURE, FAILURE, None, FAILURE)
    async with started(Queue(job)) as queue:
        queue.add("a")
        await settle()
        queue.fire("a")
        await settle()
        queue.fire("a")
        await settle()
        queue.add("a")
        await settle()
    assert queue.delays == pytest.approx([0.1, 0.2, 0.1])


@aio
async def test_events_do_not_shorten_a_back_off() -> None:
    job = Job(BackOff())
    async with started(Queue(job)) as queue:
        queue.add("a")
        await settle()
        for _ in range(5):
            queue.add("a")
        await settle()
        assert job.begun == ["a"]
        queue.fire("a")
        await settle()
        queue.add("a")
        await settle()
    assert job.begun == ["a"] * 3


@aio
async def test_an_event_during_work_that_then_backs_off_does_not_shorten_it_either() -> None:
    job = Job(BackOff(), held=True)
    async with started(Queue(job)) as queue:
        queue.add("a")
        await settle()
        queue.add("a")
        job.gate.set()
        await settle()
        assert job.begun == ["a"]
        assert queue.has_timer("a")


@pytest.mark.parametrize("failure", [FAILURE, WEBHOOK], ids=["soon", "ever later"])
def test_an_event_after_a_failed_request_is_worked_on_at_once(failure: Exception) -> None:
    @aio
    async def scenario() -> None:
        job = Job(failure)
        async with started(Queue(job)) as queue:
            queue.add("a")
            await settle()
            queue.add("a")
            await settle()
            assert not queue.has_timer("a")
        assert job.begun == ["a", "a"]

    scenario()


@pytest.mark.parametrize(
    "failure", [BackOff(), FAILURE, ValueError(CANARY)], ids=["backed off", "failed", "unforeseen"]
)
def test_a_namesake_of_what_is_gone_starts_anew(failure: Exception) -> None:
    @aio
    async def scenario() -> None:
        job = Job(failure, failure, failure, None, failure)
        async with started(Queue(job)) as queue:
            queue.add("a")
            await settle()
            for _ in range(2):
                queue.fire("a")
                await settle()
            queue.restart("a")
            await settle()
            assert job.begun == ["a"] * 4
            assert not queue.has_timer("a")
            queue.add("a")
            await settle()
        assert queue.delays == pytest.approx([0.1, 0.2, 0.4, 0.1])

    scenario()


@aio
async def test_what_is_gone_while_it_is_worked_on_starts_anew_afterwards() -> None:
    job = Job(BackOff(), held=True)
    async with started(Queue(job, workers=2)) as queue:
        queue.add("a")
        await settle()
        queue.restart("a")
        queue.restart("a")
        await settle()
        assert job.begun == ["a"]
        job.gate.set()
        await settle()
        assert not queue.has_timer("a")
    assert job.begun == ["a", "a"]
    assert job.most == 1


@aio
async def test_one_bad_key_does_not_stop_the_others() -> None:
    job = Job(ValueError(CANARY), KeyError(CANARY))
    async with started(Queue(job)) as queue:
        for key in ("bad", "worse", "good"):
            queue.add(key)
        await settle()
    assert job.begun == ["bad", "worse", "good"]


def test_an_unforeseen_error_is_logged_as_type_and_place_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    @aio
    async def scenario() -> None:
        async with started(Queue(Job(ValueError(CANARY)))) as queue:
            queue.add("a")
            await settle()

    with caplog.at_level(logging.DEBUG):
        scenario()
    [record] = [each for each in caplog.records if each.name == "theazo_operator.workqueue"]
    assert (record.levelname, record.__dict__["error"], record.__dict__["object"]) == ("ERROR", "ValueError", "a")
    assert record.__dict__["at"].startswith("test_workqueue.py:")
    assert record.exc_info is None
    assert CANARY not in str(record.__dict__)


def test_a_failed_request_is_logged_with_what_failed(caplog: pytest.LogCaptureFixture) -> None:
    @aio
    async def scenario() -> None:
        async with started(Queue(Job(FAILURE))) as queue:
            queue.add("a")
            await settle()

    with caplog.at_level(logging.DEBUG, logger="theazo_operator"):
        scenario()
    [record] = [each for each in caplog.records if each.name == "theazo_operator.workqueue"]
    assert (record.levelname, record.__dict__["error"]) == ("WARNING", "GET pods: 503 ServiceUnavailable")


@aio
async def test_cancelling_ends_the_work_too() -> None:
    job = Job(held=True)
    async with started(Queue(job)) as queue:
        queue.add("a")
        await settle()
        assert job.running == 1
    assert job.running == 0
