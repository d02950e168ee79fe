from collections.abc import Callable, Iterator

import pytest
from imgcls_testing.images import colour_image
from imgcls_testing.service import RunningService, StartService

__all__ = ["PictureOf", "RunningService", "StartService"]

PictureOf = Callable[..., bytes]


@pytest.fixture(scope="session")
def service(start_service: StartService) -> Iterator[RunningService]:
    """One service with the default settings, for tests that leave it as it is."""
    with start_service() as running:
        yield running


@pytest.fixture(scope="session")
def picture_of() -> PictureOf:
    """Gives an encoded image of one colour."""
    return colour_image
