"""Who connects and says nothing holds nothing for long, and takes no place from who does say something.

uvicorn by itself waits for a first request for ever, and counts connections, so that silent ones keep all else out, the
probes too. Here a client has a time for what it owes, and where there are too many connections, one that no request is
worked on for makes room. How many requests are worked on at once is decided in `fairness`.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, from the first byte that is owed: who trickles is as late as who is silent."""

    head: float = 10  # of a connection's first request from the start
    body: float = 30  # longer than a request is worked on: for what still comes when it has its answer
    answer: float = 60  # for taking what of it did not fit into the buffers
    connections: int = 900  # with those to the API server fewer than 1024 files, where many systems end a process's


class _Crowd:
    """The open connections of a process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self._idle: defaultdict[str, dict[Connection, None]] = defaultdict(dict)  # by address, the oldest first

    def enter(self, connection: "Connection") -> None:
        """Take one in. For one too many, the oldest idle one goes, of the address that has the most of those.

        So who opens ever more of them closes his own.
        """
        self._open += 1
        if self._open > self._most and self._idle:
            most: dict[Connection, None] = max(self._idle.values(), key=len)
            goes = next(iter(most))
            self.note(goes, idle=False)  # it has not left before the loop's next turn, and more may enter until then
            goes.transport.abort()
        self.note(connection, idle=True)

    def note(self, connection: "Connection", *, idle: bool) -> None:
        """Know whether no request of a connection is worked on."""
        if idle:
            self._idle[connection.peer].setdefault(connection)
        elif connection in self._idle.get(connection.peer, {}):
            del self._idle[connection.peer][connection]
            if not self._idle[connection.peer]:
                del self._idle[connection.peer]

    def leave(self, connection: "Connection") -> None:
        """Forget one."""
        self._open -= 1
        self.note(connection, idle=False)


class Connection(H11Protocol):
    """One connection; see `protocol`."""

    limits: Limits
    crowd: _Crowd
    _owed: tuple[float | None, object] = (None, None)
    _late: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> str:
        """The address at its other end; behind a proxy that is the proxy's."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a head."""
        super().connection_made(transport)
        self.crowd.enter(self)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self.crowd.leave(self)
        self._wait(None)

    def data_received(self, data: bytes) -> None:
        """Take what came, and see whether that was all."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Forget the request; another one may have come already."""
        self.cycle.body = bytearray()  # what was never read of it would stay until the next one
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Wait for who does not take his answer."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """The answer, or most of it, is taken."""
        super().resume_writing()
        self._look()

    def _look(self) -> None:
        """After anything that happened."""
        self.crowd.note(self, idle=self.conn.our_state not in {h11.SEND_RESPONSE, h11.SEND_BODY})
        # With the request: the body of the next one is owed anew, even if this has all come at once.
        owed = (self._time(), self.cycle)
        if owed != self._owed:
            self._owed = owed
            self._wait(owed[0])

    def _time(self) -> float | None:
        """For what the client owes; None while that is nothing, or uvicorn counts the time from the last answer."""
        if self.flow.write_paused:
            return self.limits.answer
        if self.conn.their_state is h11.SEND_BODY:
            return self.limits.body
        if self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            return self.limits.head
        return None

    def _wait(self, seconds: float | None) -> None:
        if self._late is not None:
            self._late.cancel()
        # Not close(), which waits until all is taken that was written.
        self._late = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


def protocol(given: Limits) -> type[Connection]:
    """What uvicorn makes of each connection of one server."""

    class Limited(Connection):
        limits = given
        crowd = _Crowd(given.connections)

    return Limited
