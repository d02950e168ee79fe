import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from imgcls_testing.images import colour_image
from imgcls_testing.service import RunningService, StartService

__all__ = ["PictureOf", "RunningService", "StartService"]

# Stand-ins are beside the tests, which are no package.
sys.path.insert(0, str(Path(__file__).parent))

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
