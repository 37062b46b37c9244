"""What the tests of the displays share."""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pytest

from tests.worlds import ShownWorld


@pytest.fixture(scope="module")
def shown():
    return ShownWorld()


@pytest.fixture(autouse=True)
def no_figure_left():
    plt.close("all")  # those of the doctests
    yield
    plt.close("all")
