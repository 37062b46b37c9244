"""The estimator's contract, end to end."""

import pickle
import warnings
from enum import Enum

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.random_projection import GaussianRandomProjection
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    LRScheduler,
    ProgressBar,
)
from skorch.dataset import ValidSplit
from torch import nn

from sk_ekd import EnsembleDistiller, UnifiedWeighting, _distiller, ask_teachers
from sk_ekd.pooling import CalibratedPool, MeanPool
from sk_ekd.students import MLP
from sk_ekd.teachers._predict import stack_proba
from sk_ekd.weighting import Rows, disagreement, uniform


def make_net(**params):
    defaults = {
        "module__hidden": (16,),
        "max_epochs": 5,
        "lr": 0.01,
        "optimizer": torch.optim.Adam,
        "verbose": 0,
    }
    return NeuralNetClassifier(
        MLP, criterion=nn.CrossEntropyLoss, **{**defaults, **params}
    )


class World:
    """Rows, few of them labeled, and teachers fitted on other rows."""

    def __init__(self):
        X, y = make_classification(
            600, n_features=6, n_informative=5, n_redundant=0, n_classes=3,
            class_sep=1.5, random_state=0,
        )  # fmt: skip
        self.X, self.truth = X[:400], y[:400]
        self.y = np.where(np.arange(400) % 8, -1, self.truth)
        self.teachers = [
            LogisticRegression().fit(X[400:], y[400:]),
            GaussianNB().fit(X[400:], y[400:]),
            KNeighborsClassifier().fit(X[400:], y[400:]),
        ]

    def distill(self, *, X=None, y=None, teachers=None, student=None, **params):
        fit_params = {k: params.pop(k) for k in ("sample_weight",) if k in params}
        distiller = EnsembleDistiller(
            self.teachers if teachers is None else teachers,
            make_net() if student is None else student,
            **{"random_state": 0, **params},
        )
        X = self.X if X is None else X
        return distiller.fit(X, self.y if y is None else y, **fit_params)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def fitted(world):
    return world.distill()


# --- Attributes ---------------------------------------------------------------------


def test_fitted_attributes(world, fitted):
    assert_array_equal(fitted.classes_, [0, 1, 2])
    assert fitted.n_features_in_ == 6
    assert not hasattr(fitted, "feature_names_in_")
    assert list(fitted.named_teachers_) == [
        "logisticregression",
        "gaussiannb",
        "kneighborsclassifier",
    ]
    assert all(a is b for a, b in zip(fitted.teachers_, world.teachers, strict=True))


def test_history_is_one_row_an_epoch_and_its_terms_add_up(fitted):
    history = fitted.history_
    assert_array_equal(history["epoch"], [1, 2, 3, 4, 5])
    assert {"train_loss", "label_loss", "distillation_loss", "dur"} <= set(history)
    assert_allclose(
        history["label_loss"] + history["distillation_loss"],
        history["train_loss"],
        rtol=1e-5,
    )


def test_column_names_are_kept_and_checked(world):
    frame = pd.DataFrame(world.X, columns=list("abcdef"))
    teachers = [LogisticRegression().fit(frame, world.truth)]
    distiller = world.distill(X=frame, teachers=teachers)
    assert_array_equal(distiller.feature_names_in_, list("abcdef"))
    with pytest.raises(ValueError, match="same order"):
        distiller.predict(frame[list("fedcba")])


def test_weights_that_were_used_can_be_looked_at(world):
    fitted = world.distill(weighting="unified")
    named = dict(fitted.named_teachers_)
    proba = stack_proba(named, world.X, fitted.classes_)
    weight = UnifiedWeighting()(Rows(world.X, world.y, proba))
    labeled = world.y >= 0
    assert_array_equal(fitted.teacher_weight_.index, np.flatnonzero(labeled))
    assert list(fitted.teacher_weight_) == list(named)
    assert_allclose(fitted.teacher_weight_, weight[labeled], rtol=1e-5)
    assert_allclose(fitted.row_weight_[labeled], weight[labeled].sum(axis=1), rtol=1e-6)
    c = disagreement(proba[~labeled].astype(float))
    assert_allclose(fitted.row_weight_[~labeled], c / c.mean(), rtol=1e-5)


def test_default_weighs_labeled_rows_by_correctness_and_others_alike(world, fitted):
    unified = world.distill(weighting="unified")
    labeled = world.y >= 0
    assert_array_equal(fitted.row_weight_[labeled], unified.row_weight_[labeled])
    assert_array_equal(fitted.teacher_weight_, unified.teacher_weight_)
    assert_array_equal(fitted.row_weight_[~labeled], 1)


def test_teacher_accuracy_is_that_on_the_labeled_rows(world, fitted):
    labeled = world.y >= 0
    expected = [t.score(world.X[labeled], world.y[labeled]) for t in world.teachers]
    assert_allclose(fitted.teacher_accuracy_, expected)


# --- What is learned ----------------------------------------------------------------


def test_one_teacher_alone_is_copied(world):
    teacher = world.teachers[0]
    student = make_net(max_epochs=200, module__dropout=0.0)
    distiller = world.distill(teachers=[teacher], student=student, alpha=1.0)
    difference = distiller.predict_proba(world.X) - teacher.predict_proba(world.X)
    assert abs(difference).mean() < 0.02
    assert_allclose(distiller.row_weight_[world.y < 0], 1)


