"""What operator and REST API count. Names as controller-runtime has them where it has them: known dashboards work.

No label ever holds the name of a secret, of an object, or the text of an error.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from theazo_operator.reasons import Reason

registry = CollectorRegistry(auto_describe=True)

_RECONCILES = Counter(
    "controller_runtime_reconcile",
    "Reconciliations by controller and result.",
    ["controller", "result"],
    registry=registry,
)
_ERRORS = Counter(
    "controller_runtime_reconcile_errors",
    "Reconciliations that ended in an unforeseen error.",
    ["controller"],
    registry=registry,
)
# There from the start, as other series that alerts look at: a rate sees no first one of a series that it begins.
for _controller in ("theazoagent", "theazosession", "theazosecret", "platform"):
    _ERRORS.labels(_controller)
_SECONDS = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "Length of a reconciliation.",
    ["controller"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=registry,
)
_OPENINGS = Counter(
    "theazo_openings",
    "Attempts to open a sealed value, by what for (agent, verify) and result.",
    ["purpose", "result"],
    registry=registry,
)
for _purpose in ("agent", "verify"):
    for _result in (Reason.MALFORMED_ENVELOPE, Reason.UNKNOWN_KEY, Reason.CANNOT_OPEN, Reason.INVALID_VALUE):
        _OPENINGS.labels(_purpose, _result.value)
POD_SECRETS = Gauge("theazo_pod_secrets", "Pod-scoped Secrets that live now, by the record.", registry=registry)
WATCH_AGE = Gauge(
    "theazo_watch_age_seconds",
    "Time since a list or a watch last showed what is true; of theazoagents, since that watch was last asked for.",
    ["resource"],
    registry=registry,
)


def observe_reconcile(controller: str, result: str, seconds: float) -> None:
    """Count one reconciliation: success, requeue_after (a request failed) or error."""
    _RECONCILES.labels(controller, result).inc()
    _SECONDS.labels(controller).observe(seconds)
    if result == "error":
        _ERRORS.labels(controller).inc()


def count_opening(purpose: str, result: str) -> None:
    """Count one value that was opened or did not open."""
    _OPENINGS.labels(purpose, result).inc()


api_registry = CollectorRegistry(auto_describe=True)

_REQUESTS = Counter(
    "theazo_api_requests",
    "Requests to the REST API, by method, the route's template and status.",
    ["method", "route", "status"],
    registry=api_registry,
)
_REQUEST_SECONDS = Histogram(
    "theazo_api_request_seconds",
    "Length of a request to the REST API.",
    ["method", "route"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=api_registry,
)
_AUTHENTICATION_FAILURES = Counter(
    "theazo_api_authentication_failures",
    "Requests without a valid API key, by what was wrong with it: missing, malformed or unknown.",
    ["reason"],
    registry=api_registry,
)
for _reason in ("missing", "malformed", "unknown"):
    _AUTHENTICATION_FAILURES.labels(_reason)
_CONFLICTS = Counter(
    "theazo_api_conflicts",
    "Writes of a session's secrets that were tried again, since somebody else wrote in between.",
    registry=api_registry,
)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request to the REST API."""
    _REQUESTS.labels(method, route, str(status)).inc()
    _REQUEST_SECONDS.labels(method, route).observe(seconds)


def count_authentication_failure(reason: str) -> None:
    """Count one request without a valid API key."""
    _AUTHENTICATION_FAILURES.labels(reason).inc()


def count_conflict() -> None:
    """Count one write that has to be tried again."""
    _CONFLICTS.inc()
