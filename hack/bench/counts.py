"""What operator and REST API asked of the API server, and what they take of the machine."""

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import OPERATOR, SYSTEM

_KIB, _MB = 1024, 1_000_000


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The API server's own record of requests, each in it before it is answered."""

    path: Path

    def mark(self) -> int:
        """Tell where it ends now."""
        return self.path.stat().st_size

    def since(self, mark: int, platform: str | None = None, account: str = OPERATOR) -> dict[str, int]:
        """Count a ServiceAccount's requests, in a platform or in all, by verb and resource; watches do not count."""
        user = f"system:serviceaccount:{SYSTEM}:{account}"
        counted: Counter[str] = Counter()
        with self.path.open("rb") as log:
            log.seek(mark)
            for line in log:
                if user.encode() in line and line.endswith(b"\n"):
                    counted.update(_request(json.loads(line), user, platform))
        return dict(sorted(counted.items()))


def _request(event: Mapping[str, object], account: str, platform: str | None) -> list[str]:
    what, user = event.get("objectRef"), event.get("user")
    if event.get("stage") != "ResponseComplete" or not isinstance(what, dict) or not isinstance(user, dict):
        return []
    if user.get("username") != account or event.get("verb") == "watch":
        return []
    if platform is not None and what.get("namespace") != platform:
        return []
    return [f"{event['verb']} {'/'.join(what[key] for key in ('resource', 'subresource') if what.get(key))}"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process, in MB (1,000,000 bytes)."""

    now: float
    peak: float

    @classmethod
    def of(cls, pid: int) -> "Memory":
        """Read VmRSS and VmHWM."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = {name: text.split() for name, _, text in (line.partition(":") for line in lines)}
        return cls(*(int(fields[name][0]) * _KIB / _MB for name in ("VmRSS", "VmHWM")))


def cpu_seconds(pid: int) -> float:
    """Tell how long a process has run on a CPU, its own and the kernel's time (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(values: Iterable[float], part: float) -> float:
    """Return the value that a part of all values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
