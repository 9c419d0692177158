"""Series that alerts look at are there before the first event: a rate sees no first one of a series that it begins."""

import subprocess
import sys

import pytest

SERIES = [
    ("registry", "theazo_openings_total", {"purpose": "verify", "result": "UnknownKey"}),
    ("registry", "controller_runtime_reconcile_errors_total", {"controller": "theazoagent"}),
    ("api_registry", "theazo_api_authentication_failures_total", {"reason": "unknown"}),
]


@pytest.mark.parametrize(("registry", "name", "labels"), SERIES, ids=[name for _, name, _ in SERIES])
def test_a_new_process_has_it_at_nothing(registry: str, name: str, labels: dict[str, str]) -> None:
    ask = f"from theazo_operator import metrics; print(metrics.{registry}.get_sample_value({name!r}, {labels!r}))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "0.0\n"
