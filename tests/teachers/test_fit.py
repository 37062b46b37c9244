"""Teachers that are fitted here: on labeled rows, and asked out of fold."""

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import InvalidParameterError

from sk_ekd import EnsembleDistiller
from sk_ekd.teachers._fit import fit_teachers
from sk_ekd.teachers._open import known_classes
from sk_ekd.teachers._predict import stack_proba
from tests.errors import check_errors, text_of
from tests.teachers.kinds import (
    CLASSES,
    LETTERS,
    UNFITTED,
    Recorder,
    Watch,
    ask,
    distill,
    every_teacher,
    small_net,
)
from tests.worlds import stub

# --- Out of fold --------------------------------------------------------------------


def test_unfitted_teachers_are_cloned(blobs, partly):
    teacher = DecisionTreeClassifier(max_depth=2, random_state=0)
    distiller = EnsembleDistiller([teacher], small_net(), cv=2, weighting="uniform")
    twin = clone(distiller)
    assert twin.teachers[0] is not teacher
    assert twin.teachers[0].max_depth == 2
    distiller.fit(blobs[0], partly)
    assert not hasattr(teacher, "classes_")
    assert distiller.teachers_[0] is not teacher


@every_teacher
def test_every_teacher_fits_out_of_fold(blobs, name):
    X, y = blobs
    teacher = clone(UNFITTED[name])
    refitted, proba = fit_teachers({name: teacher}, X, y, CLASSES, StratifiedKFold(3))
    assert proba.shape == (90, 1, 3)
    assert proba.dtype == np.float32
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)
    assert_array_equal(known_classes(refitted)[name], CLASSES)
    with pytest.raises(NotFittedError):  # clones were fitted, not the caller's
        known_classes({name: teacher})


@pytest.mark.parametrize(
    "teacher",
    [
        KNeighborsClassifier(1),
        RandomForestClassifier(5, random_state=3),
        LogisticRegression(),
    ],
)
@pytest.mark.parametrize(
    "cv", [StratifiedKFold(3), KFold(4, shuffle=True, random_state=0)]
)
def test_out_of_fold_answers_are_those_of_cross_val_predict(blobs, teacher, cv):
    X, y = blobs
    _, proba = fit_teachers({"t": teacher}, X, y, CLASSES, cv)
    expected = cross_val_predict(teacher, X, y, cv=cv, method="predict_proba")
    assert_allclose(proba[:, 0], expected, atol=1e-6)


def test_teacher_that_memorizes_is_perfect_in_sample_and_honest_out_of_fold(blobs):
    X, y = blobs
    refitted, proba = fit_teachers(
        {"nearest": KNeighborsClassifier(1)}, X, y, CLASSES, StratifiedKFold(3)
    )
    assert_array_equal(ask(refitted["nearest"], X).argmax(axis=1), y)
    assert (proba[:, 0].argmax(axis=1) == y).mean() < 0.95


def test_labeled_rows_are_answered_out_of_fold_and_others_by_the_refit(blobs, partly):
    X, y = blobs
    labeled = partly >= 0
    teacher, watch = KNeighborsClassifier(1), Watch()
    distiller = distill([teacher], X, partly, cv=3, pooling="mean", weighting=watch)
    answer = {}  # of a row, by its values
    for rows in watch.rows:
        answer |= zip(map(bytes, rows.X), rows.proba[:, 0], strict=True)
    answer = np.array([answer[bytes(x)] for x in X])
    out_of_fold = cross_val_predict(
        teacher, X[labeled], y[labeled], cv=3, method="predict_proba"
    )
    refit = teacher.fit(X[labeled], y[labeled])
    assert_array_equal(answer[labeled], out_of_fold)
    assert_array_equal(answer[~labeled], refit.predict_proba(X[~labeled]))
    accuracy = accuracy_score(y[labeled], out_of_fold.argmax(axis=1))
    assert_allclose(distiller.teacher_accuracy_, accuracy)
    assert_array_equal(distiller.teachers_[0].predict(X), refit.predict(X))


