"""Every test here that asks for an image is of both."""

import pytest

from tests.image.support import NAMES, Built, built


@pytest.fixture(params=NAMES)
def it(request: pytest.FixtureRequest) -> Built:
    name: str = request.param
    return built(name)
