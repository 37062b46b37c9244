"""A fitted distiller says in a few lines what was fitted."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller, OnlineDistiller, SeedEnsemble
from sk_ekd.dynamic import GroupRobust
from sk_ekd.export import compact
from sk_ekd.students import default_student
from tests.worlds import make_net, make_three_blobs

X, truth = make_three_blobs()
y = np.where(np.arange(90) < 30, truth, -1)
TEACHERS = [("bayes", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=3))]
WIDEST = 88


def distill(teachers=TEACHERS, student=None, y=y, **params):
    student = make_net() if student is None else student
    params = {"cv": 3, "random_state": 0, **params}
    return EnsembleDistiller(teachers, student, **params).fit(X, y)


@pytest.fixture(scope="module")
def fitted():
    return distill()


def lines_of(estimator):
    """Return what a repr says, by the names of its lines."""
    first, *lines = repr(estimator).split("\n")
    assert first == f"{type(estimator).__name__}, fitted"
    pairs = [line.split(":", 1) for line in lines]
    return {name.strip(): text.strip() for name, text in pairs}


def test_lines_say_what_was_fitted(fitted):
    assert lines_of(fitted) == {
        "teachers": "bayes, tree (out of fold, cv=3)",
        "pool": "StackedPool",
        "labels": "30 of 90 rows, 3 classes",
        "student": "NeuralNetClassifier(MLP)",
        "size": "131 parameters, 0.5 kB",  # 4 x 16 + 16, 16 x 3 + 3
    }


def test_size_is_that_of_the_parameters(fitted):
    n_parameters = sum(p.numel() for p in fitted.student_.module_.parameters())
    assert f"{n_parameters} parameters" in repr(fitted)


@pytest.mark.parametrize(
    "estimator", [EnsembleDistiller(TEACHERS), OnlineDistiller(), SeedEnsemble()]
)
def test_repr_before_the_fit_is_scikit_learns(estimator):
    estimator.set_params(random_state=1234567, verbose=1)
    twin = type(estimator).__name__, estimator.get_params(deep=False)
    plain = type(twin[0], (BaseEstimator,), {"__init__": type(estimator).__init__})
    assert repr(estimator) == repr(plain(**twin[1]))


def test_repr_within_a_pipeline_is_scikit_learns():
    fitted = distill(student=DecisionTreeClassifier(min_samples_leaf=2))
    before = make_pipeline(StandardScaler(), clone(fitted))
    assert repr(make_pipeline(StandardScaler(), fitted)) == repr(before)
    assert max(map(len, repr(before).split("\n"))) < WIDEST


def test_a_fit_that_fails_leaves_nothing_fitted():
    failed = distill(student=DecisionTreeClassifier())
    with pytest.raises(ValueError, match="shape"):
        failed.fit(X, y, teacher_proba=np.zeros((3, 2, 1)))
    assert repr(failed) == repr(clone(failed))


@pytest.mark.parametrize("attribute", ["pool_", "teacher_weight_", "classes_"])
def test_what_cannot_be_said_is_no_error(attribute):
    broken = distill()
    delattr(broken, attribute)
    assert repr(broken).startswith("EnsembleDistiller(cv=3")
    assert "EnsembleDistiller" in broken._repr_html_()


def test_built_in_student_is_named():
    brief = default_student(X).set_params(net__max_epochs=1)
    named = EnsembleDistiller(TEACHERS, brief, cv=3, random_state=0).fit(X, y)
    ends_in = "Pipeline that ends in NeuralNetClassifier(MLP)"
    assert lines_of(named)["student"] == ends_in
    assert lines_of(named.set_params(student=None))["student"] == "built-in network"


def test_tree_is_counted_by_its_nodes():
    lines = lines_of(distill(student=DecisionTreeClassifier()))
    assert lines["student"] == "DecisionTreeClassifier"
    assert re.fullmatch(r"\d+ nodes", lines["size"])


def test_student_whose_size_is_not_at_hand_has_no_size():
    lines = lines_of(distill(student=make_pipeline(LogisticRegression())))
    assert lines["student"] == "Pipeline that ends in LogisticRegression"
    assert "size" not in lines


def test_who_made_the_predictions_is_said(fitted):
    prefit = [(name, clone(teacher).fit(X, truth)) for name, teacher in TEACHERS]
    assert lines_of(distill(prefit, cv="prefit"))["teachers"] == "bayes, tree (prefit)"
    given = "bayes, tree (their predictions only)"
    assert lines_of(compact(fitted))["teachers"] == given
    assert lines_of(compact(fitted))["labels"] == "3 classes"


def test_many_teachers_are_not_all_named():
    forest = RandomForestClassifier(30, max_depth=2, random_state=0).fit(X, truth)
    lines = lines_of(distill(forest, cv="prefit"))
    assert "28 more" in lines["teachers"]
    long = [("x" * 300, GaussianNB()), ("y" * 300, GaussianNB())]
    assert len(lines_of(distill(long))["teachers"]) < WIDEST


def test_pool_of_some_is_named_as_the_pool():
    lines = lines_of(distill(weighting=GroupRobust("tree")))
    assert lines["pool"] == "StackedPool"


def test_synthetic_rows_are_counted_apart():
    frame = pd.DataFrame(X)
    more = EnsembleDistiller(TEACHERS, make_net(), cv=3, synthetic=2).fit(frame, y)
    counted = "30 of 90 rows, 3 classes, 2 synthetic of each row"
    assert lines_of(more)["labels"] == counted


def test_labels_of_a_chunk_are_said_to_be_those_of_a_chunk():
    chunked = clone(distill()).set_params(classes=[0, 1, 2])
    chunked.partial_fit(X, y)
    chunked.partial_fit(X[:40], truth[:40])
    last = "40 of 40 rows, 3 classes, in the last chunk"
    assert lines_of(chunked)["labels"] == last
    assert "chunk" not in repr(chunked.fit(X, y))


def test_networks_without_teachers_have_lines_as_well():
    online = OnlineDistiller(make_net(), n_students=2, random_state=0).fit(X, y)
    assert lines_of(online) == {
        "labels": "30 of 90 rows, 3 classes",
        "student": "NeuralNetClassifier(MLP)",
        "size": "131 parameters, 0.5 kB",
    }
    seeds = SeedEnsemble(make_net(), n_seeds=2).fit(X, truth)
    assert lines_of(seeds)["size"] == "131 parameters, 0.5 kB each"
    assert lines_of(seeds)["seeds"] == "2"


def test_html_shows_what_was_fitted(fitted):
    html = fitted._repr_html_()
    body = html[html.index("sk-container") :]
    for part in ("StackedPool", "30 of 90 rows", "student: 131 parameters, 0.5 kB"):
        assert part in body
    assert "30 of 90" not in clone(fitted)._repr_html_()


def test_html_stays_in_its_column(fitted):
    for html in (fitted._repr_html_(), fitted._repr_mimebundle_()["text/html"]):
        assert html.startswith('<div class="sk_ekd" style="max-width: 100%; overflow')
        assert "flex-wrap: wrap }" in html
