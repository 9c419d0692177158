"""The values of one `set` on their way from where they were to where they are sealed."""

from typing import TypeAlias

from theazo import rules
from theazo.errors import ConfigurationError, InvalidName, InvalidValue
from theazo.sealing import Binding, PublicKey, seal
from theazo.secret_value import SecretValue

Given: TypeAlias = str | bytes | SecretValue
Wrong: TypeAlias = ConfigurationError | InvalidName | InvalidValue | TypeError


class Values:
    """Checked values by name. Their repr tells how many they are."""

    __slots__ = ("__items",)

    def __init__(self) -> None:
        self.__items: dict[str, SecretValue] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.__items

    def __len__(self) -> int:
        return len(self.__items)

    def __repr__(self) -> str:
        return f"<{len(self)} values>"

    def refuses(self, name: object) -> Wrong | None:
        """What is wrong with a name, before anything is said of its value."""
        if not isinstance(name, str):
            return TypeError(f"a secret's name is a str, not {type(name).__name__}")
        try:
            rules.check_name(name)
        except InvalidName as error:
            return InvalidName(str(error))
        if name in self.__items:
            return ConfigurationError(f"{name} is given twice; keep one")
        return None

    def add(self, name: str, value: SecretValue) -> Wrong | None:
        """Takes one value, or tells what is wrong with it."""
        if problem := rules.problem_with_value(value):
            return InvalidValue(f"{name}: the value {problem}")
        self.__items[name] = value
        return None

    def sealed(self, platform: str, session: str, sealing_id: str, key: PublicKey) -> dict[str, str]:
        """Every value as an envelope."""
        return {
            name: seal(value, Binding(platform, session, sealing_id, name), key) for name, value in self.__items.items()
        }
