"""Every error that Theazo raises on purpose.

TheazoError
├── InvalidMasterKey           theazo_operator.opening: the keyring isn't usable
└── SealingError
    ├── InvalidName            a name, or another part of a binding, that the rules refuse
    ├── InvalidPublicKey       no public key of the suite, or not the one that was expected
    └── OpeningError           this entry gives no value that a sandbox may hold
        ├── MalformedEnvelope  the text is no envelope
        ├── InvalidValue       there is a value, but the rules refuse it: before sealing and after opening
        ├── UnknownKey         theazo_operator.opening: no key of the keyring has its key id
        └── CannotOpen         theazo_operator.opening: whatever else

No message holds a value, nor text that stands where only an envelope belongs: somebody may have put a plaintext there.
"""

from typing import ClassVar


class TheazoError(Exception):
    """The root of the tree: catch it to catch all that Theazo raises on purpose."""


class SealingError(TheazoError):
    """A value can't be sealed, or a sealed one can't be used."""


class InvalidName(SealingError):
    """A secret's name, platform, session, sealing id or user that the rules refuse; the message says which and why."""


class InvalidPublicKey(SealingError):
    """Not a public key of the suite; nothing is sealed to it."""


class OpeningError(SealingError):
    """An entry gives no value. `reason` is the word that conditions and metrics show, the message has the remedy."""

    reason: ClassVar[str]


class MalformedEnvelope(OpeningError):
    """The text is no envelope that this version could have written, which can be seen without any key."""

    reason = "MalformedEnvelope"


class InvalidValue(OpeningError):
    """A value that breaks the rules for values. With detail when its author seals it, without when it was opened."""

    reason = "InvalidValue"
