"""The one type that a plaintext may have.

Python can't wipe memory: a value lives until it is collected, and copies of it may outlive that. What this type does
prevent is showing one by accident. It isn't a defence against code in the same process.
"""

import hmac
from typing import Never, Self, final


@final
class SecretValue:
    """The bytes of a secret, which only `reveal()` gives away.

    Every text form is the same constant, pickling is refused, JSON encoders find nothing to encode. Copying gives the
    same object. Equality takes constant time for values of one length (the length isn't hidden). Not hashable, so that
    no set or cache keeps one.

    Raises:
        TypeError: if `data` isn't bytes.
    """

    __slots__ = ("__data",)

    def __init__(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            kind = type(data).__name__
            del data  # a traceback that prints local variables would show it
            raise TypeError(f"SecretValue takes bytes, not {kind}: encode a text as UTF-8")
        self.__data = data

    def reveal(self) -> bytes:
        """The plaintext. Call it in the argument list of what needs it, so that no local variable holds it."""
        return self.__data

    def __len__(self) -> int:
        return len(self.__data)

    def __bool__(self) -> bool:
        return True  # `if value:` asks whether there is one; the rules judge an empty one

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self.__data, other.__data) if isinstance(other, SecretValue) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # how Python spells "not hashable", which typeshed can't

    def __repr__(self) -> str:
        return "<SecretValue: hidden>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a SecretValue is never serialized")

    def __getstate__(self) -> Never:
        # The default reads the slots, and pickle isn't its only caller.
        raise TypeError("a SecretValue is never serialized")
