"""What several test files share."""

import importlib
import sys
from pathlib import Path

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


@pytest.fixture(scope="module")
def modules(request):
    """Import the scripts that BENCHMARKS of the test file names, each by its name."""
    names = request.module.BENCHMARKS
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        for name in names:
            patch.delitem(sys.modules, name, raising=False)
        yield {name: importlib.import_module(name) for name in names}
        for name in names:
            sys.modules.pop(name, None)