def test_only_labeled_rows_are_fitted_on_and_the_refit_takes_them_all(
    blobs, partly, log
):
    X, labeled = blobs[0], partly >= 0
    distill([Recorder(max_depth=3)], X, partly, cv=3)
    fits = [rows for call, rows, _ in log if call == "fit"]
    assert [len(rows) for rows in fits] == [40, 40, 40, 60]
    assert_array_equal(fits[-1], X[labeled])


def test_each_row_is_answered_once_out_of_fold(blobs, partly, log):
    distill([Recorder(max_depth=3)], blobs[0], partly, cv=3)
    asked = np.concatenate([rows for call, rows, _ in log if call == "predict_proba"])
    assert len(asked) == 90
    assert len(np.unique(asked, axis=0)) == 90


def test_teachers_are_fitted_on_the_labels_themselves(blobs):
    X, y = blobs
    refitted, _ = fit_teachers(
        {"cat": UNFITTED["catboost"], "tree": DecisionTreeClassifier()},
        X, y, LETTERS, StratifiedKFold(2),
    )  # fmt: skip
    for classes in known_classes(refitted).values():
        assert_array_equal(classes, LETTERS)


@pytest.mark.parametrize(
    "teacher",
    [
        RandomForestClassifier(3),
        BaggingClassifier(DecisionTreeClassifier(splitter="random"), 3),
        make_pipeline(StandardScaler(), DecisionTreeClassifier(splitter="random")),
        VotingClassifier([("t", DecisionTreeClassifier(max_features=1))]),
        UNFITTED["skorch"],
    ],
    ids=["forest", "nested", "pipeline", "named", "skorch"],
)
def test_unseeded_teachers_are_reproducible(blobs, partly, teacher):
    # a skorch net has no random_state: it draws from torch's global generator
    once, again, other = (
        distill([teacher], blobs[0], partly, cv=2, random_state=seed)
        for seed in (0, 0, 1)
    )
    for a, b in zip(once.teachers_, again.teachers_, strict=True):
        assert_array_equal(ask(a, blobs[0]), ask(b, blobs[0]))
    assert_array_equal(once.predict_proba(blobs[0]), again.predict_proba(blobs[0]))
    assert (ask(once.teachers_[0], blobs[0]) != ask(other.teachers_[0], blobs[0])).any()


@pytest.mark.parametrize("cv", ["prefit", 2])
@pytest.mark.parametrize("name", ["forest", "skorch"])
def test_global_generators_are_untouched(blobs, partly, cv, name):
    # torch's DataLoader draws from it even where a fitted skorch net only answers
    teacher = clone(UNFITTED[name])
    if name == "forest":
        teacher.set_params(random_state=None)
    if cv == "prefit":
        teacher.fit(*blobs)
    generator = np.random.mtrand._rand  # what random_state=None draws from
    before = joblib.hash(generator.get_state()), torch.get_rng_state()
    distill([teacher], blobs[0], partly, cv=cv)
    assert joblib.hash(generator.get_state()) == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_seed_of_the_caller_is_kept(blobs):
    X, y = blobs
    forest = RandomForestClassifier(3, random_state=5)
    refitted, _ = fit_teachers(
        {"forest": forest}, X, y, CLASSES, StratifiedKFold(2), random_state=0
    )
    assert refitted["forest"].random_state == 5
    assert_array_equal(ask(refitted["forest"], X), ask(clone(forest).fit(X, y), X))


def test_unseeded_teachers_of_one_kind_differ(blobs):
    X, y = blobs
    forest = RandomForestClassifier(3)
    refitted, proba = fit_teachers(
        {"a": forest, "b": forest}, X, y, CLASSES, StratifiedKFold(2), random_state=0
    )
    assert (proba[:, 0] != proba[:, 1]).any()
    assert (ask(refitted["a"], X) != ask(refitted["b"], X)).any()
    assert forest.random_state is None


@pytest.mark.parametrize(
    "name", ["forest", "svc", "votes", "lightgbm", "catboost", "boosting", "pipeline"]
)
def test_class_that_a_fold_lacks_gets_a_zero_column_there(blobs, name):
    X, y = blobs
    y = np.where(y == 2, 1, y)
    y[:3] = 2  # all of them in the first test part
    _, proba = fit_teachers({name: UNFITTED[name]}, X, y, CLASSES, KFold(3))
    assert_array_equal(proba[:30, 0, 2], 0)
    assert (proba[30:, 0, 2] > 0).any() or name == "votes"
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["boosting", "lightgbm", "ridge", "pipeline"])
def test_train_part_of_a_single_class_is_an_error_that_says_so(blobs, name):
    # some teachers raise an error of their own, others answer in two columns
    X, y = blobs
    y = np.sort((y > 0).astype(int))  # the first 30 are 0
    with pytest.raises(ValueError, match=r"(one|single) class"):
        fit_teachers({name: UNFITTED[name]}, X, y, np.arange(2), KFold(3))


