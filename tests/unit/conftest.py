from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.restrig import Rest

# On a machine that does other things too, a time limit for one example says nothing about the code.
settings.register_profile("theazo", deadline=None)
settings.load_profile("theazo")


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rest]:
    """The REST API in process, with one platform."""
    with Rest(monkeypatch) as rig:
        yield rig
