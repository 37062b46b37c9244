"""What is said of teachers that are right on rows which they were fitted on."""

import warnings

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import ask_teachers
from sk_ekd.weighting import uniform
from tests.worlds import make_distiller

SEEN = "that they were fitted on these rows"
CURE = r"Pass unfitted teachers and cv=5, or rows that these have not seen\."
MEMORIZERS = {  # that make a student worse if it learns from the rows that they saw
    "forest": RandomForestClassifier(20, random_state=0),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "lightgbm": LGBMClassifier(verbose=-1, n_jobs=1),
    "neighbors": KNeighborsClassifier(5, weights="distance"),
}


def fit_seen(world, teacher):
    """Return a teacher that was fitted on the very rows that are distilled from."""
    return teacher.fit(world.X, world.truth)


@pytest.mark.parametrize("weighting", ["correctness", "unified"])
def test_weak_teachers_do_not_hide_one_that_has_seen_the_rows(world, weighting):
    teachers = [
        ("tree", fit_seen(world, DecisionTreeClassifier(random_state=0))),
        ("bayes", fit_seen(world, GaussianNB())),
        ("dummy", fit_seen(world, DummyClassifier(strategy="stratified"))),
    ]
    with pytest.warns(UserWarning, match=rf"'tree': 1\.0.*{SEEN}") as caught:
        world.distill(teachers=teachers, weighting=weighting)
    assert "bayes" not in str(caught[0].message)
    assert "dummy" not in str(caught[0].message)


def test_ensemble_that_is_right_where_no_teacher_is_is_told(world):
    def wrong_on(part):
        """Return a teacher that has seen all rows, a third of them mislabeled."""
        wrong = np.arange(400) // 8 % 3 == part
        y = np.where(wrong, (world.truth + 1) % 3, world.truth)
        return KNeighborsClassifier(1).fit(world.X, y)

    teachers = [wrong_on(part) for part in range(3)]
    with pytest.warns(UserWarning, match=rf"'their ensemble': 1\.0.*{SEEN}"):
        distiller = world.distill(teachers=teachers)
    assert (distiller.teacher_accuracy_ < 0.8).all()


def test_teacher_of_little_weight_is_no_reason(world):
    class Rare:
        """Predicts, and rightly, the rows that it has seen: few."""

        classes_ = np.arange(3)

        def predict_proba(self, X):
            return np.where(np.arange(len(X)) % 40 == 0, np.eye(3)[world.truth].T, 0).T

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distiller = world.distill(teachers=[*world.teachers, ("rare", Rare())])
    assert distiller.teacher_accuracy_["rare"] == 1


@pytest.mark.parametrize("name", MEMORIZERS)
def test_memorizer_is_told_of_with_a_cure(world, name):
    teacher = fit_seen(world, clone(MEMORIZERS[name]))
    others = [fit_seen(world, GaussianNB()), fit_seen(world, LogisticRegression())]
    for y in (world.y, world.truth):  # few labels, and all of them
        with pytest.warns(UserWarning, match=rf"{SEEN}.* {CURE}") as caught:
            world.distill(teachers=[(name, teacher), *others], y=y)
        assert f"'{name}': 1.0" in str(caught[0].message)


@pytest.mark.parametrize("name", MEMORIZERS)
def test_memorizer_of_other_rows_is_no_reason(world, name):
    half = np.arange(400) < 200
    teacher = clone(MEMORIZERS[name]).fit(world.X[half], world.truth[half])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.distill(teachers=[teacher], y=np.where(half, -1, world.truth))
        world.distill(teachers=[clone(MEMORIZERS[name])], cv=3)


def test_given_predictions_have_a_cure_of_their_own(world):
    teacher = fit_seen(world, DecisionTreeClassifier(random_state=0))
    proba = ask_teachers([teacher], world.X)
    cure = "Pass predictions that are out of fold, as `ask_teachers` makes them"
    with pytest.warns(UserWarning, match=rf"{SEEN}.* {cure}"):
        make_distiller().fit(world.X, world.y, teacher_proba=proba)


@pytest.mark.parametrize("weighting", ["uniform", uniform])
def test_uniform_weights_do_not_help_where_most_targets_were_seen(world, weighting):
    teachers = [fit_seen(world, DecisionTreeClassifier(random_state=0))]
    with pytest.warns(UserWarning, match=rf"{SEEN}.* {CURE}"):
        world.distill(teachers=teachers, weighting=weighting, y=world.truth)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.distill(teachers=teachers, weighting=weighting)  # few labels
        world.distill(teachers=teachers, alpha=0, y=world.truth)  # not learned from