def test_sample_weight_reaches_the_teachers_that_take_it(blobs):
    X, y = blobs
    weight = np.random.RandomState(0).rand(90) + 0.1
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    neighbors = KNeighborsClassifier()
    refitted, proba = fit_teachers(
        {"tree": tree, "neighbors": neighbors},
        X, y, CLASSES, StratifiedKFold(3), sample_weight=weight,
    )  # fmt: skip
    for train, test in StratifiedKFold(3).split(X, y):
        part = clone(tree).fit(X[train], y[train], sample_weight=weight[train])
        assert_allclose(proba[test, 0], part.predict_proba(X[test]), atol=1e-6)
    whole = clone(tree).fit(X, y, sample_weight=weight)
    assert_array_equal(ask(refitted["tree"], X), ask(whole, X))
    unweighted = cross_val_predict(neighbors, X, y, cv=3, method="predict_proba")
    assert_allclose(proba[:, 1], unweighted, atol=1e-6)


def test_sample_weight_of_the_labeled_rows_reaches_the_teachers(blobs, partly, log):
    weight = np.linspace(0, 2, 90)  # the first row counts as removed
    EnsembleDistiller([Recorder(max_depth=2)], small_net(), cv=2).fit(
        blobs[0], partly, sample_weight=weight
    )
    fits = [given for call, _, given in log if call == "fit"]
    assert_array_equal(fits[-1], weight[(partly >= 0) & (weight > 0)])


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_number_of_jobs_does_not_matter(blobs, backend):
    X, y = blobs
    teachers = {
        "tree": DecisionTreeClassifier(splitter="random"),
        "neighbors": KNeighborsClassifier(3),
    }
    options = {"random_state": 0, "sample_weight": np.linspace(1, 2, 90)}
    cv = StratifiedKFold(3)
    one, expected = fit_teachers(teachers, X, y, CLASSES, cv, **options)
    with joblib.parallel_config(backend=backend):
        two, proba = fit_teachers(teachers, X, y, CLASSES, cv, n_jobs=2, **options)
    assert_array_equal(proba, expected)
    assert list(two) == list(one) == list(teachers)
    assert_array_equal(stack_proba(two, X, CLASSES), stack_proba(one, X, CLASSES))


class TwoByTwo(KFold):
    """Two folds, each of them twice."""

    def split(self, X, y):
        return [*super().split(X, y)] * 2


@pytest.mark.parametrize(
    ("cv", "never", "often"),
    [(ShuffleSplit(1, test_size=30, random_state=0), 60, 0), (TwoByTwo(2), 0, 90)],
)
def test_splitter_that_is_no_partition_is_an_error(blobs, cv, never, often):
    words = f"tests {never} of 90 rows never and {often} more than once"
    with pytest.raises(ValueError, match=words):
        fit_teachers({"nb": GaussianNB()}, *blobs, CLASSES, cv)


def test_frozen_teacher_stays_as_it_is_out_of_fold(blobs, partly):
    # as in scikit-learn's StackingClassifier: one that never saw these rows
    X, y = blobs
    frozen = FrozenEstimator(DecisionTreeClassifier(max_depth=2).fit(X[::3], y[::3]))
    watch = Watch()
    distiller = distill(
        [("frozen", frozen), ("nb", GaussianNB())], X, partly, cv=2, weighting=watch
    )
    assert_array_equal(ask(distiller.teachers_[0], X), ask(frozen, X))
    labeled = partly >= 0
    accuracy = frozen.score(X[labeled], y[labeled])
    assert_allclose(distiller.teacher_accuracy_["frozen"], accuracy)


