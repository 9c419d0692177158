"""Opens values, and counts each attempt by its result."""

from theazo.secret_value import SecretValue
from theazo_operator import metrics
from theazo_operator.opening import Keyring
from theazo_operator.reconcile.secrets import Opener, Refusal, open_entry
from theazo_operator.resources.session import Entry, Session


def opener(purpose: str, keyring: Keyring) -> Opener:
    """Make an `open_entry` that counts.

    Args:
        purpose: what is opened for, as the metric names it: agent or verify.
        keyring: the keys.
    """

    def open_counted(entry: Entry, session: Session) -> SecretValue:
        try:
            value = open_entry(entry, session, keyring)
        except Refusal as refusal:
            metrics.count_opening(purpose, refusal.reason.value)
            raise
        metrics.count_opening(purpose, "Opened")
        return value

    return open_counted
