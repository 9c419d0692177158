"""What all tests share."""

import os
import signal

import pytest

_skipped: list[str] = []

# A job in the background inherits SIGINT as ignored, and would pass that on to the commands whose Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A module that skips itself has no tests that could say so."""
    if report.skipped:
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A promise whose test was skipped is a promise that nobody tried."""
    if _skipped and os.environ.get("THEAZO_FAIL_ON_SKIP") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