def test_classes_of_a_frozen_teacher_count_out_of_fold(blobs):
    X, y = blobs
    frozen = FrozenEstimator(GaussianNB().fit(X, y))
    partly = np.where(y < 2, y, -1)
    distiller = distill([frozen, DecisionTreeClassifier(max_depth=2)], X, partly, cv=2)
    assert_array_equal(distiller.classes_, [0, 1, 2])


def test_teacher_that_cannot_be_fitted_is_named(blobs):
    X, y = blobs
    booster = clone(UNFITTED["xgboost"])  # takes no string labels
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the message is XGBoost's
        fit_teachers({"booster": booster}, X, y, LETTERS, StratifiedKFold(2))
    assert "'booster'" in text_of(caught.value)


# --- Through the distiller ----------------------------------------------------------


def test_same_seed_with_teachers_fitted_here(world):
    params = {"teachers": [RandomForestClassifier(5), SVC()], "cv": 3}
    first, again = (world.distill(**params) for _ in range(2))
    assert_array_equal(first.predict_proba(world.X), again.predict_proba(world.X))


def test_splitter_of_the_teachers_is_seeded(world):
    options = {"teachers": [GaussianNB()], "cv": KFold(3, shuffle=True)}
    state = np.random.mtrand._rand.get_state()[1].copy()
    first, again = (world.distill(**options) for _ in range(2))
    assert_array_equal(first.teacher_weight_, again.teacher_weight_)
    assert_array_equal(np.random.mtrand._rand.get_state()[1], state)
    assert options["cv"].random_state is None


def test_repeated_train_positions_weigh_twice(world):
    labeled = np.flatnonzero(world.y >= 0)
    parts = labeled[::2], labeled[1::2]
    splits = [parts, parts[::-1]]
    rare = [(np.r_[train, train[:9], train[:9]], test) for train, test in splits]
    plain, repeated = (
        world.distill(teachers=[GaussianNB()], cv=cv) for cv in (splits, rare)
    )
    assert not np.allclose(plain.row_weight_, repeated.row_weight_)


# --- Errors -------------------------------------------------------------------------


test_what_cannot_be_fitted_out_of_fold_is_an_error = check_errors(
    {
        "nothing labeled to fit teachers on": (
            lambda w: w.fit_unfitted(y=w.unlabeled),
            ValueError,
            "cv=3 fits the teachers on labeled rows, but y has none",
            "label some rows",
        ),
        "teachers saw what they answer": (
            lambda w: w.fit_unfitted(cv=[(np.arange(60), np.arange(60))]),
            ValueError,
            "Split 0 of `cv`",
            "trains on 30 of the 30 rows that it tests",
        ),
        "one fold": (
            lambda w: w.fit_unfitted(cv=1),
            InvalidParameterError,
            "Got 1 instead",
            "'cv' parameter of EnsembleDistiller must be an int in the range [2, inf)",
        ),
        "cv tests some rows never": (
            lambda w: w.fit_unfitted(cv=ShuffleSplit(3, random_state=0)),
            ValueError,
            "of 30 rows never and 0 more than once",
            "`cv` must test every labeled row once, as KFold",
        ),
        "cv of one split": (
            lambda w: w.fit_unfitted(cv=[(np.arange(30), np.arange(30, 60))]),
            ValueError,
            "tests 15 of 30 rows never",
            "`cv` must test every labeled row once, as KFold",
        ),
        "cv empty": (
            lambda w: w.fit_unfitted(cv=[]),
            ValueError,
            "tests 30 of 30 rows never",
            "`cv` must test every labeled row once, as KFold",
        ),
        "more folds than labeled rows": (
            lambda w: w.fit_unfitted(cv=5, y=np.where(np.arange(60) < 4, w.y % 2, -1)),
            ValueError,
            "`cv` as StratifiedKFold(n_splits=5",
            "cannot split the 4 labeled rows",
        ),
        "one class in a fold's training part": (
            lambda w: w.fit_unfitted(cv=KFold(2), y=np.repeat([0, 1], 30)),
            ValueError,
            "Teacher 'logisticregression'",
            "label more rows of every class",
        ),
        "teacher that cannot be cloned": (
            lambda w: w.fit_unfitted(teachers=[stub("foreign")]),
            TypeError,
            "Teacher 'foreign' cannot be cloned",
            "set cv='prefit'",
        ),
    }
)