def test_duplicated_teacher_changes_nothing_under_uniform(world):
    teacher = world.teachers[0]
    once = world.distill(teachers=[teacher], weighting="uniform")
    twice = world.distill(teachers=[teacher, teacher], weighting="uniform")
    assert_array_equal(once.predict_proba(world.X), twice.predict_proba(world.X))


def test_uniform_is_the_unified_weighting_with_all_weights_off(world):
    off = UnifiedWeighting(teacher="uniform", labeled="uniform", unlabeled="uniform")
    uniform = world.distill(weighting="uniform")
    assert_allclose(
        world.distill(weighting=off).predict_proba(world.X),
        uniform.predict_proba(world.X),
        atol=1e-6,
    )


def test_weights_change_the_student(world, fitted):
    for other in (
        world.distill(weighting="uniform"),
        world.distill(alpha=0.1),
        world.distill(temperature=3.0),
    ):
        assert not np.allclose(
            other.predict_proba(world.X), fitted.predict_proba(world.X)
        )


def test_callable_weighting_sees_the_rows_in_order(world):
    seen = []

    def weighting(rows):
        seen.append(rows)
        return np.full(rows.proba.shape[:2], 1 / 3)

    world.distill(weighting=weighting)
    assert len(seen) == 1
    assert seen[0].X is world.X
    assert_array_equal(seen[0].y, world.y)
    assert seen[0].proba.shape == (400, 3, 3)


def test_all_rows_unlabeled_is_a_normal_fit(world):
    distiller = world.distill(y=np.full(400, -1), student=make_net(max_epochs=40))
    assert (distiller.predict(world.X) == world.truth).mean() > 0.7
    assert distiller.teacher_accuracy_.isna().all()
    assert distiller.teacher_weight_.shape == (0, 3)
    assert (distiller.history_["label_loss"] == 0).all()


def test_all_rows_labeled_is_a_normal_fit(world):
    distiller = world.distill(y=world.truth, student=make_net(max_epochs=40))
    assert distiller.score(world.X, world.truth) > 0.7


def test_unlabeled_rows_help(world):
    few = world.y >= 0
    student = make_net(max_epochs=100)
    labels = world.distill(X=world.X[few], y=world.y[few], alpha=0, student=student)
    distilled = world.distill(student=student)
    assert distilled.score(world.X, world.truth) > labels.score(world.X, world.truth)


def test_row_weight_of_zero_is_a_removed_row(world):
    weight = np.ones(400)
    weight[::3] = 0
    weighted = world.distill(sample_weight=weight)
    kept = weight > 0
    removed = world.distill(X=world.X[kept], y=world.y[kept])
    assert_array_equal(weighted.predict_proba(world.X), removed.predict_proba(world.X))
    assert_array_equal(weighted.row_weight_[~kept], 0)
    assert_array_equal(weighted.row_weight_[kept], removed.row_weight_)


def test_row_weight_of_two_is_a_repeated_row_in_full_batches(world):
    twice = np.r_[np.arange(400), np.arange(0, 400, 5)]
    student = make_net(batch_size=-1, module__dropout=0.0, optimizer=torch.optim.SGD)
    weighted = world.distill(sample_weight=np.bincount(twice), student=student)
    repeated = world.distill(X=world.X[twice], y=world.y[twice], student=student)
    assert_allclose(
        weighted.predict_proba(world.X), repeated.predict_proba(world.X), atol=1e-5
    )


# --- Labels -------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [-1, None, np.nan, pd.NA])
def test_string_labels_with_any_mark_give_the_same_student(world, mark):
    names = np.array(["cat", "dog", "emu"])
    rest = np.flatnonzero(world.y < 0)
    teachers = [GaussianNB().fit(world.X[rest], names[world.truth[rest]])]
    y = np.array([names[c] if c >= 0 else mark for c in world.y], dtype=object)
    distiller = world.distill(y=y, teachers=teachers)
    assert_array_equal(distiller.classes_, names)
    assert set(distiller.predict(world.X)) <= set(names)
    codes = [GaussianNB().fit(world.X[rest], world.truth[rest])]
    assert_array_equal(
        distiller.predict(world.X),
        names[world.distill(teachers=codes).predict(world.X)],
    )


def test_pandas_missing_labels_keep_the_teachers_integers(world, fitted):
    y = pd.Series(world.y).where(world.y >= 0)  # floats with NaN
    distiller = world.distill(y=y)
    assert distiller.classes_.dtype.kind == "i"
    nullable = world.distill(y=y.astype("Int64"))
    for other in (distiller, nullable):
        assert_array_equal(other.predict_proba(world.X), fitted.predict_proba(world.X))


def test_minus_one_can_be_a_class(world):
    truth = np.where(world.truth == 0, -1, 1)
    teachers = [GaussianNB().fit(world.X, truth)]
    y = pd.Series(truth).where(np.arange(400) % 4 == 0)
    distiller = world.distill(y=y, teachers=teachers, unlabeled_label=None)
    assert_array_equal(distiller.classes_, [-1, 1])
    assert len(distiller.teacher_weight_) == 100
    assert distiller.score(world.X, truth) > 0.7


def test_custom_mark(world, fitted):
    y = np.where(world.y >= 0, world.y, 99)
    distiller = world.distill(y=y, unlabeled_label=99)
    assert_array_equal(distiller.predict_proba(world.X), fitted.predict_proba(world.X))


