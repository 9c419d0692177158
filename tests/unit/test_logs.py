"""What the log says, and what it can't say. Each test looks at the very bytes that go to stderr."""

import asyncio
import gc
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from theazo.secret_value import SecretValue
from theazo_operator import logs

CANARY = "canary-5up3r-s3cr3t"
log = logging.getLogger("theazo_operator.test")
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._QUIET}
    yield
    root.handlers[:] = before
    root.setLevel(level)
    for name, each in levels.items():
        logging.getLogger(name).setLevel(each)


def lines(captured: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().err.splitlines()]


def test_a_line_is_one_json_object_with_chosen_fields(capsys: Captured) -> None:
    logs.configure("INFO")
    log.info("agent", extra={"agent": "acme/job", "reason": "SandboxRunning"})
    [line] = lines(capsys)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "theazo_operator.test",
        "message": "agent",
        "agent": "acme/job",
        "reason": "SandboxRunning",
    }


def test_a_text_with_line_breaks_stays_one_line(capsys: Captured) -> None:
    logs.configure("INFO")
    log.info("a\nb %s", "c\nd")
    assert [line["message"] for line in lines(capsys)] == ["a\nb c\nd"]


def fail_twice() -> None:
    raise KeyError(CANARY) from ValueError(CANARY)


def test_an_exceptions_text_and_its_causes_never_appear(capsys: Captured) -> None:
    logs.configure("DEBUG")
    try:
        fail_twice()
    except KeyError:
        log.exception("it failed", stack_info=True)
    printed = capsys.readouterr().err
    assert CANARY not in printed
    line = json.loads(printed)
    assert line["message"] == "it failed"
    assert line["exc_info"].startswith("KeyError at test_logs.py:")


def test_the_place_is_where_it_was_raised() -> None:
    def fails() -> None:
        raise ValueError(CANARY)

    with pytest.raises(ValueError, match=CANARY) as caught:
        fails()
    line = fails.__code__.co_firstlineno + 1
    assert logs.where(caught.value) == f"test_logs.py:{line}"
    assert logs.where(ValueError(CANARY)) == "?"


def test_a_secret_value_shows_nothing_wherever_it_is_put(capsys: Captured) -> None:
    logs.configure("DEBUG")
    value = SecretValue(CANARY.encode())
    log.info("value %s %r", value, value, extra={"value": value, "many": {"a": [value]}})
    printed = capsys.readouterr().err
    assert "hidden" in printed
    assert CANARY not in printed
    assert "Y2FuYXJ5" not in printed  # nor as base64


def test_whole_objects_that_kopf_attaches_to_records_are_left_out(capsys: Captured) -> None:
    logs.configure("DEBUG")
    attached = {name: {"spec": CANARY} for name in ("k8s_ref", "k8s_skip", "settings")}
    logging.getLogger("kopf.objects").warning("handled", extra=attached)
    printed = capsys.readouterr().err
    assert json.loads(printed)["message"] == "handled"
    assert CANARY not in printed


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
@pytest.mark.parametrize("name", ["kopf", "kopf.objects", "kopf._core.reactor", "aiohttp.access", "asyncio", "urllib3"])
def test_libraries_that_log_whole_objects_are_silent_whatever_our_level_is(
    name: str, level: str, capsys: Captured
) -> None:
    logs.configure(level)
    logging.getLogger(name).debug("body: %s", CANARY)
    logging.getLogger(name).info("body: %s", CANARY)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("level", "count"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_our_own_level(level: str, count: int, capsys: Captured) -> None:
    logs.configure(level)
    for each in (log.debug, log.info, log.warning, log.error):
        each("x")
    assert len(lines(capsys)) == count


def test_configuring_replaces_other_handlers(capsys: Captured) -> None:
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
    logs.configure("INFO")
    log.info("once")
    assert len(lines(capsys)) == 1


def test_a_librarys_own_words_about_an_exception_are_left_out(capsys: Captured) -> None:
    """kopf and asyncio put an exception's text into the message, where no formatter of exceptions looks."""
    logs.configure("DEBUG")

    async def scenario() -> None:
        async def fail() -> None:
            raise ValueError(CANARY)

        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(scenario())
    try:
        fail_twice()
    except KeyError:
        logging.getLogger("kopf.objects").exception("handler failed: %s", CANARY)
    printed = capsys.readouterr().err
    assert CANARY not in printed
    assert [json.loads(line)["exc_info"].split()[0] for line in printed.splitlines()] == ["ValueError", "KeyError"]


@pytest.mark.parametrize("value", [ValueError(CANARY), CANARY.encode(), {"inner": [ValueError(CANARY)]}], ids=type)
def test_of_an_object_that_is_no_json_only_its_type_is_written(value: object, capsys: Captured) -> None:
    logs.configure("DEBUG")
    log.error("x", extra={"field": value})
    printed = capsys.readouterr().err
    assert CANARY not in printed
    assert "Y2FuYXJ5" not in printed
    assert type(value).__name__ in printed or "ValueError" in printed
