"""From HTTP to an operation and back: the one place where a request comes in and a problem goes out.

No line of the log holds a path, query, header or body as it was sent: a value may be in any of them.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from theazo_operator import metrics
from theazo_operator.api import problems, reading
from theazo_operator.api.auth import ApiKeys, Caller
from theazo_operator.api.fairness import Fairness
from theazo_operator.api.openapi import document
from theazo_operator.api.operation import JSON_TYPE, Call, Operation, Reply, Services
from theazo_operator.api.operations import OPERATIONS
from theazo_operator.api.presence import present
from theazo_operator.api.problems import MEDIA_TYPE, Problem, unavailable
from theazo_operator.kube.errors import KubeError
from theazo_operator.logs import where
from theazo_operator.resources.meta import short_name

log = logging.getLogger(__name__)
_IDEMPOTENCY_KEY = re.compile(r"(?=.{1,255}$)[!-~]([ -~]*[!-~])?")
_ELSEWHERE = "other"
# For a request as a whole: less than clients wait for, so that they are told, and than there is when the Pod ends.
_SECONDS = 25
_BODY_SECONDS = 15
_GONE = 499  # in log and metrics, where the client went away before there was an answer
Probe = Callable[[], Awaitable[str | None]]


def application(services: Services, keys: ApiKeys, ready: Probe) -> Starlette:
    """The ASGI application. `ready` says what is missing, or nothing."""
    by_route: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_route.setdefault(operation.route, {})[operation.method] = operation
    fairness = Fairness()
    routes = [_Adapter(services, keys, fairness, route, operations).route for route, operations in by_route.items()]
    served = Starlette(routes=[*routes, *_public(ready)], exception_handlers={HTTPException: _unrouted})
    served.router.redirect_slashes = False  # the redirect would repeat Host and query
    return served


class _Adapter:
    """All methods of one route."""

    def __init__(
        self, services: Services, keys: ApiKeys, fairness: Fairness, route: str, operations: Mapping[str, Operation]
    ) -> None:
        self._services = services
        self._keys = keys
        self._fairness = fairness
        self._route = route
        self._operations = operations

    @property
    def route(self) -> Route:
        """The route, for every method: which of them there are is said here."""
        # As an object and not a function: Starlette then leaves the choice of methods to it.
        return Route(self._route, self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        request = Request(scope, receive)
        began, request_id = time.perf_counter(), _request_id()
        caller: Caller | None = None
        try:
            with self._fairness.admitted():
                async with asyncio.timeout(_SECONDS) as deadline:
                    operation = self._choose(request.method)
                    client = request.client.host if request.client else ""
                    caller = await self._keys.authenticate(request.headers.get("authorization"), client)
                    async with self._fairness.turn(caller.platform, _size(request, operation)):
                        call = await _read(request, operation, caller)
                        async with present(receive, deadline):
                            response = _respond(await operation.act(self._services, call))
        except ClientDisconnect:
            _account(request.method, self._route, _GONE, began, request_id, caller)
            return
        except TimeoutError:
            response = _problem(unavailable(problems.UNAVAILABLE, problems.MAY_BE_DONE), request_id)
        except Problem as problem:
            response = _problem(problem, request_id)
        except KubeError as error:
            log.warning(
                "request failed", extra={"error": type(error).__name__, "status": error.status, "request": request_id}
            )
            response = _problem(problems.of_kube(error), request_id)
        except Exception as error:  # noqa: BLE001 - a traceback would hold what was sent
            log.error("fault", extra={"error": type(error).__name__, "at": where(error), "request": request_id})  # noqa: TRY400
            response = _problem(Problem(problems.INTERNAL_ERROR, problems.REPORT), request_id)
        response.headers["X-Request-Id"] = request_id
        _account(request.method, self._route, response.status_code, began, request_id, caller)
        await response(scope, receive, send)

    def _choose(self, method: str) -> Operation:
        operation = self._operations.get(method)
        if operation is None:
            raise _method_not_allowed(self._operations)
        return operation


async def _read(request: Request, operation: Operation, caller: Caller) -> Call:
    query = reading.read_query(operation.query, request.scope["query_string"])
    media_type, body = "", b""
    if operation.bodies:
        media_type = _media_type(request.headers, operation)
        body = await _read_body(request)
    key = request.headers.get("idempotency-key") if operation.idempotent_by_key else None
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Problem(
            problems.INVALID_REQUEST, "Idempotency-Key is 1 to 255 printable ASCII characters, a UUID for example"
        )
    return Call(caller.platform, request.path_params, query, media_type, body, key)


def _size(request: Request, operation: Operation) -> int:
    return reading.size_of_body(request.headers.get("content-length")) if operation.bodies else 0


async def _read_body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await reading.read_body(request.stream())
    except TimeoutError:
        raise Problem(problems.INVALID_REQUEST, f"the body did not arrive within {_BODY_SECONDS} seconds") from None


def _media_type(headers: Mapping[str, str], operation: Operation) -> str:
    name, _, parameters = headers.get("content-type", "").partition(";")
    name, charset = name.strip().lower(), parameters.strip().lower()
    plain = headers.get("content-encoding", "identity").lower() == "identity"
    if name not in operation.bodies or charset not in {"", "charset=utf-8", 'charset="utf-8"'} or not plain:
        known = " or ".join(operation.bodies)
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, f"send {known} in UTF-8, without Content-Encoding")
    return name


def _respond(reply: Reply) -> Response:
    headers = {"Cache-Control": "no-store"}
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    return Response(reply.body.model_dump_json(by_alias=True), reply.status, headers, JSON_TYPE)


def _problem(problem: Problem, request_id: str) -> Response:
    headers = {**problem.headers, "Cache-Control": "no-store"}
    return JSONResponse(problem.body(request_id), problem.kind.status, headers, MEDIA_TYPE)


def _method_not_allowed(methods: Mapping[str, object]) -> Problem:
    allowed = ", ".join(methods)
    return Problem(problems.METHOD_NOT_ALLOWED, f"this route has {allowed}", headers={"Allow": allowed})


def _request_id() -> str:
    """Made here, and not taken from the client: it goes into the log."""
    return short_name("req_", secrets.token_bytes(16))


def _named(response: Response) -> Response:
    response.headers["X-Request-Id"] = _request_id()
    return response


def _account(method: str, route: str, status: int, began: float, request_id: str, caller: Caller | None) -> None:
    known = method if method in {"GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"} else _ELSEWHERE
    seconds = time.perf_counter() - began
    metrics.observe_request(known, route, status, seconds)
    whose = {"platform": caller.platform, "api_key": caller.key_id} if caller else {}
    more = {"method": known, "route": route, "status": status, "seconds": round(seconds, 4), "request": request_id}
    log.info("request", extra={**more, **whose})


async def _unrouted(request: Request, error: Exception) -> Response:
    """What Starlette answers by itself: no route, or a method that a probe does not have."""
    began, request_id = time.perf_counter(), _request_id()
    found = Problem(problems.ROUTE_NOT_FOUND, "see /openapi.json for the routes")
    if isinstance(error, HTTPException) and error.status_code == problems.METHOD_NOT_ALLOWED.status:
        found = _method_not_allowed(dict.fromkeys((error.headers or {}).get("Allow", "GET").split(", ")))
    response = _problem(found, request_id)
    response.headers["X-Request-Id"] = request_id
    _account(request.method, _ELSEWHERE, response.status_code, began, request_id, None)
    return response


def _public(ready: Probe) -> list[Route]:
    """What needs no key and tells nothing about anybody."""
    described = document()

    async def openapi(_: Request) -> Response:
        return _named(JSONResponse(described))

    async def livez(_: Request) -> Response:
        return _named(PlainTextResponse("ok\n"))

    async def readyz(_: Request) -> Response:
        missing = await ready()
        return _named(PlainTextResponse("ok\n") if missing is None else PlainTextResponse(f"{missing}\n", 503))

    async def metricz(_: Request) -> Response:
        return _named(Response(generate_latest(metrics.api_registry), media_type=CONTENT_TYPE_PLAIN_0_0_4))

    routes = {"/openapi.json": openapi, "/livez": livez, "/readyz": readyz, "/metrics": metricz}
    return [Route(path, endpoint, methods=["GET"]) for path, endpoint in routes.items()]
