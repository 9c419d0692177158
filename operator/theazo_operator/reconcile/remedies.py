"""What is missing and how to mend it, where several kinds have to say the same."""

from theazo_operator.resources.meta import Key


def no_platform(namespace: str) -> str:
    """Say that nothing is served in a namespace."""
    return f"namespace {namespace} is no platform: `theazo platforms add {namespace}` makes it one"


def refused(namespace: str) -> str:
    """Say what helps where the API server refuses Secret or Pod."""
    return (
        "make room in the quota, change the policy, mend the webhook, "
        f"or run `theazo platforms add {namespace}` for missing rights"
    )


def no_session(key: Key) -> str:
    """Say that a session is waited for."""
    return f"there is no TheazoSession {key.name} in namespace {key.namespace}: apply it"
