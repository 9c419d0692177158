"""The two clients are one: the same public surface, word for word but for `await`."""

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal, get_origin

import pytest

import theazo
from theazo import aio, client, errors, models

TWINS = ("Theazo", "Sessions", "Session", "Secrets", "Agents", "Agent")
RENAMED = {"__aenter__": "__enter__", "__aexit__": "__exit__", "aclose": "close"}


def members(kind: type) -> dict[str, Callable[..., Any]]:
    own = {name: found for name, found in vars(kind).items() if inspect.isfunction(found)}
    return {RENAMED.get(name, name): found for name, found in own.items() if not name.startswith("_") or "__" in name}


def told(found: Callable[..., Any]) -> str:
    """A signature as the sync client would write it."""
    text = re.sub(r"Async(?=[A-Z])", "", str(inspect.signature(found)))
    return re.sub(r"theazo\.(aio|client)\.", "", text).replace("httpx2.Async", "httpx2.").replace("AsyncLink", "Link")


@pytest.mark.parametrize("name", TWINS)
def test_twins_have_the_same_methods_with_the_same_parameters(name: str) -> None:
    sync, twin = members(getattr(client, name)), members(getattr(aio, f"Async{name}"))
    assert sync.keys() == twin.keys()
    assert {each: told(sync[each]) for each in sync} == {each: told(twin[each]) for each in twin}


@pytest.mark.parametrize("name", TWINS)
def test_whatever_asks_the_api_is_awaited(name: str) -> None:
    for each, found in members(getattr(aio, f"Async{name}")).items():
        waits = inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)
        assert waits == (each not in {"__init__", "__repr__"}), each


@pytest.mark.parametrize("name", TWINS)
def test_every_public_thing_says_what_it_is(name: str) -> None:
    for kind in (getattr(client, name), getattr(aio, f"Async{name}")):
        assert kind.__doc__
        assert all(found.__doc__ for each, found in members(kind).items() if not each.startswith("_"))


def test_a_twins_docstring_leads_to_one_that_is_there() -> None:
    text = inspect.getsource(aio)
    found = re.findall(r"See `theazo\.client\.(\w+)\.(\w+)`", text)
    assert len(found) > 15
    assert all(getattr(getattr(client, kind), method).__doc__ for kind, method in found)


def test_all_names_of_the_package_are_there() -> None:
    assert all(getattr(theazo, name) for name in theazo.__all__)
    assert set(theazo.__all__) <= set(dir(theazo))
    raised = {name for name, kind in vars(errors).items() if getattr(kind, "__module__", None) == errors.__name__}
    assert raised <= set(theazo.__all__)
    with pytest.raises(AttributeError):
        theazo.nothing  # noqa: B018


def test_what_signatures_and_attributes_speak_of_is_there_too() -> None:
    ours = {name for name, kind in vars(models).items() if getattr(kind, "__module__", None) == models.__name__}
    told = ours | {name for name, kind in vars(models).items() if get_origin(kind) is Literal}
    assert {"AgentOptions", "Phase", "SecretSpec"} <= told
    inside = {"AgentFields", "SessionFields", "overwrite"}
    assert told - inside <= set(theazo.__all__)


def test_the_drawn_tree_is_the_tree() -> None:
    """Each line of the drawing has a class whose parent stands above it, further to the left."""
    drawn = re.findall(r"^([│├└─ ]*)([A-Z]\w+)", (errors.__doc__ or "").split("TheazoError\n", 1)[1], re.MULTILINE)
    parents, found = ["TheazoError"], {}
    for indent, name in drawn:
        depth = len(indent) // 4
        if depth:
            parents[depth:] = [name]
            found[name] = parents[depth - 1]
    elsewhere = {"InvalidMasterKey", "UnknownKey", "CannotOpen"}
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.TheazoError) and name != "TheazoError"
    }
    assert {name: parent for name, parent in found.items() if name not in elsewhere} == real


def test_importing_the_package_imports_no_http_client() -> None:
    code = (
        "import sys, theazo, theazo.sealing, theazo.models; print('httpx2' in sys.modules); theazo.Theazo; "
        "print('httpx2' in sys.modules); print([n for n in sys.modules if (n + '.').startswith('theazo.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "[]"]


def test_the_core_knows_no_network_file_clock_or_environment() -> None:
    code = (
        "import sys\n"
        "for name in ('httpx2', 'socket', 'asyncio', 'time'): sys.modules.pop(name, None)\n"
        "import theazo._core.operations, theazo._core.waiting, theazo._core.config\n"
        "print([n for n in ('httpx2', 'asyncio', 'theazo._http', 'theazo._sources') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
