"""Every reason that a condition of ours can carry: one documented enum, part of the API.

A reason says what to do, so it is as fine as the remedies differ, and no finer:
whatever reaches decryption and fails is `CannotOpen`, since a finer answer would tell an attacker more than an author.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Reasons of the conditions of TheazoSession, TheazoSecret and TheazoAgent."""

    # Not there yet: waited for, since GitOps applies in any order.
    PLATFORM_NOT_FOUND = "PlatformNotFound"
    SESSION_NOT_FOUND = "SessionNotFound"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - the name of a reason
    COMPUTE_NOT_FOUND = "ComputeNotFound"

    # Someone must change something.
    INVALID_SPEC = "InvalidSpec"
    SESSION_EXPIRED = "SessionExpired"
    MALFORMED_ENVELOPE = "MalformedEnvelope"
    UNKNOWN_KEY = "UnknownKey"
    CANNOT_OPEN = "CannotOpen"
    INVALID_VALUE = "InvalidValue"
    SECRETS_TOO_LARGE = "SecretsTooLarge"
    COMPUTE_REFUSED = "ComputeRefused"
    NAME_CONFLICT = "NameConflict"
    NAME_TAKEN = "NameTaken"
    SANDBOX_REFUSED = "SandboxRefused"
    ENTRIES_DO_NOT_OPEN = "EntriesDoNotOpen"
    EXPIRED = "Expired"

    # On the way.
    RESOLVED = "Resolved"
    NONE_DECLARED = "NoneDeclared"
    SANDBOX_CREATED = "SandboxCreated"
    SANDBOX_STARTING = "SandboxStarting"

    # Well.
    ACTIVE = "Active"
    ALL_ENTRIES_OPEN = "AllEntriesOpen"
    SANDBOX_RUNNING = "SandboxRunning"
    COMPLETED = "Completed"

    # Ended badly.
    SANDBOX_FAILED = "SandboxFailed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    EVICTED = "Evicted"
    SANDBOX_LOST = "SandboxLost"
    SANDBOX_NOT_STARTED = "SandboxNotStarted"
