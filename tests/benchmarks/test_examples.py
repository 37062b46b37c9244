import doctest
import importlib

import pytest

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")


@pytest.mark.parametrize(
    "name",
    ["appendix", "deep_figure", "figures", "harness", "names", "quality_report", "sets",
     "student_parts", "students", "units"],
)  # fmt: skip
def test_examples(name):
    module = importlib.import_module(f"benchmarks.{name}")
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted
    assert not found.failed
