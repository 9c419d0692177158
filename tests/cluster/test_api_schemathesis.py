"""schemathesis against the real service: what its document says is true, whatever is sent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.api import Api
from tests.support.cluster import ROOT
from tests.support.sealing import public_key
from tests.support.service import ApiProcess, api_kubeconfig, new_api_key

_EXAMPLES = "10"
_HOOKS = ROOT / "tests" / "support" / "schemathesis_hooks.py"
# Beside what the document promises: a good request may find nothing, or somebody else there. A cursor is opaque, so the
# document can't say which are good. A 422 is an answer on one operation only: what an agent declares is not there.
_CONFIG = f"""
hooks = "{_HOOKS}"
# The pattern of names is long, and what it is slow at says nothing about the service.
suppress-health-check = ["too_slow", "filter_too_much"]

[generation]
deterministic = true
with-security-parameters = false
database = "none"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 404, 409, 413]

[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 409, 413, 415]

[[operations]]
include-operation-id = "createAgent"
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]
checks.negative_data_rejection.expected-statuses = [400, 401, 404, 405, 409, 413, 415, 422]

[[operations]]
include-operation-id = ["listSessions", "listAgents"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404]

[auth.wfc]
path = "peers.yaml"
user = "one"
peers = ["one", "other"]
"""


def command(service: ApiProcess, folder: Path, one: str, other: str) -> list[str]:
    """Write the configuration into a folder, and give the command to run there."""
    (folder / "schemathesis.toml").write_text(_CONFIG)
    users = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {key}"}]}
        for name, key in (("one", one), ("other", other))
    ]
    peers = folder / "peers.yaml"
    peers.touch(mode=0o600)
    peers.write_text(yaml.safe_dump({"auth": users}))
    program = str(Path(sys.executable).parent / "schemathesis")
    options = ["--checks", "all", "--mode", "all", "--max-examples", _EXAMPLES, "--no-color"]
    return [program, "run", f"{service.url}/openapi.json", *options]


@pytest.mark.usefixtures("running_operator")
def test_schemathesis_finds_nothing(
    platform: str, other: str, nowhere: str, api: Api, kubeconfig: Path, tmp_path: Path
) -> None:
    for name in (platform, other):
        public_key(api, name)
    access = api_kubeconfig(api, kubeconfig, tmp_path / "kubeconfig")
    environment = {**os.environ, "COMPUTE": nowhere}
    with ApiProcess(access, tmp_path / "log", THEAZO_TRUSTED_PROXIES="127.0.0.1") as service:
        line = command(service, tmp_path, new_api_key(api, platform), new_api_key(api, other))
        done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-4000:]
    assert '"fault"' not in (tmp_path / "log").read_text()