def test_class_that_no_teacher_knows_is_learned_from_labels(world):
    known = world.truth != 2
    teachers = [GaussianNB().fit(world.X[known], world.truth[known])]
    distiller = world.distill(
        y=world.truth, teachers=teachers, student=make_net(max_epochs=60)
    )
    assert_array_equal(distiller.classes_, [0, 1, 2])
    assert (distiller.predict(world.X)[world.truth == 2] == 2).mean() > 0.7


# --- Weights of classes -------------------------------------------------------------


def test_balanced_classes_weigh_alike_on_labeled_rows(world):
    rare = np.where((world.y == 0) & (np.arange(400) % 5 > 0), -1, world.y)
    count = np.bincount(rare[rare >= 0])
    student = make_net(batch_size=-1, module__dropout=0.0, optimizer=torch.optim.SGD)
    balanced = world.distill(y=rare, class_weight="balanced", student=student)
    by_hand = dict(enumerate((rare >= 0).sum() / 3 / count))
    for same in (
        world.distill(y=rare, class_weight=by_hand, student=student),
        world.distill(
            y=rare,
            student=student,
            sample_weight=[by_hand.get(label, 1) for label in rare],
        ),
    ):
        assert_allclose(
            same.predict_proba(world.X), balanced.predict_proba(world.X), atol=1e-5
        )
    plain = world.distill(y=rare, student=student)
    assert balanced.predict_proba(world.X)[:, 0].mean() > (
        plain.predict_proba(world.X)[:, 0].mean()
    )


def test_balance_counts_a_row_of_weight_two_twice(world):
    twice = np.r_[np.arange(400), np.flatnonzero(world.y == 1)]
    student = make_net(batch_size=-1, module__dropout=0.0, optimizer=torch.optim.SGD)
    options = {"student": student, "class_weight": "balanced"}
    weighted = world.distill(sample_weight=np.bincount(twice), **options)
    repeated = world.distill(X=world.X[twice], y=world.y[twice], **options)
    assert_allclose(
        weighted.predict_proba(world.X), repeated.predict_proba(world.X), atol=1e-5
    )


def test_class_weight_goes_by_the_label(world):
    names = np.array(["cat", "dog", "emu"])
    y = np.array([names[c] if c >= 0 else -1 for c in world.y], dtype=object)
    teachers = [GaussianNB()]
    words = world.distill(y=y, teachers=teachers, cv=2, class_weight={"dog": 3.0})
    codes = world.distill(teachers=teachers, cv=2, class_weight={1: 3.0})
    assert_array_equal(words.predict_proba(world.X), codes.predict_proba(world.X))


# --- A validation part --------------------------------------------------------------


class Watch(Callback):
    """Keep the y of the rows that train, and of those that validate."""

    train, valid = set(), set()

    def on_train_begin(self, net, **kwargs):
        Watch.train, Watch.valid = [], []

    def on_batch_begin(self, net, batch, training, **kwargs):
        (Watch.train if training else Watch.valid).append(batch[1][:, 0].numpy())


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_validation_part_is_stratified_and_unlabeled_rows_alike(world, fraction):
    student = make_net(callbacks=[Watch], max_epochs=1)
    world.distill(validation_fraction=fraction, student=student)
    train, valid = (
        np.concatenate(y).astype(int) + 1 for y in (Watch.train, Watch.valid)
    )
    assert len(train) + len(valid) == 400
    assert len(valid) == round(400 * fraction)
    assert_array_equal(
        np.bincount(train) + np.bincount(valid), np.bincount(world.y + 1)
    )
    assert_allclose(np.bincount(valid), fraction * np.bincount(world.y + 1), atol=1.5)


def test_class_with_one_labeled_row_keeps_it_for_training(world):
    y = np.where(world.y == 2, -1, world.y)
    y[np.flatnonzero(world.truth == 2)[0]] = 2
    student = make_net(callbacks=[Watch], max_epochs=1)
    world.distill(y=y, validation_fraction=0.9, student=student)
    assert set(np.concatenate(Watch.train)) == {-1, 0, 1, 2}
    assert 2 not in np.concatenate(Watch.valid)


def test_no_row_is_held_out_by_default(world):
    world.distill(student=make_net(callbacks=[Watch], max_epochs=1))
    assert len(np.concatenate(Watch.train)) == 400
    assert Watch.valid == []


def test_training_stops_early_with_the_best_weights(world):
    student = make_net(
        max_epochs=400, module__hidden=(256,), module__dropout=0.0, lr=0.01
    )
    noise = np.random.RandomState(0).permutation(world.truth)  # nothing to learn
    distiller = world.distill(
        y=noise, alpha=0.0, validation_fraction=0.3, student=student
    )
    history = distiller.history_
    best = history["valid_loss"].idxmin()
    assert len(history) == best + 1 + 10 < 400
    # one epoch more than the best would give other weights
    again = world.distill(
        y=noise, alpha=0.0, validation_fraction=0.3,
        student=clone(student).set_params(max_epochs=int(best) + 1),
    )  # fmt: skip
    assert_array_equal(distiller.predict_proba(world.X), again.predict_proba(world.X))


