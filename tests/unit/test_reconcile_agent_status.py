"""What the status of an agent says: to people, to kstatus, and as the record of what was done."""

import pytest

from tests.support.builders import (
    JSON,
    NOW,
    POD_NAME,
    POD_UID,
    SESSION_UID,
    SNAPSHOT,
    agent,
    at,
    container_status,
    pod,
    running,
    session,
    terminated,
    waiting,
)
from tests.unit.test_reconcile_agent import CASES, DELETING, ON_FAILURE, OTHER_UID, RECORDED, kstatus, seen
from theazo_operator.reasons import Reason
from theazo_operator.reconcile.agent import Observed, Plan, plan, remember_session
from theazo_operator.reconcile.agent import wait as wait_for
from theazo_operator.resources.conditions import find


def status_of(decided: Plan) -> JSON:
    assert decided.status is not None
    return decided.status


def message(decided: Plan, kind: str = "Ready") -> str:
    condition = find(status_of(decided), kind)
    assert condition is not None
    return str(condition["message"])


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (seen(session=None), "no TheazoSession demo in namespace acme"),
        (seen(compute=None), "no compute python"),
        (seen(is_platform=False), "`theazo platforms add acme`"),
        (seen(agent(spec="?")), "kubectl explain theazoagent.spec"),
        (seen(pod=pod(status=terminated(3))), "exit code 3"),
        (seen(pod=pod(status=waiting("ImagePullBackOff"))), "waits: ImagePullBackOff"),
        (seen(pod=pod(status=waiting("ErrImagePull"))), "waits: ImagePullBackOff"),
        (seen(pod=pod(status=waiting("ContainerCreating"))), "the sandbox starts"),
        (seen(pod=pod(status=waiting("PodInitializing"))), "the sandbox starts"),
        (seen(pod=pod(status=waiting("a text of who knows whom"))), "the sandbox starts"),
        (seen(pod=pod(status=waiting("ImagePullBackOff")), after=300), "startDeadlineSeconds (ImagePullBackOff)"),
        (seen(pod=pod(status={"phase": "Failed", "reason": "Evicted"})), "(Evicted)"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_messages_say_what_to_do(facts: Observed, says: str) -> None:
    assert says in message(plan(facts))


def test_what_a_container_or_the_kubelet_printed_is_never_copied() -> None:
    for facts, _ in CASES.values():
        assert "CANARY" not in str(plan(facts))


def test_status_of_an_ended_pod() -> None:
    before = {"firstObservedTime": at(0), "sessionUID": SESSION_UID}
    status = status_of(plan(seen(agent(status=before), pod=pod(status=terminated(3)), after=99)))
    del status["conditions"]
    assert status == {
        "phase": "Failed",
        "observedGeneration": 1,
        "firstObservedTime": at(0),
        "sessionUID": SESSION_UID,
        "podName": POD_NAME,
        "podUID": POD_UID,
        "startTime": at(5),
        "finishTime": at(30),
        "exitCode": 3,
        "secrets": [{"name": "A", "from": "A", "updatedAt": "2025-04-01T00:00:00.000001Z"}],
        "compute": {"name": "python", "namespace": "theazo-system", "resourceVersion": "7"},
    }


@pytest.mark.parametrize(
    ("facts", "conditions"),
    [
        (seen(session=None), {"SecretsResolved": "False", "Ready": "False", "Reconciling": "True"}),
        (seen(compute=None), {"SandboxCreated": "False", "Ready": "False", "Reconciling": "True"}),
        (
            seen(pod=pod()),
            {"SecretsResolved": "True", "SandboxCreated": "True", "Ready": "False", "Reconciling": "True"},
        ),
        (seen(pod=pod(status=running())), {"SecretsResolved": "True", "SandboxCreated": "True", "Ready": "True"}),
        (
            seen(pod=pod(status=terminated())),
            {"SecretsResolved": "True", "SandboxCreated": "True", "Ready": "True", "Finished": "True"},
        ),
        (
            seen(pod=pod(status=terminated(1))),
            {
                "SecretsResolved": "True",
                "SandboxCreated": "True",
                "Ready": "False",
                "Stalled": "True",
                "Finished": "True",
            },
        ),
    ],
    ids=["no session", "no compute", "starting", "running", "succeeded", "failed"],
)
def test_conditions(facts: Observed, conditions: dict[str, str]) -> None:
    assert {row["type"]: row["status"] for row in status_of(plan(facts))["conditions"]} == conditions


def test_no_secrets_declared_is_said() -> None:
    snapshot = '{"sessionUID":"u","compute":{"name":"p","namespace":"n","resourceVersion":"1"},"secrets":[]}'
    status = status_of(plan(seen(agent(spec={"secrets": []}), pod=pod(snapshot=snapshot))))
    resolved = find(status, "SecretsResolved")
    assert resolved is not None
    assert (resolved["status"], resolved["reason"]) == ("True", "NoneDeclared")
    assert status["secrets"] == []


def test_declared_secrets_that_are_optional_and_absent_are_no_none_declared() -> None:
    snapshot = '{"sessionUID":"u","compute":{"name":"p","namespace":"n","resourceVersion":"1"},"secrets":[]}'
    declared = agent(spec={"secrets": [{"name": "A", "optional": True}]})
    resolved = find(status_of(plan(seen(declared, pod=pod(snapshot=snapshot)))), "SecretsResolved")
    assert resolved is not None
    assert (resolved["reason"], resolved["message"]) == ("Resolved", "declared secrets resolved: 0")


def test_what_was_reached_stays_on_record_when_the_pod_is_gone() -> None:
    running_status = status_of(plan(seen(pod=pod(status=running()))))
    facts = seen(agent(status=running_status), pod=pod(status=running(), **DELETING))
    status = status_of(plan(facts))
    assert {name: status[name] for name in ("podUID", "startTime", "secrets", "compute")} == {
        name: running_status[name] for name in ("podUID", "startTime", "secrets", "compute")
    }
    assert find(status, "SandboxCreated") == find(running_status, "SandboxCreated")


def test_who_edits_the_pods_annotation_changes_no_record() -> None:
    recorded = status_of(plan(seen(pod=pod(status=running()))))
    edited = SNAPSHOT.replace(SESSION_UID, OTHER_UID).replace('"A"', '"B"')
    assert status_of(plan(seen(agent(status=recorded), pod=pod(status=running(), snapshot=edited)))) == recorded


def test_a_restart_keeps_the_first_start_time() -> None:
    recorded = status_of(plan(seen(agent(spec=ON_FAILURE), pod=pod(status=running(5)))))
    again = status_of(plan(seen(agent(spec=ON_FAILURE, status=recorded), pod=pod(status=running(77)))))
    assert again["startTime"] == at(5)


def test_a_reason_of_a_later_version_does_not_stop_this_one() -> None:
    odd = {
        "type": "SecretsResolved",
        "status": "True",
        "reason": "Teleported",
        "message": "",
        "lastTransitionTime": at(0),
    }
    facts = seen(agent(status={**RECORDED, "conditions": [odd]}), pod=pod(**DELETING))
    assert find(status_of(plan(facts)), "SecretsResolved") is None


def test_a_session_is_remembered_once_and_not_while_it_ends() -> None:
    status: JSON = {}
    remember_session(status, None)
    remember_session(status, session(**DELETING))
    assert status == {}
    remember_session(status, session())
    remember_session(status, session(uid=OTHER_UID))
    assert status == {"sessionUID": SESSION_UID}


def test_waiting_without_a_readable_spec_is_overdue_at_once() -> None:
    decided = wait_for(agent(spec="?"), NOW, Reason.SESSION_NOT_FOUND, "")
    assert (kstatus(status_of(decided)), decided.wake_after) == ("Failed", None)


def test_of_a_command_that_could_not_be_started_no_start_is_told() -> None:
    never = {"exitCode": 128, "reason": "StartError", "startedAt": "1970-01-01T00:00:00Z", "message": "CANARY"}
    decided = plan(seen(pod=pod(status=container_status("Failed", terminated=never))))
    assert "startTime" not in status_of(decided)
    assert "correct `command`" in message(decided)
    assert "CANARY" not in str(decided)
