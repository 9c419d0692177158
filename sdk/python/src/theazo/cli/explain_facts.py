"""What is as it has to be around an agent, and what isn't: pure functions of what was observed."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from theazo.cli import registry
from theazo.cli.explain_reasons import WAITING
from theazo.cli.explain_state import Observed, compute_of, condition, session_of
from theazo.cli.findings import Finding, fail, ok, unread, warn
from theazo.sealing import SUITE, VERSION

_KEY_ID = re.compile(rf"{re.escape(f'{VERSION}.{SUITE}.')}([0-9a-f]{{16}})\.")
# One CamelCase word, as the kubelet and the scheduler say it: whoever may write Events or Pods may write anything.
_WORD = re.compile(r"[A-Z][A-Za-z]{1,59}")
_MAX_MESSAGE = 400
_RESEAL = "seal it again: theazo seal -n {platform} --session {session} ..."


def facts(seen: Observed) -> Iterator[Finding]:
    """Every fact, in the order in which one needs the other."""
    yield from _platform(seen)
    yield from _operator(seen)
    if "podName" not in seen.status and not condition(seen.agent, "Finished"):
        # With a Pod the agent has all of these, whatever became of them.
        yield from _session(seen)
        yield from _secrets(seen)
        yield from _compute(seen)
    yield from _given(seen)
    yield from _pod(seen)
    yield from _events(seen)


def _platform(seen: Observed) -> Iterator[Finding]:
    add = f"theazo platforms add {seen.platform}"
    if "namespace" in seen.unread:
        yield unread("platform")
    elif seen.namespace is not None and registry.LABEL in registry.labels(seen.namespace):
        yield ok("platform", f"the namespace {seen.platform} has the label {registry.LABEL}")
    else:
        yield fail("platform", f"the namespace {seen.platform} has no label {registry.LABEL}", add)
    for name, found in seen.bindings.items():
        if name in seen.unread:
            yield unread("rights", f"your account may not read the RoleBinding {name}")
        elif registry.binds(found, name, seen.home):
            yield ok("rights", f"{name} is bound in {seen.platform}")
        elif name == "theazo-operator":
            yield fail("rights", f"{name} is not bound in {seen.platform}, so it can make no sandbox", add)
        else:
            yield warn("rights", f"{name} is not bound in {seen.platform}, which the REST API needs", add)
    yield from _key(seen)


def _key(seen: Observed) -> Iterator[Finding]:
    if "key" in seen.unread:
        yield unread("sealing key")
    elif seen.key is None:
        text = f"no sealing key of {seen.platform} is published in {seen.home}"
        yield fail("sealing key", text, "see that the platform is added and the operator is ready: theazo doctor")
    else:
        yield ok("sealing key", f"published, with the fingerprint {_published(seen)}")


def _published(seen: Observed) -> str:
    return str(((seen.key or {}).get("data") or {}).get("keyId"))


def ready(deployment: dict[str, Any] | None) -> bool:
    """Whether a Deployment has a replica that is ready."""
    return bool(((deployment or {}).get("status") or {}).get("readyReplicas"))


def to_get_ready(deployment: dict[str, Any], name: str, home: str) -> str:
    """What to do about a Deployment that is not ready, or to see why."""
    if (deployment.get("spec") or {}).get("replicas") == 0:
        return f"it is scaled to 0: kubectl -n {home} scale --replicas=1 deployment/{name}"
    return f"see why: kubectl -n {home} get pods; kubectl -n {home} logs deployment/{name}"


def _operator(seen: Observed) -> Iterator[Finding]:
    if "operator" in seen.unread:
        yield unread("operator")
    elif ready(seen.operator):
        yield ok("operator", f"ready in {seen.home}")
    elif seen.operator is None:
        text = f"there is no Deployment theazo-operator in {seen.home}"
        yield fail("operator", text, "install it, or name its namespace with --operator-namespace")
    else:
        remedy = to_get_ready(seen.operator, "theazo-operator", seen.home)
        yield fail("operator", "not ready, so nothing changes until it is", remedy)


def _session(seen: Observed) -> Iterator[Finding]:
    name = session_of(seen.agent)
    if "session" in seen.unread:
        yield unread("session")
        return
    if seen.session is None:
        yield fail("session", f"there is no session {name}", f"apply the TheazoSession {name} in {seen.platform}")
        return
    if seen.session["metadata"].get("deletionTimestamp"):
        yield fail("session", f"{name} is being deleted, and its agents with it", "create both anew")
    elif _expired(seen.session):
        yield fail("session", f"the ttlSeconds of {name} are over", "create agents in a new session")
    else:
        yield ok("session", f"{name} is there")


def _expired(session: dict[str, Any]) -> bool:
    seconds = (session.get("spec") or {}).get("ttlSeconds")
    created = datetime.fromisoformat(session["metadata"]["creationTimestamp"])
    return isinstance(seconds, int) and created + timedelta(seconds=seconds) <= datetime.now(UTC)


def _secrets(seen: Observed) -> Iterator[Finding]:
    declared = seen.agent["spec"].get("secrets") or []
    if not declared:
        yield ok("secrets", "none are declared")
        return
    if "sealed" in seen.unread:
        yield unread("secrets", "your account may not read TheazoSecrets")
        return
    stale = _stale(seen)
    entries = {} if stale else ((seen.sealed or {}).get("spec") or {}).get("encryptedData") or {}
    if stale:
        text = f"the TheazoSecret {session_of(seen.agent)} is of an ended session of that name, and will be deleted"
        yield fail("secrets", text, "set the secrets again")
    failing = {each["name"]: each["reason"] for each in (_sealed_status(seen).get("failing") or ())}
    for each in declared:
        yield _secret(seen, each, entries, failing)


def _secret(seen: Observed, declared: dict[str, Any], entries: dict[str, Any], failing: dict[str, str]) -> Finding:
    name, source = declared["name"], declared.get("from") or declared["name"]
    text = name if name == source else f"{name} (from {source})"
    if source not in entries:
        if declared.get("optional"):
            return ok("secret", f"{text} is not set, and optional")
        return fail("secret", f"{text} is not set in session {session_of(seen.agent)}", _set(seen, source))
    if source in failing:
        reseal = _RESEAL.format_map(seen.words)
        return fail("secret", f"{text} does not open: {_word(failing[source])} (docs/reasons.md)", reseal)
    sealed_with = _KEY_ID.match(str(entries[source].get("ciphertext")))
    if sealed_with and seen.key is not None and sealed_with[1] != _published(seen):
        other = f"{text} is set, sealed with key {sealed_with[1]} and not the published {_published(seen)}"
        return warn("secret", other, "it opens while the operator has that key; if it doesn't, seal it again")
    return ok("secret", f"{text} is set{f', sealed with key {sealed_with[1]}' if sealed_with else ''}")


def _set(seen: Observed, name: str) -> str:
    return f"theazo seal -n {seen.platform} --session {session_of(seen.agent)} --prompt {name}, or set it with the API"


def _sealed_status(seen: Observed) -> dict[str, Any]:
    return (seen.sealed or {}).get("status") or {}


def _stale(seen: Observed) -> bool:
    owner = _sealed_status(seen).get("sessionUID")
    return bool(owner and seen.session and owner != seen.session["metadata"]["uid"])


def _compute(seen: Observed) -> Iterator[Finding]:
    name = compute_of(seen.agent)
    if seen.compute is None:
        if "compute" in seen.unread:
            yield unread("compute")
            return
        see = f"have it made, or choose one of: kubectl get podtemplates -n {seen.home}"
        yield fail("compute", f"there is no PodTemplate {name} in {seen.home}", see)
    elif seen.compute["metadata"].get("namespace") == seen.platform:
        yield warn("compute", f"{name} is the platform's own, which counts with --allow-platform-computes only")
    else:
        yield ok("compute", f"{name} is there")


def _given(seen: Observed) -> Iterator[Finding]:
    given = seen.status.get("secrets") or []
    if given:
        names = ", ".join(f"{each['name']} (set {each['updatedAt']})" for each in given)
        yield ok("secrets", f"given to the sandbox: {names}")


def _pod(seen: Observed) -> Iterator[Finding]:
    name = seen.status.get("podName")
    if not name:
        return
    if "pod" in seen.unread:
        yield unread("pod")
    elif seen.pod is None:
        ended = bool(condition(seen.agent, "Finished"))
        text = f"the Pod {name} is gone"
        yield warn("pod", text) if ended else fail("pod", text, "an agent has one Pod only: create a new agent")
    else:
        status = seen.pod.get("status") or {}
        yield from _scheduled(seen, status)
        for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            yield from _container(seen, container)


def _scheduled(seen: Observed, status: dict[str, Any]) -> Iterator[Finding]:
    row = condition(seen.pod, "PodScheduled")
    name = seen.status["podName"]
    if row.get("status") == "False":
        make_room = f"make room, or change resources and nodeSelector of agent or compute {compute_of(seen.agent)}"
        yield fail("pod", f"no node takes the Pod {name}: {_word(row.get('reason'))}", make_room)
    else:
        yield ok("pod", f"{name} is in phase {_word(status.get('phase'))}")


def _container(seen: Observed, status: dict[str, Any]) -> Iterator[Finding]:
    name, state = f"the container {status.get('name')}", status.get("state") or {}
    restarts = f", restarted {count} times" if (count := status.get("restartCount")) else ""
    if waiting := state.get("waiting"):
        reason = _word(waiting.get("reason"))
        remedy = WAITING.get(reason, "see the events below").format_map(seen.words)
        on_its_way = reason in {"ContainerCreating", "PodInitializing"}
        yield (warn if on_its_way else fail)("container", f"{name} waits: {reason}{restarts}", remedy)
    elif ended := state.get("terminated"):
        code = ended.get("exitCode")
        text = f"{name} ended with exit code {code} ({_word(ended.get('reason'))}){restarts}"
        logs = f"see: theazo agents logs {seen.name} -n {seen.platform}"
        yield fail("container", text, logs) if code else ok("container", text)
    elif "running" in state:
        yield ok("container", f"{name} runs{restarts}")


def _events(seen: Observed) -> Iterator[Finding]:
    if "events" in seen.unread:
        yield unread("events")
    counts: Counter[str] = Counter()
    messages: dict[str, str] = {}
    for event in seen.events:
        uid = (event.get("involvedObject") or {}).get("uid")
        if event.get("type") == "Normal" or uid != seen.status.get("podUID"):
            continue
        reason = _word(event.get("reason"))
        counts[reason] += event.get("count") or (event.get("series") or {}).get("count") or 1
        # Messages may quote anything; what the scheduler says of nodes is what people need.
        if reason == "FailedScheduling":
            messages[reason] = f": {str(event.get('message'))[:_MAX_MESSAGE]}"
    for reason, count in counts.items():
        yield warn("event", f"{reason}, {count} times{messages.get(reason, '')}")


def _word(text: object) -> str:
    return text if isinstance(text, str) and _WORD.fullmatch(text) else "Unknown"