def test_validation_is_in_the_history(world):
    student = make_net(max_epochs=8)
    history = world.distill(validation_fraction=0.25, student=student).history_
    assert_allclose(
        history["valid_label_loss"] + history["valid_distillation_loss"],
        history["valid_loss"],
        rtol=1e-5,
    )
    assert history["valid_acc"].between(0, 1).all()
    assert history["valid_acc_best"].iloc[0]
    unlabeled = world.distill(
        y=np.full(400, -1), validation_fraction=0.25, student=student
    )
    assert unlabeled.history_["valid_acc"].isna().all()
    assert (unlabeled.history_["valid_label_loss"] == 0).all()


@pytest.mark.parametrize("kind", ["binary", "pipeline", "sparse"])
def test_validation_with_every_kind_of_student(world, kind):
    X, y, teachers = world.X, world.y, world.teachers
    student = make_net(max_epochs=12)
    if kind == "binary":
        y, teachers = np.where(y > 1, -1, y), [GaussianNB().fit(X, world.truth > 0)]
        student = NeuralNetBinaryClassifier(
            OneLogit, max_epochs=12, lr=0.1, verbose=0, module__hidden=(8,)
        )
    if kind == "pipeline":
        student = make_pipeline(StandardScaler(), student)
    if kind == "sparse":
        X, teachers = csr_matrix(X), [SVC().fit(csr_matrix(X), world.truth)]
    distiller = world.distill(
        X=X, y=y, teachers=teachers, student=student, weighting="uniform",
        validation_fraction=0.25,
    )  # fmt: skip
    assert distiller.history_["valid_acc"].iloc[-1] > 0.5


class OneLogit(MLP):
    def forward(self, X):
        return super().forward(X).squeeze(1)


def test_preprocessing_does_not_see_the_validation_part(world):
    student = make_pipeline(StandardScaler(), make_net())
    scaler = world.distill(validation_fraction=0.5, student=student).student_[0]
    assert scaler.n_samples_seen_ == 200


def test_callbacks_of_the_user_see_the_validation_part(world, tmp_path):
    own = EarlyStopping(monitor="valid_acc", lower_is_better=False, patience=2)
    best = Checkpoint(monitor="valid_loss_best", dirname=tmp_path, f_pickle="net.pkl")
    schedule = LRScheduler("ReduceLROnPlateau", monitor="valid_loss")
    student = make_net(
        max_epochs=100, callbacks=[("stop", own), ("best", best), ("lr", schedule)]
    )
    distiller = world.distill(validation_fraction=0.25, student=student)
    names = dict(distiller.student_.callbacks_)
    assert names["stop"].misses_ == 2
    assert len(distiller.history_) < 100
    assert not any(name.startswith("sk_ekd") for name in names)
    assert pickle.loads((tmp_path / "net.pkl").read_bytes()).initialized_


def test_fitted_student_with_validation_pickles_and_trains_on(world):
    distiller = world.distill(validation_fraction=0.25)
    net = pickle.loads(pickle.dumps(distiller)).student_
    assert len(pickle.dumps(net)) < 1.5 * len(pickle.dumps(world.distill().student_))
    again = clone(net).set_params(train_split=ValidSplit(5))
    assert "valid_acc" in again.fit(world.X.astype(np.float32), world.truth).history[-1]


# --- Ensembles ----------------------------------------------------------------------


def test_bare_ensemble_stands_for_its_members(world):
    forest = RandomForestClassifier(7, max_depth=4, random_state=0)
    forest.fit(world.X, world.truth)
    members = world.distill(teachers=forest, weighting="unified")
    assert len(members.teachers_) == 7
    assert members.teachers is forest
    assert members.row_weight_[world.y < 0].std() > 0.1  # trees disagree
    alone = world.distill(teachers=[forest], weighting="unified")
    assert len(alone.teachers_) == 1
    assert_allclose(alone.row_weight_[world.y < 0], 1)
    # their mean is the forest
    for weighted in (members, alone):
        weighted.set_params(weighting="uniform").fit(world.X, world.y)
    assert_allclose(
        members.predict_proba(world.X), alone.predict_proba(world.X), atol=1e-4
    )


def test_bare_ensemble_with_its_answers_and_in_a_clone(world):
    voting = VotingClassifier(
        [("nb", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=3))]
    ).fit(world.X, world.truth)
    asked = world.distill(teachers=voting)
    assert list(asked.named_teachers_) == ["nb", "tree"]
    proba = ask_teachers(voting, world.X)
    given = clone(asked).fit(world.X, world.y, teacher_proba=proba)
    assert_array_equal(given.predict_proba(world.X), asked.predict_proba(world.X))
    assert given.teachers is voting


def test_pipeline_around_an_ensemble_is_one_teacher(world):
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(5, max_depth=3))
    distiller = world.distill(teachers=pipeline.fit(world.X, world.truth))
    assert distiller.teachers_ == [pipeline]


def test_columns_of_a_forest_must_stay_in_order(world):
    frame = pd.DataFrame(world.X, columns=list("abcdef"))
    forest = RandomForestClassifier(5, random_state=0).fit(frame, world.truth)
    with pytest.raises(ValueError, match="same order"):
        world.distill(X=frame[list("fedcba")], teachers=forest)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.distill(X=frame, teachers=forest, weighting="uniform")


# --- Looking at it ------------------------------------------------------------------


