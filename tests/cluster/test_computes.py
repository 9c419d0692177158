"""Which templates make no sandbox: refused with what has to go, and never mended silently."""

from typing import Any

import pytest

from tests.support.api import Api, Manifest, path
from tests.support.cluster import SYSTEM
from tests.support.stage import NOWHERE, Stage, compute, find

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]


def test_a_name_that_the_template_sets_itself(stage: Stage, api: Api) -> None:
    with compute(api, sandbox={"env": [{"name": "KEY", "value": "template"}]}) as template:
        stage.open()
        stage.set({"KEY": "value"})
        stage.start("same", ["KEY"], compute=template)
        stage.start("optional", [{"name": "KEY", "from": "ABSENT", "optional": True}], compute=template)
        stage.start("renamed", [{"name": "KEY2", "from": "KEY"}], compute=template)
        for agent in ("same", "optional"):
            status = stage.agent_is(agent, "NameConflict", "Failed")
            assert find(status, "SandboxCreated")["reason"] == "NameConflict"
            assert "template sets KEY itself" in find(status, "Ready")["message"]
        stage.running("renamed")
        environment = stage.environment("renamed")
        assert (environment["KEY"], environment["KEY2"]) == ("template", "value")
        mend(api, template, {"env": []})
        assert stage.running("same")


def mend(api: Api, template: str, container: Manifest, **spec: Any) -> None:
    """Change a compute: its container and its Pod spec."""
    where = path("PodTemplate", SYSTEM, template)
    found = api.get(where).ok()["template"]["spec"]
    found["containers"][0] |= container
    api.merge(where, {"template": {"spec": {"containers": found["containers"]} | spec}}).ok()


REFUSED: dict[str, tuple[str, Manifest]] = {
    "host-path": ("volume v (hostPath)", {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
    "host-network": ("hostNetwork", {"hostNetwork": True}),
    "host-pid": ("hostPID", {"hostPID": True}),
    "shared-processes": ("shareProcessNamespace", {"shareProcessNamespace": True}),
    "secret-volume": ("volume v (secret)", {"volumes": [{"name": "v", "secret": {"secretName": "database"}}]}),
    "token-volume": (
        "volume v (projected serviceAccountToken)",
        {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
    ),
    "account": ("serviceAccountName", {"serviceAccountName": "default"}),
    "token": ("automountServiceAccountToken", {"automountServiceAccountToken": True}),
    "env-from": ("envFrom of container", {"sandbox": {"envFrom": [{"secretRef": {"name": "database"}}]}}),
    "root": ("runAsUser: 0", {"securityContext": {"runAsUser": 0}}),
    "privileged": ("privileged of container", {"sandbox": {"securityContext": {"privileged": True}}}),
    "no-sandbox": ("one container named sandbox", {"sandbox": {"name": "main"}}),
}


def test_a_template_that_asks_for_too_much_is_refused_and_never_mended(stage: Stage, api: Api) -> None:
    stage.open()
    for name, (says, spec) in REFUSED.items():
        with compute(api, **spec) as template:
            stage.start(name, compute=template)
            status = stage.agent_is(name, "ComputeRefused", "Failed")
            message = find(status, "Ready")["message"]
            assert f"compute {template} is no sandbox, take this out of its template: " in message
            assert says in message
            if name == "host-network":
                mend(api, template, {}, hostNetwork=None, nodeSelector=NOWHERE)
                stage.pod_of(name)
    assert len(stage.list("Pod")) == 1
