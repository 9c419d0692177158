"""An API server in memory, with the verbs of `Kube`. What a request does to it can be made to fail, before or after."""

import base64
import copy
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import Exists, KubeError, NotFound, Outdated, Refused, Unavailable
from theazo_operator.kube.resource import Resource

JSON = dict[str, Any]
# Of these no field can hold a value: a custom resource's are sealed.
_EXPLAINED = (kind.PODS, kind.SESSIONS, kind.THEAZO_SECRETS, kind.AGENTS)


class FakeKube(Kube):
    """Objects by plural, namespace and name. `calls` has every request, in order, as `VERB plural`."""

    def __init__(self) -> None:  # deliberately without a session: nothing here goes over a wire
        self.objects: dict[tuple[str, str, str], JSON] = {}
        self.calls: list[str] = []
        self.deleted: list[JSON] = []
        self.failures: dict[str, list[tuple[KubeError, bool]]] = {}
        self.delayed: list[str] = []
        self.late: list[tuple[tuple[str, str, str], JSON]] = []
        self.now = "2025-05-01T10:00:00Z"
        self._versions = itertools.count(100_000)
        self._uids = itertools.count(1)

    # For tests.

    def put(self, resource: Resource, body: JSON) -> JSON:
        """Have an object there."""
        meta = body["metadata"]
        stored = copy.deepcopy(body)
        stored["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[resource.plural, meta.get("namespace", ""), meta["name"]] = stored
        return copy.deepcopy(stored)

    def all(self, resource: Resource) -> list[JSON]:
        """All objects of a kind."""
        return [body for (plural, _, _), body in self.objects.items() if plural == resource.plural]

    def fail(self, call: str, error: KubeError | None = None, *, landed: bool = False) -> None:
        """Have the next request of a kind, like `POST pods`, fail; with its effect all the same where it `landed`."""
        verb, _, plural = call.partition(" ")
        lost = Unavailable(verb, plural, 0, "ServerDisconnectedError")
        self.failures.setdefault(call, []).append((error or lost, landed))

    def delay(self, call: str) -> None:
        """Have the next POST of a kind fail, and land when `land` is called: a request that is still on its way."""
        self.delayed.append(call)

    def land(self) -> None:
        """Let what is on its way arrive."""
        for place, body in self.late:
            self.objects[place] = body
        self.late.clear()

    def taken(self) -> list[str]:
        """The requests since this was last asked."""
        calls, self.calls = self.calls, []
        return calls

    # The verbs.

    async def get(self, resource: Resource, namespace: str, name: str) -> JSON:
        landed = self._begin("GET", resource)
        found = copy.deepcopy(self._find("GET", resource, namespace, name))
        self._end(landed)
        return found

    async def create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any] | bytes, *, explain: bool = False
    ) -> JSON:
        given: JSON = json.loads(body) if isinstance(body, bytes) else copy.deepcopy(dict(body))
        assert explain or resource != kind.PODS, "a Pod's refusal has to be explained"
        assert resource in _EXPLAINED or not explain, "only of what holds no value may a refusal be explained"
        assert isinstance(body, bytes) is (resource == kind.SECRETS), "a Secret's reply must be metadata only"
        landed = self._begin("POST", resource)
        place = (resource.plural, namespace, given["metadata"]["name"])
        created = {
            **given["metadata"],
            "uid": f"uid-{next(self._uids)}",
            "resourceVersion": str(next(self._versions)),
            "creationTimestamp": self.now,
        }
        stored = {**given, "metadata": created}
        if f"POST {resource.plural}" in self.delayed:
            self.delayed.remove(f"POST {resource.plural}")
            self.late.append((place, stored))
            raise Unavailable("POST", resource.plural, 0, "ServerDisconnectedError")
        if place in self.objects:
            raise Exists("POST", resource.plural, 409, "AlreadyExists")
        self.objects[place] = stored
        self._end(landed)
        return {"metadata": dict(created)} if isinstance(body, bytes) else copy.deepcopy(stored)

    async def patch_status(
        self, resource: Resource, namespace: str, name: str, uid: str, status: JSON, *, version: int | None = None
    ) -> JSON:
        landed = self._begin("PATCH", resource)
        found = self._find("PATCH", resource, namespace, name)
        if found["metadata"]["uid"] != uid or version not in {None, int(found["metadata"]["resourceVersion"])}:
            raise Outdated("PATCH", resource.plural, 422, "Invalid")
        found["status"] = json.loads(json.dumps(status))
        found["metadata"]["resourceVersion"] = str(next(self._versions))
        self._end(landed)
        return copy.deepcopy(found)

    async def patch(self, resource: Resource, namespace: str, name: str, patch: list[JSON]) -> None:
        landed = self._begin("PATCH", resource)
        found = self._find("PATCH", resource, namespace, name)
        changed = copy.deepcopy(found)
        for operation in patch:
            if not _patched(changed, json.loads(json.dumps(operation))):
                raise Outdated("PATCH", resource.plural, 422, "Invalid")
        changed["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[resource.plural, namespace, name] = changed
        self._end(landed)

    async def apply(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> JSON:
        landed = self._begin("APPLY", resource)
        uid = f"uid-{next(self._uids)}"
        meta = {**body["metadata"], "uid": uid, "creationTimestamp": self.now}
        stored = self.put(resource, {**body, "metadata": {**meta, "namespace": namespace, "name": name}})
        self._end(landed)
        return stored

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        landed = self._begin("DELETE", resource)
        found = self.objects.get((resource.plural, namespace, name))
        if found is not None and found["metadata"]["uid"] == uid:
            self.deleted.append(self.objects.pop((resource.plural, namespace, name)))
        self._end(landed)

    async def delete_collection(self, resource: Resource, namespace: str, label: str, keep: str | None) -> None:
        landed = self._begin("DELETE*", resource)
        key, _, value = label.partition("=")
        for (plural, where, name), body in list(self.objects.items()):
            labels = body["metadata"].get("labels") or {}
            if (plural, where) == (resource.plural, namespace) and labels.get(key) == value and name != keep:
                self.deleted.append(self.objects.pop((plural, where, name)))
        self._end(landed)

    async def page(
        self, resource: Resource, namespace: str | None, *, fields: str = "", limit: int, token: str | None = None
    ) -> JSON:
        landed = self._begin("LIST", resource)
        if token is not None and not token.isdecimal():
            raise Refused("GET", resource.plural, 400, "BadRequest")
        found = [
            copy.deepcopy(body)
            for (plural, where, _), body in sorted(self.objects.items())
            if plural == resource.plural and namespace in {None, where} and _selected(body, fields)
        ]
        first = int(token or 0)
        rest = str(first + limit) if first + limit < len(found) else ""
        self._end(landed)
        return {"metadata": {"continue": rest} if rest else {}, "items": found[first : first + limit]}

    async def pages(self, resource: Resource, namespace: str | None, selector: str) -> AsyncIterator[JSON]:
        self._begin("LIST", resource)
        for (plural, where, _), body in list(self.objects.items()):
            labelled = not selector or selector in (body["metadata"].get("labels") or {})
            if plural == resource.plural and namespace in {None, where} and labelled:
                yield {"metadata": {}, "items": [copy.deepcopy(body)]}
        yield {"metadata": {}, "items": None}

    async def watch(
        self, resource: Resource, namespace: str | None, selector: str, since: str, *, fields: str = ""
    ) -> AsyncGenerator[JSON, None]:
        """The objects as they are, once, if they are newer; what happens later is not told."""
        self._begin("WATCH", resource)
        for (plural, where, _), body in list(self.objects.items()):
            newer = int(body["metadata"]["resourceVersion"]) > int(since)
            labelled = not selector or selector in (body["metadata"].get("labels") or {})
            if (plural, where) == (resource.plural, namespace) and newer and labelled and _selected(body, fields):
                yield {"type": "MODIFIED", "object": copy.deepcopy(body)}

    def _begin(self, verb: str, resource: Resource) -> KubeError | None:
        call = f"{verb} {resource.plural}"
        self.calls.append(call)
        waiting = self.failures.get(call)
        if not waiting:
            return None
        error, landed = waiting.pop(0)
        if not landed:
            raise error
        return error

    @staticmethod
    def _end(failure: KubeError | None) -> None:
        if failure is not None:
            raise failure

    def _find(self, verb: str, resource: Resource, namespace: str, name: str) -> JSON:
        found = self.objects.get((resource.plural, namespace, name))
        if found is None:
            raise NotFound(verb, resource.plural, 404, "NotFound")
        return found


def _patched(body: JSON, operation: JSON) -> bool:
    """Do one operation of a JSON Patch on members of objects; whether that was possible."""
    *parents, last = operation["path"].removeprefix("/").split("/")
    for each in parents:
        if not isinstance(body.get(each), dict):
            return False
        body = body[each]
    match operation["op"]:
        case "test":
            return bool(last in body and body[last] == operation["value"])
        case "add":
            body[last] = operation["value"]
            return True
        case "remove":
            return body.pop(last, None) is not None
    raise AssertionError(operation["op"])


def _selected(body: JSON, fields: str) -> bool:
    """Whether an object has what a field selector asks for; a field that it lacks is empty."""
    for term in fields.split(",") if fields else ():
        where, wanted = term.replace("!=", "=").split("=")
        found: Any = body
        for step in where.split("."):
            found = found.get(step, {})
        if ((found or "") == wanted) is ("!=" in term):
            return False
    return True


def values_of(secret: JSON) -> dict[str, str]:
    """What a Secret gives to a sandbox."""
    return {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}