def test_html_shows_teachers_side_by_side_and_the_student_under_them(world):
    student = make_net()
    html = EnsembleDistiller(
        [("bayes", GaussianNB()), ("svm", SVC())], student
    )._repr_html_()
    parts = ["EnsembleDistiller", "bayes", "svm", "student", "NeuralNetClassifier"]
    body = html[html.index("sk-text-repr-fallback") :]
    positions = [body.index(part) for part in parts]
    assert positions[0] < min(positions[1:])
    assert html.count("sk-parallel-item") >= 3


@pytest.mark.parametrize("teachers", [None, "forest", [SVC], 3, []])
def test_html_of_what_fit_would_refuse(teachers):
    assert "EnsembleDistiller" in EnsembleDistiller(teachers)._repr_html_()


def test_html_of_many_teachers_stays_short(world):
    forest = RandomForestClassifier(40, max_depth=3).fit(world.X, world.truth)
    html = world.distill(teachers=forest)._repr_html_()
    assert html.count("sk-parallel-item") < 20
    assert "38 more" in html
    assert "DecisionTreeClassifier" in html
    assert "<pre>Member" not in html


# --- Prediction ---------------------------------------------------------------------


def test_predict_is_the_argmax_of_predict_proba(world, fitted):
    proba = fitted.predict_proba(world.X)
    assert_array_equal(fitted.predict(world.X), fitted.classes_[proba.argmax(axis=1)])
    assert_allclose(proba.sum(axis=1), 1)


def test_teachers_are_not_asked_at_prediction(world):
    class Loud(GaussianNB):
        def predict_proba(self, X):
            if Loud.silent:
                raise AssertionError("asked")
            return super().predict_proba(X)

    Loud.silent = False
    distiller = world.distill(teachers=[Loud().fit(world.X, world.truth)])
    Loud.silent = True
    distiller.predict(world.X)


def test_score_ignores_unlabeled_rows(world, fitted):
    labeled = world.y >= 0
    expected = (fitted.predict(world.X) == world.y)[labeled].mean()
    assert fitted.score(world.X, world.y) == pytest.approx(expected)
    weight = np.arange(400.0)
    weighted = np.average(
        (fitted.predict(world.X) == world.y)[labeled], weights=weight[labeled]
    )
    assert fitted.score(world.X, world.y, sample_weight=weight) == pytest.approx(
        weighted
    )


def test_score_counts_a_label_that_was_never_seen_as_wrong(world, fitted):
    assert fitted.score(world.X[:4], [7, 7, 7, 7]) == 0


def test_texts_go_to_teachers_and_student_as_they_are(world):
    texts = [
        f"{'good fine' if c else 'bad awful'} film {i}"
        for i, c in enumerate([0, 1] * 60)
    ]
    y = np.array([0, 1] * 60)
    teacher = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, y)
    student = make_pipeline(TfidfVectorizer(), make_net(max_epochs=30))
    y[10:] = -1
    distiller = world.distill(
        X=texts, y=y, teachers=[teacher], student=student, weighting="uniform"
    )
    assert_array_equal(distiller.predict(["a good film", "an awful film"]), [1, 0])
    assert not hasattr(distiller, "n_features_in_")


# --- Randomness, clones, pickles ----------------------------------------------------


def test_same_seed_same_student_to_the_bit(world, fitted):
    again = world.distill()
    assert_array_equal(again.predict_proba(world.X), fitted.predict_proba(world.X))
    other = world.distill(random_state=1)
    assert not np.allclose(other.predict_proba(world.X), fitted.predict_proba(world.X))


def test_same_seed_with_teachers_fitted_here(world):
    params = {"teachers": [RandomForestClassifier(5), SVC()], "cv": 3}
    first, again = (world.distill(**params) for _ in range(2))
    assert_array_equal(first.predict_proba(world.X), again.predict_proba(world.X))


def test_global_random_state_is_untouched(world):
    before = torch.get_rng_state()
    numpy_before = np.random.mtrand._rand.get_state()[1].copy()
    world.distill(teachers=[RandomForestClassifier(5)], cv=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert_array_equal(np.random.mtrand._rand.get_state()[1], numpy_before)


def test_pickle_answers_alike(world, fitted):
    copied = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copied.predict_proba(world.X), fitted.predict_proba(world.X))


def test_student_of_the_caller_is_never_fitted(world):
    net = make_net()
    pipeline = make_pipeline(StandardScaler(), net)
    world.distill(student=pipeline)
    assert not net.initialized_
    assert not hasattr(net, "module__in_features")
    assert net.criterion is nn.CrossEntropyLoss
    assert not hasattr(pipeline[0], "mean_")


def test_parameters_are_stored_as_they_are(world):
    net, weighting = make_net(), UnifiedWeighting()
    distiller = EnsembleDistiller(world.teachers, net, weighting=weighting)
    distiller.fit(world.X, world.y)
    assert distiller.teachers is world.teachers
    assert distiller.student is net
    assert distiller.weighting is weighting


def test_arguments_are_not_written_to(world):
    X, y, weight = world.X.copy(), world.y.copy(), np.ones(400)
    world.distill(X=X, y=y, sample_weight=weight)
    assert_array_equal(X, world.X)
    assert_array_equal(y, world.y)
    assert_array_equal(weight, 1)


# --- Once found by trying to break it -----------------------------------------------


