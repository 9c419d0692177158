"""From declared names to opened values: only what the agent declared, and all of it or nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from theazo.sealing import Binding
from theazo.secret_value import SecretValue
from theazo_operator.opening import InvalidValue, Keyring, OpeningError
from theazo_operator.reasons import Reason
from theazo_operator.resources.agent import AgentSpec, DeclaredSecret
from theazo_operator.resources.sandbox import SnapshotEntry
from theazo_operator.resources.session import Entry, Session, TheazoSecret

# What one Kubernetes Secret holds at most (core/v1 MaxSecretSize), in bytes of values.
MAX_TOTAL = 1024 * 1024
_NAMES_SHOWN = 10
# `open_entry` with its keyring.
Opener = Callable[[Entry, Session], SecretValue]


class Refusal(Exception):
    """No sandbox, and why. `waits` says that the missing part may still come by itself."""

    def __init__(self, reason: Reason, message: str, *, waits: bool = False) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.waits = waits


@dataclass(frozen=True, slots=True)
class Resolved:
    """One declared secret with its value."""

    record: SnapshotEntry
    value: SecretValue


def resolve(spec: AgentSpec, session: Session, sealed: TheazoSecret | None, open_one: Opener) -> list[Resolved]:
    """Open what the agent declared.

    Raises:
        Refusal: a declared name is missing (waits), does not open, or all values together are too large.
    """
    entries = sealed.entries if sealed is not None and sealed.may_serve(session) else {}
    missing = [each.key for each in spec.secrets if each.key not in entries and not each.optional]
    if missing:
        raise Refusal(Reason.SECRET_NOT_FOUND, _missing(missing, session), waits=True)
    present = [each for each in spec.secrets if each.key in entries]
    resolved = [_open(each, entries[each.key], session, open_one) for each in present]
    size = sum(len(each.value) for each in resolved)
    if size > MAX_TOTAL:
        raise Refusal(
            Reason.SECRETS_TOO_LARGE,
            f"the declared values have {size} bytes together and a Secret holds {MAX_TOTAL}: declare fewer",
        )
    return resolved


def open_entry(entry: Entry, session: Session, keyring: Keyring) -> SecretValue:
    """Open one entry where it belongs.

    Raises:
        Refusal: it does not open, with one of the four reasons there are.
    """
    key = session.meta.key
    binding = Binding(platform=key.namespace, session=key.name, sealing_id=session.sealing_id, name=entry.name)
    try:
        return keyring.open(entry.ciphertext, binding)
    except (OpeningError, InvalidValue) as error:
        reason, message = Reason(error.reason), f"secret {entry.name}: {error}"
    # Raised outside the handler: the cause must not travel along, not even as __context__.
    raise Refusal(reason, message)


def _open(declared: DeclaredSecret, entry: Entry, session: Session, open_one: Opener) -> Resolved:
    value = open_one(entry, session)
    return Resolved(SnapshotEntry(name=declared.name, source=declared.key, updated_at=entry.updated_at), value)


def _missing(names: list[str], session: Session) -> str:
    few = len(names) == 1
    return (
        f"{'secret' if few else 'secrets'} {enumerate_names(names)} {'is' if few else 'are'} not in session "
        f"{session.meta.key.name}: set {'it' if few else 'them'}, or declare {'it' if few else 'them'} no longer"
    )


def enumerate_names(names: Iterable[str]) -> str:
    """Write names for a message, the first few of many."""
    every = list(names)
    shown = ", ".join(every[:_NAMES_SHOWN])
    return shown if len(every) <= _NAMES_SHOWN else f"{shown} and {len(every) - _NAMES_SHOWN} more"
