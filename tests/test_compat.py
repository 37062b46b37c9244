"""A warning points at the line of the user's own code."""

import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller
from sk_ekd.students import default_student


def perfect_distiller():
    """Warns: its teacher is right on all rows, which it was fitted on."""
    X, y = load_iris(return_X_y=True)
    teacher = DecisionTreeClassifier(random_state=0).fit(X, y)
    student = default_student(X).set_params(net__max_epochs=1)
    return EnsembleDistiller([teacher], student), X, y


def files_of(record):
    return {w.filename for w in record if "fitted on" in str(w.message)}


def test_warning_points_at_the_callers_line():
    distiller, X, y = perfect_distiller()
    with pytest.warns(UserWarning, match="fitted on") as record:
        distiller.fit(X, y)
    assert files_of(record) == {__file__}


def test_warning_of_a_fit_in_a_search_points_at_the_callers_line():
    distiller, X, y = perfect_distiller()
    with pytest.warns(UserWarning, match="fitted on") as record:
        GridSearchCV(distiller, {"alpha": [0.5]}, cv=3).fit(X, y)
    assert files_of(record) == {__file__}
