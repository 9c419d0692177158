"""Errors of the edge, by what the caller does about them.

    KubeError
    ├── NotFound        404: it is gone
    ├── Exists          409 AlreadyExists: somebody made it before
    ├── Outdated        409 Conflict, 422 on a failed JSON Patch test: look again, then decide again
    ├── Refused         400, 403, 413, 422: it will be refused again until somebody changes something
    ├── Expired         410, or an error on a watch: where it was it can't go on, list again
    └── Unavailable     429, 5xx, connection lost, time-out: try again later

An API server's message may quote what was sent to it, and that may have been a Secret. So an error carries status and
reason only, unless the caller says that nothing secret was in the request.
"""


class KubeError(Exception):
    """A request to the API server failed."""

    def __init__(self, verb: str, resource: str, status: int, reason: str, message: str = "") -> None:
        super().__init__(f"{verb} {resource}: {status} {reason}{': ' if message else ''}{message}")
        self.verb = verb
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def answered(self) -> bool:
        """Whether there was an answer. Where there was none, the request may be done all the same, or be done yet."""
        return self.status != 0

    @property
    def lasting(self) -> bool:
        """Whether it fails until somebody changes something."""
        return isinstance(self, Refused | NotFound)

    @property
    def costly(self) -> bool:
        """Whether to try again ever later: what lasts, and a 5xx to a POST, which is mostly a webhook that is away.

        Each try makes and deletes a Secret, and such a webhook may take its whole time-out while that Secret lives.
        """
        return isinstance(self, Refused) or (self.verb == "POST" and self.status >= 500)  # noqa: PLR2004 - HTTP


class NotFound(KubeError):
    """404."""


class Exists(KubeError):
    """409 AlreadyExists."""


class Outdated(KubeError):
    """409 Conflict, or a JSON Patch whose `test` failed."""


class Refused(KubeError):
    """The request can't succeed as it is."""


class Expired(KubeError):
    """410 Gone, or what a watch ends with."""


class Unavailable(KubeError):
    """The same request may succeed later."""


_BY_STATUS: dict[int, type[KubeError]] = {
    400: Refused,
    401: Unavailable,  # a token that was just rotated: the new one is read within a minute
    403: Refused,
    404: NotFound,
    409: Outdated,
    410: Expired,
    413: Refused,
    422: Refused,
}


def classify(status: int, reason: str) -> type[KubeError]:
    """Choose the error for an HTTP status and the `reason` of the metav1.Status that came with it."""
    if status == 409 and reason == "AlreadyExists":  # noqa: PLR2004 - HTTP
        return Exists
    return _BY_STATUS.get(status, Unavailable)