def test_pipeline_student_answers_by_itself_on_float64(world):
    # StandardScaler returns float64, which a float32 module refuses
    distiller = world.distill(student=make_pipeline(StandardScaler(), make_net()))
    assert world.X.dtype == np.float64
    own = distiller.student_.predict_proba(world.X)
    assert_allclose(own, distiller.predict_proba(world.X), atol=1e-6)


def test_failed_fit_leaves_nothing_that_answers(world):
    distiller = world.distill()
    distiller.set_params(student=make_net(module__in_features=77))
    with pytest.raises(ValueError, match="float32 rows of shape"):
        distiller.fit(world.X, world.y)
    with pytest.raises(NotFittedError):
        distiller.predict(world.X)


def test_refit_on_texts_forgets_the_table(world):
    distiller = world.distill()
    texts, y = ["good film", "awful film"] * 20, [1, 0] * 20
    teacher = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, y)
    student = make_pipeline(TfidfVectorizer(), make_net())
    distiller.set_params(teachers=[teacher], student=student, weighting="uniform")
    distiller.fit(texts, y).predict(texts)
    assert not hasattr(distiller, "n_features_in_")


def test_small_numpy_integers_do_not_overflow(world):
    # 20 ** 2 wraps around in int8
    small = world.distill(temperature=np.int8(20)).history_["train_loss"]
    assert_array_equal(small, world.distill(temperature=20.0).history_["train_loss"])


def test_interrupted_training_is_not_taken_for_a_fit(world):
    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.distill(student=make_net(callbacks=[Interrupt()]))


def test_weighting_cannot_write_to_the_teachers_answers(world):
    def careless(rows):
        np.log(rows.proba, out=rows.proba)

    with pytest.raises(ValueError, match="read-only"):
        world.distill(weighting=careless)


def test_teacher_that_can_answer_only_once_fitted_is_a_teacher(world):
    # a StackingClassifier has no predict_proba before fit
    stacking = StackingClassifier([("nb", GaussianNB())], cv=2)
    distiller = world.distill(teachers=[stacking], cv=2)
    assert hasattr(distiller.teachers_[0], "final_estimator_")


def test_masked_labels_are_unlabeled(world, fitted):
    y = np.ma.array(np.where(world.y < 0, 0, world.y), mask=world.y < 0)
    distiller = world.distill(y=y)
    assert_array_equal(distiller.predict_proba(world.X), fitted.predict_proba(world.X))


def test_members_of_a_string_enumeration_are_their_values(world):
    kinds = Enum("Kinds", {"A": "ant", "B": "bee", "C": "cow"}, type=str)
    labels = np.array([list(kinds)[c] for c in world.truth], dtype=object)
    distiller = world.distill(y=labels, teachers=[GaussianNB()], cv=2)
    assert_array_equal(distiller.classes_, ["ant", "bee", "cow"])


def test_random_preprocessing_of_the_student_is_seeded(world):
    student = make_pipeline(GaussianRandomProjection(2), make_net())
    first, again = (world.distill(student=student) for _ in range(2))
    assert_array_equal(first.predict_proba(world.X), again.predict_proba(world.X))


def test_mask_of_a_cv_split_is_read_as_positions(world):
    half = np.arange(400) % 16 < 8
    by_mask, by_position = (
        world.distill(teachers=[GaussianNB()], cv=splits)
        for splits in (
            [(half, ~half), (~half, half)],
            [tuple(map(np.flatnonzero, s)) for s in [(half, ~half), (~half, half)]],
        )
    )
    assert_array_equal(
        by_mask.predict_proba(world.X), by_position.predict_proba(world.X)
    )


def test_search_over_a_bare_teacher_leaves_it_as_it_was(world):
    teacher = KNeighborsClassifier(5).fit(world.X, world.truth)
    distiller = EnsembleDistiller(teacher, make_net())
    assert not any(name.startswith("teachers__") for name in distiller.get_params())
    with pytest.raises(ValueError, match="would change a teacher that is fitted"):
        clone(distiller).set_params(teachers__n_neighbors=1)
    assert teacher.n_neighbors == 5


def test_rows_without_a_part_in_the_loss_are_not_held_out(world):
    # unlabeled rows have none under alpha=0: their loss of zero would stop it at once
    student = make_net(max_epochs=60, callbacks=[Watch])
    distiller = world.distill(alpha=0.0, validation_fraction=0.2, student=student)
    assert len(Watch.valid[0]) == 10  # of 50 labeled rows
    assert -1 not in np.concatenate(Watch.valid)
    assert distiller.score(world.X, world.truth) > 0.6


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


class Curious(Callback):
    """Look at the net as skorch's own callbacks do."""

    def on_batch_end(self, net, **kwargs):
        assert net.criterion is nn.CrossEntropyLoss
        net.get_params()
        clone(net)


@pytest.mark.parametrize("fraction", [None, 0.2])
def test_callbacks_may_look_at_the_net(world, fraction):
    bar = ProgressBar(detect_notebook=False)
    student = make_net(max_epochs=2, callbacks=[("look", Curious), ("bar", bar)])
    world.distill(student=student, validation_fraction=fraction)


def test_student_may_have_switched_off_its_accuracy(world):
    student = make_net(callbacks__valid_acc=None)
    distiller = world.distill(student=student, validation_fraction=0.2)
    assert "valid_acc" in distiller.history_
    assert distiller.student_.callbacks__valid_acc is None


