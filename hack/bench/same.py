"""Whether the bare client makes the objects that the operator makes: else the two could not be compared."""

import json
import re
from collections.abc import Iterable

from hack.bench.sizes import NotMeasured
from tests.support.api import Manifest

# What is different each time, though it has the same length.
_CHANGING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"thz-[a-z2-7]{26}"), "SECRET"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r'"resourceVersion": "\d+"'), "VERSION"),
)


def check_same(ours: Iterable[Manifest], theirs: Iterable[Manifest]) -> None:
    """Compare agent, Pod and Secret of the bare client with those of the operator.

    Raises:
        NotMeasured: they differ in more than names, UIDs, times and versions.
    """
    for mine, operators in zip(_texts(ours), _texts(theirs), strict=True):
        if mine != operators:
            raise NotMeasured(f"the bare client made\n{mine}\nand the operator\n{operators}\nso they can't be compared")


def _texts(objects: Iterable[Manifest]) -> list[str]:
    agent, pod, secret = objects
    agent_name, pod_name = agent["metadata"]["name"], pod["metadata"]["name"]
    return [_text(each, (pod_name, agent_name)) for each in (agent, pod, secret)]


def _text(body: Manifest, names: tuple[str, ...]) -> str:
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    text = json.dumps({**body, "metadata": metadata}, sort_keys=True)
    for name in names:
        text = text.replace(name, "NAME")
    for pattern, what in _CHANGING:
        text = pattern.sub(what, text)
    return text
