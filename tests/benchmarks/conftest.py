import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from benchmarks import units


def make_two_teachers(X, settings, seed):
    return {"knn": KNeighborsClassifier(), "linear": LogisticRegression()}


@pytest.fixture(scope="module")
def few_teachers():
    """Units have two fast teachers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, "make_teachers", make_two_teachers)
        yield
