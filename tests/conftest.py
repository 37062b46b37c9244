"""What several test files share."""

import pytest

from tests.worlds import CountingNB, SmallWorld, World, make_three_blobs, make_trio


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def fitted(world):
    return world.distill()


@pytest.fixture(scope="module")
def small():
    return SmallWorld()


@pytest.fixture(scope="module")
def blobs():
    return make_three_blobs()


@pytest.fixture(scope="module")
def trio():
    return make_trio()


@pytest.fixture
def counted():
    """Count fits and predicted rows of CountingNB from zero."""
    CountingNB.fits = CountingNB.rows = 0
    return CountingNB