def test_failed_refit_is_not_fitted(world):
    distiller = world.distill()
    with pytest.raises(ValueError, match="inconsistent"):
        distiller.fit(world.X, world.y[:-1])
    with pytest.raises(NotFittedError):
        check_is_fitted(distiller)


def test_balance_of_no_labels_is_none(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.distill(y=np.full(400, -1), class_weight="balanced")


def test_html_of_a_student_that_is_a_class():
    assert (
        "EnsembleDistiller"
        in EnsembleDistiller([GaussianNB()], NeuralNetClassifier)._repr_html_()
    )


# --- Warnings -----------------------------------------------------------------------


def test_honest_fit_does_not_warn(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.distill()
        world.distill(teachers=[RandomForestClassifier(10)], cv=3)


def test_teachers_perfect_on_labeled_rows_are_told_once_with_the_number(world):
    forest = RandomForestClassifier(random_state=0).fit(world.X, world.truth)
    with pytest.warns(UserWarning, match=r"right on 100\.0% of the labeled") as caught:
        distiller = world.distill(teachers=[forest])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert distiller.teacher_accuracy_.tolist() == [1.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.distill(teachers=[forest], weighting="uniform")
        world.distill(teachers=[forest], weighting=uniform)
        world.distill(teachers=[forest], alpha=0)


def test_teacher_whose_labels_are_shifted_is_told(world):
    shifted = GaussianNB().fit(world.X, (world.truth + 1) % 3)
    with pytest.warns(UserWarning, match=r"'gaussiannb': 0\..* encoded like those"):
        world.distill(teachers=[shifted])


# --- Pooling ------------------------------------------------------------------------


def test_calibrated_pool_is_fitted_to_the_labeled_answers(world):
    known = world.y >= 0
    answers = ask_teachers(world.teachers, world.X)
    expected = CalibratedPool().fit(answers[known], world.y[known])
    distiller = world.distill(pooling="calibrated")
    assert_array_equal(distiller.pool_.weight_, expected.weight_)
    assert_array_equal(distiller.pool_.temperature_, expected.temperature_)


def test_calibrated_pool_is_fitted_out_of_fold(world):
    unfitted = [clone(teacher) for teacher in world.teachers]
    known, how = world.y >= 0, {"cv": 3, "random_state": 0}
    answers = ask_teachers(unfitted, world.X, world.y, **how)
    expected = CalibratedPool().fit(answers[known], world.y[known])
    distiller = world.distill(teachers=unfitted, pooling="calibrated", cv=3)
    assert_array_equal(distiller.pool_.weight_, expected.weight_)


@pytest.mark.parametrize("cv", ["prefit", 3])
def test_given_answers_are_pooled_like_asked_ones(world, cv):
    teachers = world.teachers if cv == "prefit" else list(map(clone, world.teachers))
    options = {"pooling": "calibrated", "cv": cv, "teachers": teachers}
    asked = world.distill(**options)
    answers = ask_teachers(teachers, world.X, world.y, cv=cv, random_state=0)
    given = EnsembleDistiller(student=make_net(), random_state=0, **options)
    given.fit(world.X, world.y, teacher_proba=answers)
    assert_array_equal(given.predict_proba(world.X), asked.predict_proba(world.X))


@pytest.fixture
def kept(monkeypatch):
    """Keep what the students are given to learn from."""
    rows = []
    fit_student = _distiller.fit_student

    def keep(student, train, *args, **kwargs):
        rows.append(train)
        return fit_student(student, train, *args, **kwargs)

    monkeypatch.setattr(_distiller, "fit_student", keep)
    return rows


def test_targets_are_the_pool_and_rows_weigh_as_before(world, kept):
    distiller = world.distill(pooling="calibrated", weighting="uniform")
    answers = ask_teachers(world.teachers, world.X)
    assert_allclose(kept[0][1].mix, distiller.pool_.predict_proba(answers), atol=1e-6)
    assert_allclose(distiller.row_weight_, 1)
    assert_allclose(distiller.teacher_weight_.sum(axis=1), 1)
    world.distill(pooling="calibrated")
    plain = world.distill()
    answers = Rows(world.X, world.y, distiller.pool_.transform(answers))
    weight = UnifiedWeighting()(answers)[world.y >= 0].sum(axis=1)
    assert_allclose(kept[1][1].mix_weight[world.y >= 0], weight)
    assert isinstance(plain.pool_, MeanPool)


def test_pool_with_an_infinite_pull_is_the_mean(world):
    pooled = world.distill(pooling=CalibratedPool(ridge=1e12))
    assert_allclose(
        pooled.predict_proba(world.X), world.distill().predict_proba(world.X), atol=1e-4
    )


def test_default_calibrates_answers_out_of_fold_only(world):
    unfitted = [clone(teacher) for teacher in world.teachers]
    frozen = FrozenEstimator(world.teachers[0])
    assert isinstance(world.distill(teachers=unfitted, cv=3).pool_, CalibratedPool)
    assert isinstance(world.distill().pool_, MeanPool)
    mixed = world.distill(teachers=[frozen, *unfitted], cv=3)
    assert isinstance(mixed.pool_, MeanPool)


def test_folds_that_lack_a_class_leave_the_default_pool_at_the_mean(world):
    # else labels that no fold has seen drive the temperatures to their bound
    first = [np.flatnonzero(world.truth == c)[:20] for c in range(3)]  # a fold each
    labeled = np.concatenate(first)
    order = np.concatenate([labeled, np.setdiff1d(np.arange(400), labeled)])
    X, y = world.X[order], np.where(np.arange(400) < 60, world.truth[order], -1)
    teachers = [GaussianNB(), DecisionTreeClassifier(random_state=0)]
    with pytest.warns(UserWarning, match=r"no teacher .* class.*stratified"):
        found = world.distill(X=X, y=y, teachers=teachers, cv=KFold(3))
    assert isinstance(found.pool_, MeanPool)
    with pytest.warns(UserWarning, match=r"no teacher .* class.*stratified"):
        forced = world.distill(
            X=X, y=y, teachers=teachers, cv=KFold(3), pooling="calibrated"
        )
    assert isinstance(forced.pool_, CalibratedPool)


def test_one_class_that_no_fold_has_seen_among_many_rows_does_not_matter(world):
    y = np.where(world.truth == 2, -1, world.truth)
    y[np.flatnonzero(world.truth == 2)[0]] = 2  # one row of more than two hundred
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        found = world.distill(y=y, teachers=[GaussianNB()], cv=3)
    assert isinstance(found.pool_, CalibratedPool)


@pytest.mark.parametrize(
    "wrap",
    [
        make_pipeline,
        lambda frozen: VotingClassifier([("frozen", frozen)], voting="soft"),
        lambda frozen: make_pipeline(StandardScaler(), make_pipeline(frozen)),
    ],
)
def test_frozen_teacher_in_another_is_not_taken_for_honest(world, wrap):
    seen = DecisionTreeClassifier(random_state=0).fit(world.X, world.truth)
    teachers = [wrap(FrozenEstimator(seen)), GaussianNB()]
    assert isinstance(world.distill(teachers=teachers, cv=3).pool_, MeanPool)


def test_frozen_scaler_does_not_matter(world):
    scaler = FrozenEstimator(StandardScaler().fit(world.X))
    found = world.distill(teachers=[make_pipeline(scaler, GaussianNB())], cv=3)
    assert isinstance(found.pool_, CalibratedPool)


@pytest.mark.parametrize("named", [True, False])
def test_given_answers_that_are_all_but_perfect_are_warned_of(world, named):
    tree = DecisionTreeClassifier(random_state=0)
    answers = ask_teachers([clone(tree).fit(world.X, world.truth)], world.X)
    distiller = EnsembleDistiller([tree] if named else None, make_net(), cv=3)
    with pytest.warns(UserWarning, match=r"pool was fitted.*: 1\.0"):
        distiller.fit(world.X, world.y, teacher_proba=answers)


@pytest.mark.parametrize("cv", ["prefit", 3])
def test_default_pool_without_labels_is_the_mean(world, cv):
    answers = ask_teachers(world.teachers, world.X)
    distiller = EnsembleDistiller(None, make_net(), cv=cv, classes=[0, 1, 2])
    distiller.fit(world.X, np.full(len(world.X), -1), teacher_proba=answers)
    assert isinstance(distiller.pool_, MeanPool)


def test_parameters_of_the_pool_are_those_of_the_distiller(world):
    distiller = EnsembleDistiller(world.teachers, pooling=CalibratedPool())
    assert clone(distiller.set_params(pooling__ridge=3.0)).pooling.ridge == 3.0


def test_calibrated_pool_without_labels_is_an_error(world):
    with pytest.raises(ValueError, match="needs labeled rows"):
        world.distill(y=np.full(len(world.y), -1), pooling="calibrated")


def test_pool_on_rows_that_a_teacher_has_seen_is_warned_of(world):
    teachers = [*world.teachers, DecisionTreeClassifier(random_state=0)]
    teachers[-1].fit(world.X, world.truth)
    with pytest.warns(UserWarning, match=r"'decisiontreeclassifier': 1.0.* no teacher"):
        world.distill(teachers=teachers, pooling="calibrated")


def test_pool_on_rows_that_a_frozen_teacher_has_seen_is_warned_of(world):
    seen = DecisionTreeClassifier(random_state=0).fit(world.X, world.truth)
    teachers = [FrozenEstimator(seen), GaussianNB()]
    with pytest.warns(UserWarning, match=r"'frozenestimator': 1.0"):
        world.distill(teachers=teachers, cv=3, pooling="calibrated")


def test_class_of_a_pool_is_an_error(world):
    with pytest.raises(TypeError, match=r"write CalibratedPool\(\)"):
        world.distill(pooling=CalibratedPool)


def test_rows_without_weight_that_come_back_have_the_target_of_the_pool(world, kept):
    nothing = UnifiedWeighting(unlabeled=lambda proba: np.zeros(len(proba)))
    distiller = world.distill(pooling="calibrated", weighting=nothing)
    unlabeled = world.y < 0
    assert_allclose(distiller.row_weight_[unlabeled], 1)
    answers = ask_teachers(world.teachers, world.X)
    expected = distiller.pool_.predict_proba(answers)[unlabeled]
    assert_allclose(kept[0][1].mix[unlabeled], expected, atol=1e-6)


def test_later_chunks_have_the_pool_of_the_first(world):
    distiller = EnsembleDistiller(world.teachers, make_net(), pooling="calibrated")
    distiller.partial_fit(world.X[:200], world.y[:200])
    pool = distiller.pool_
    distiller.partial_fit(world.X[200:], np.full(200, -1))
    assert distiller.pool_ is pool
