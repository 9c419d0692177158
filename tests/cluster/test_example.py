"""The published snippet, as a user runs it: compiled against the built package, and its comments come true."""

import os
import subprocess

import pytest

from tests.support.node import SDK, build_sdk
from tests.support.rest import Rest
from tests.support.stage import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]
NAMES = ["OPENAI_API_KEY", "STRIPE_SECRET", "DATABASE_URL"]


@pytest.fixture(scope="module")
def package() -> None:
    """The TypeScript SDK, installed and built from its lock file."""
    build_sdk()


@pytest.mark.usefixtures("package")
def test_the_published_snippet_runs_as_it_is_written(rest: Rest, stage: Stage) -> None:
    environment = os.environ | {"THEAZO_API_KEY": rest.key, "THEAZO_BASE_URL": rest.url}
    command = ["node", str(SDK / "scripts" / "run-example.mjs")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    [session] = rest.get("/v1/sessions").ok(200)["sessions"]
    assert session["user"] == "user_123"
    where = f"/v1/sessions/{session['id']}"
    [agent] = rest.get(f"{where}/agents").ok(200)["agents"]
    stage.running(agent["id"])
    seen = {name: value for name, value in stage.environment(agent["id"]).items() if name in NAMES}
    # "running agents keep the old value": it was set anew and deleted while this one started or ran.
    assert seen == {
        "OPENAI_API_KEY": "sk-...",
        "STRIPE_SECRET": "sk_live_...",
        "DATABASE_URL": "postgres://user:pass@host:5432/db",
    }
    # "permanent; agents that declare it fail"
    assert list(rest.listed(session["id"])) == ["DATABASE_URL", "STRIPE_SECRET"]
    refused = rest.post(f"{where}/agents", {"compute": "python", "secrets": NAMES})
    assert refused.problem(422, "secret_not_found")["missing"] == ["OPENAI_API_KEY"]
