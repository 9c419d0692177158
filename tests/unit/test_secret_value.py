import asyncio
import copy
import dataclasses
import functools
import hmac
import io
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from pythonjsonlogger.json import JsonFormatter

from theazo.secret_value import SecretValue

CANARY = "canary-5up3r-s3cr3t"
# Encodings in which a plaintext could slip through a search for the first.
FORMS = (CANARY, CANARY.encode().hex(), repr(list(CANARY.encode()))[1:-1], CANARY[:8])


@pytest.fixture
def value() -> SecretValue:
    return SecretValue(CANARY.encode())


@dataclasses.dataclass
class Holder:
    value: SecretValue
    others: list[SecretValue]


def shows_nothing(text: object) -> bool:
    return not any(form in str(text) for form in FORMS)


TEXTS: dict[str, Callable[[SecretValue], object]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": format,
    "format with width": lambda value: format(value, ">60"),
    "format as text": lambda value: format(value, "s"),
    "f-string": lambda value: f"{value}{value!r}{value!s}{value!a}{value=}{value:x}",
    "str.format": "{0} {0!r} {0:>40}".format,
    "percent": lambda value: "%s %r %a" % (value, value, value),  # noqa: UP031 - it is what is tried
    "in a list": lambda value: f"{[value]} {(value,)} { ({'k': value}) }",
    "pprint": lambda value: pprint.pformat({"k": [value] * 30}),
    "json with default=str": lambda value: json.dumps({"k": value}, default=str),
    "json with default=repr": lambda value: json.dumps({"k": value}, default=repr),
    "dataclass": lambda value: repr(Holder(value, [value])),
    "dataclasses.asdict": lambda value: repr(dataclasses.asdict(Holder(value, [value]))),
    "dataclasses.astuple": lambda value: repr(dataclasses.astuple(Holder(value, [value]))),
    "dir": dir,
    "an exception's arguments": lambda value: repr(ValueError(value)) + str(KeyError(value)),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_shows_nothing(text: Callable[[SecretValue], object], value: SecretValue) -> None:
    assert shows_nothing(text(value))


def test_every_text_is_the_same_for_all_values(value: SecretValue) -> None:
    assert {repr(value), str(value), f"{value:>99}", repr(SecretValue(b"")), str(SecretValue(b"x" * 999))} == {
        "<SecretValue: hidden>"
    }


REFUSED: dict[str, Callable[[Any], object]] = {
    **{f"pickle protocol {n}": functools.partial(pickle.dumps, protocol=n) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
    "pickle of a holder": lambda value: pickle.dumps(Holder(value, [value])),
    "__reduce__": lambda value: value.__reduce__(),
    "__getstate__": lambda value: value.__getstate__(),
    "json": json.dumps,
    "json with default=vars": lambda value: json.dumps(value, default=vars),
    "vars": vars,
    "bytes": bytes,
    "iteration": list,
    "index": lambda value: value[0],
    "concatenation": lambda value: b"" + value,
    "bytes formatting": lambda value: b"%b" % value,
    "number formatting": lambda value: "%d" % value,  # noqa: UP031 - it is what is tried
    "join": lambda value: "".join([value] * 2),
    "hash": hash,
    "order": lambda value: value < value,  # noqa: PLR0124 - it is what is tried
    "a new attribute": lambda value: setattr(value, "x", 1),
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED)
def test_a_way_around_is_refused_and_its_error_shows_nothing(
    attempt: Callable[[Any], object], value: SecretValue
) -> None:
    with pytest.raises((TypeError, AttributeError)) as caught:
        attempt(value)
    assert shows_nothing("".join(traceback.format_exception(caught.value)))


def test_a_copy_is_the_same_object(value: SecretValue) -> None:
    assert copy.copy(value) is value
    assert copy.deepcopy(value) is value
    assert copy.deepcopy({"k": [value]})["k"][0] is value


def test_a_traceback_with_local_variables_shows_nothing(value: SecretValue) -> None:
    def inner(parameter: SecretValue) -> None:
        held = {"value": parameter}
        raise RuntimeError(f"failed with {held}")

    with pytest.raises(RuntimeError) as caught:
        inner(value)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "SecretValue: hidden" in shown
    assert shows_nothing(shown)


def test_the_wrong_type_is_refused_without_showing_it() -> None:
    with pytest.raises(TypeError, match="takes bytes, not str") as caught:
        SecretValue(CANARY)  # type: ignore[arg-type]
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    product = [frame for frame in frames if frame.filename.endswith("secret_value.py") and frame.name == "__init__"]
    assert product
    assert shows_nothing("".join(traceback.StackSummary.from_list(product).format()))
    assert shows_nothing([frame.locals for frame in product])


@pytest.mark.parametrize("formatter", [logging.Formatter("%(message)s %(extra)s"), JsonFormatter("%(message)s")])
def test_logging_shows_nothing(formatter: logging.Formatter, value: SecretValue) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.Logger("secret-value")  # noqa: LOG001 - one that no configuration reaches
    logger.addHandler(handler)
    try:
        raise ValueError(value)  # noqa: TRY301 - there is no exception to log without one
    except ValueError:
        logger.exception("%s %r %s", value, value, {"k": value}, extra={"extra": value})
    assert "hidden" in stream.getvalue()
    assert shows_nothing(stream.getvalue())


def test_the_event_loops_debug_output_shows_nothing(value: SecretValue) -> None:
    async def holds(parameter: SecretValue) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name(f"open {parameter}")
        assert shows_nothing(f"{task!r} {task.get_stack()!r}")

    asyncio.run(holds(value), debug=True)


def test_only_reveal_gives_it_away(value: SecretValue) -> None:
    assert value.reveal() == CANARY.encode()
    assert len(value) == len(CANARY)
    public = {name for name in dir(value) if not name.startswith("_")}
    assert public == {"reveal"}


def test_an_empty_value_is_still_one() -> None:
    assert SecretValue(b"")
    assert len(SecretValue(b"")) == 0


def test_equality(value: SecretValue, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    constant_time = hmac.compare_digest

    def recording(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return constant_time(one, other)

    monkeypatch.setattr(hmac, "compare_digest", recording)
    assert value == SecretValue(CANARY.encode())
    assert value != SecretValue(CANARY.encode() + b"x")
    assert len(compared) == 2, "compared in constant time"
    assert value != CANARY.encode()
    assert value != CANARY
    assert len(compared) == 2, "no other type is ever compared with it"
