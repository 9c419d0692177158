"""Properties: reading never fails in an unforeseen way, and secrets are what a dictionary would hold."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.builders import KEYRING, NS
from tests.support.restrig import Rest
from theazo import rules
from theazo.errors import InvalidName
from theazo.sealing import Binding
from theazo_operator.api import models, queries, reading
from theazo_operator.api.problems import Problem
from theazo_operator.kube import resource as kind

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
MODELS = (models.SessionCreate, models.SealedSecrets, models.AgentCreate)
FIELDS = st.sampled_from(sorted(models.FIELDS))


def good_name(name: str) -> bool:
    try:
        rules.check_name(name)
    except InvalidName:
        return False
    return True


def read(read_it: Any, *given: Any, **more: Any) -> Any:
    """What was read, or the Problem; anything else is a fault."""
    try:
        return read_it(*given, **more)
    except Problem as problem:
        found = problem
    assert found.__cause__ is None
    assert found.__context__ is None or isinstance(found.__context__, InvalidName)
    return found


@given(st.binary(max_size=200) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_a_body_is_it_is_read_or_refused(body: bytes) -> None:
    found = read(reading.read_object, body)
    if not isinstance(found, Problem):
        assert json.loads(body) == found
    read(reading.read_values, body)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_number_is_refused(number: str) -> None:
    assert isinstance(read(reading.read_object, f'{{"a": {number}}}'.encode()), Problem)


@given(st.dictionaries(st.text(max_size=20) | NAMES, st.text(), max_size=5))
def test_values_that_are_accepted_are_read_as_they_are(values: dict[str, str]) -> None:
    found = read(reading.read_values, json.dumps(values).encode())
    fine = bool(values) and all(good_name(name) and text and "\0" not in text for name, text in values.items())
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        fine = False
    assert isinstance(found, Problem) is not fine
    if fine:
        assert {name: value.reveal().decode() for name, value in found.items()} == values


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@given(data=st.data())
def test_whatever_an_object_is_it_is_read_or_refused(model: Any, data: st.DataObject) -> None:
    value = data.draw(st.dictionaries(FIELDS | st.text(max_size=10), JSON_VALUES, max_size=6))
    found = read(reading.read_model, model, value)
    if isinstance(found, Problem):
        for each in found.members["errors"]:
            assert set(each["pointer"].split("/")[1:]) <= models.FIELDS | {str(number) for number in range(10)}
    else:
        again = found.model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert reading.read_model(model, again) == found


@given(st.binary(max_size=60) | st.text(alphabet="abclimt=&%+ 0123456789", max_size=40).map(str.encode))
def test_whatever_a_query_is_it_is_read_or_refused(query: bytes) -> None:
    for model in (queries.SessionQuery, queries.AgentQuery, None):
        found = read(reading.read_query, model, query)
        if query == b"" and model is not None:
            assert found == model()


STEPS = st.lists(
    st.tuples(st.just("set"), st.dictionaries(st.sampled_from("ABCD"), st.text("xyz", min_size=1), min_size=1))
    | st.tuples(st.just("delete"), st.sampled_from("ABCDE"))
    | st.tuples(st.just("wait"), st.integers(-1000, 1000)),
    max_size=12,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_secrets_are_what_a_dictionary_would_hold(monkeypatch: pytest.MonkeyPatch, steps: list[Any]) -> None:
    with Rest(monkeypatch) as rest:
        session = rest.open()
        path = f"/v1/sessions/{session['id']}/secrets"
        model: dict[str, str] = {}
        times: dict[str, tuple[str, str]] = {}
        for what, which in steps:
            if what == "set":
                assert rest.post(path, which).status == 204
                model |= which
            elif what == "delete":
                assert rest.delete(f"{path}/{which}").status == (204 if which in model else 404)
                model.pop(which, None)
            else:
                rest.pass_seconds(which)
            listed = {each["name"]: each for each in rest.get(path).json["secrets"]}
            assert list(listed) == sorted(model)
            for name, each in listed.items():
                made, updated = times.get(name, (each["createdAt"], ""))
                written = what == "set" and name in which
                assert each["createdAt"] == made
                assert each["updatedAt"] > updated if written else each["updatedAt"] == updated
            times = {name: (each["createdAt"], each["updatedAt"]) for name, each in listed.items()}
        entries = rest.stored(session["id"]) if rest.kube.all(kind.THEAZO_SECRETS) else {}
        binding = (NS, session["id"], session["sealingId"])
        values = {
            name: KEYRING.open(each["ciphertext"], Binding(*binding, name)).reveal().decode()
            for name, each in entries.items()
        }
        assert values == model


def test_an_object_has_only_so_many_members() -> None:
    """Each of 250,000 unknown fields would become an error of its own, and all together more memory than there is."""
    body = json.dumps({f"f{number}": 1 for number in range(1025)}).encode()
    with pytest.raises(Problem, match="invalid_request"):
        reading.read_object(body)
    assert len(reading.read_object(json.dumps({f"f{number}": 1 for number in range(1024)}).encode())) == 1024


def test_a_command_and_its_arguments_have_an_end_together() -> None:
    words = ["x" * 32768] * 2
    reading.read_model(models.AgentCreate, {"compute": "python", "command": words, "args": words})
    with pytest.raises(Problem, match="invalid_request"):
        reading.read_model(models.AgentCreate, {"compute": "python", "command": [*words, "y"], "args": words})
