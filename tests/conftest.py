"""What several test files share."""

import importlib
import sys
from pathlib import Path

import pytest


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
