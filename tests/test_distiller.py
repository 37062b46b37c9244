"""The estimator's contract, end to end."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNetBinaryClassifier
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, LRScheduler
from skorch.dataset import ValidSplit

from sk_ekd import _distiller, ask_teachers
from sk_ekd.students import default_student
from sk_ekd.students._packed import unpack
from sk_ekd.teachers._predict import stack_proba
from sk_ekd.weighting import Rows, UnifiedWeighting, disagreement, uniform
from tests.errors import check_errors, check_warnings
from tests.worlds import OneLogit, make_distiller, make_net, stub, with_value

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


# --- Synthetic rows -----------------------------------------------------------------


class Recorded(GaussianNB):
    """A teacher that keeps the rows that it was fitted to, and asked about."""

    fitted, asked = [], []

    def fit(self, X, y):
        Recorded.fitted.append(X)
        return super().fit(X, y)

    def predict_proba(self, X):
        Recorded.asked.append(X)
        return super().predict_proba(X)


@pytest.fixture
def recorded():
    Recorded.fitted.clear()
    Recorded.asked.clear()
    return Recorded


def make_quick(small, **params):
    """Return a distiller whose "auto" makes synthetic rows of labeled ones."""
    how = {"teachers": [GaussianNB()], "cv": 3, "student": None, "synthetic": "auto"}
    return small.distiller(**how | params)


@pytest.fixture
def brief(monkeypatch):
    """Let the built-in student train for one epoch."""

    def make(X, **params):
        return default_student(X, **params).set_params(net__max_epochs=1)

    monkeypatch.setattr(_distiller, "default_student", make)


def test_automatic_synthetic_rows_are_made_of_labeled_ones(small, brief):
    auto = make_quick(small).fit(small.X, small.y)
    assert auto.synthetic_ == 5
    five = make_quick(small, synthetic=5).fit(small.X, small.y)
    assert_array_equal(auto.predict_proba(small.X), five.predict_proba(small.X))
    assert make_quick(small).fit(small.X, small.partly).synthetic_ == 0


@pytest.mark.parametrize(
    "params",
    [
        {"synthetic": 0},
        {"alpha": 0},
        {"student": make_net()},
        {"teachers": [FrozenEstimator(GaussianNB().fit([[0] * 4, [1] * 4], [0, 1]))]},
    ],
    ids=["none wanted", "labels only", "another student", "a teacher of the caller's"],
)
def test_automatic_synthetic_rows_are_not_made_for(small, brief, params):
    assert make_quick(small, **params).fit(small.X, small.y).synthetic_ == 0


def test_automatic_synthetic_rows_ask_no_teacher_but_those_fitted_here(small, brief):
    teacher = GaussianNB().fit(small.X[:20], small.y[:20])
    proba = ask_teachers([teacher], small.X)
    given = make_quick(small).fit(small.X, small.y, teacher_proba=proba)
    fitted = make_quick(small, teachers=[teacher], cv="prefit").fit(small.X, small.y)
    chunk = make_quick(small).partial_fit(small.X, small.y)
    assert given.synthetic_ == fitted.synthetic_ == chunk.synthetic_ == 0


def test_automatic_synthetic_rows_are_for_tables_of_some_size(
    small, brief, monkeypatch
):
    monkeypatch.setattr("sk_ekd._synthetic.LARGEST", 59)
    assert make_quick(small).fit(small.X, small.y).synthetic_ == 0


def test_automatic_synthetic_rows_are_left_out_where_they_cannot_be_made(small, brief):
    teachers = [LogisticRegression()]
    found = make_quick(small, teachers=teachers).fit(csr_matrix(small.X), small.y)
    assert found.synthetic_ == 0


def test_synthetic_rows_train_by_the_seed(world, fitted):
    once, again, other = (
        world.distill(synthetic=2, random_state=seed).predict_proba(world.X)
        for seed in (0, 0, 1)
    )
    assert_array_equal(once, again)
    assert not np.allclose(once, other)
    assert not np.allclose(once, fitted.predict_proba(world.X))


def test_synthetic_rows_leave_teachers_and_fitted_attributes_as_they_are(world):
    params = {"teachers": [GaussianNB(), LogisticRegression()], "cv": 3}
    plain = world.distill(**params, weighting="unified")
    more = world.distill(**params, weighting="unified", synthetic=2)
    assert_array_equal(plain.teachers_[0].theta_, more.teachers_[0].theta_)
    assert_array_equal(plain.pool_.weight_, more.pool_.weight_)
    assert_array_equal(plain.teacher_accuracy_, more.teacher_accuracy_)
    assert_array_equal(plain.teacher_weight_, more.teacher_weight_)
    assert_array_equal(plain.teacher_weight_.index, more.teacher_weight_.index)
    labeled = world.y >= 0
    assert more.row_weight_.shape == (400,)
    assert_array_equal(plain.row_weight_[labeled], more.row_weight_[labeled])
    # of unlabeled rows, of which there are more, the mean is one
    before, after = plain.row_weight_[~labeled], more.row_weight_[~labeled]
    assert_allclose(after, before * after.sum() / before.sum())
    assert before.sum() != after.sum()


def test_no_teacher_is_fitted_to_synthetic_rows(world, recorded):
    world.distill(teachers=[recorded()], cv=2, synthetic=3)
    few = {tuple(row) for row in world.X[world.y >= 0]}
    assert sum(map(len, recorded.fitted)) == 50 + 50
    assert all({*map(tuple, X)} <= few for X in recorded.fitted)
    assert sum(map(len, recorded.asked)) == 400 + 3 * 400


def test_weighting_sees_synthetic_rows_as_unlabeled_ones(world):
    seen = []

    def weighting(rows):
        seen.append(rows)
        return np.ones(rows.proba.shape[:2])

    world.distill(weighting=weighting, synthetic=2)
    real, synthetic = seen
    assert_array_equal(real.X, world.X)
    assert_array_equal(real.y, world.y)
    assert synthetic.X.shape == (800, 6)
    assert (synthetic.y == -1).all()


def test_given_predictions_are_for_real_rows_and_others_are_asked(
    world, fitted, recorded
):
    teachers = [recorded().fit(world.X[::2], world.truth[::2]), *world.teachers]
    proba = stack_proba(
        dict(zip("abcd", teachers, strict=True)), world.X, fitted.classes_
    )
    asked = world.distill(teachers=teachers, synthetic=2)
    recorded.asked.clear()
    given = make_distiller(teachers, synthetic=2)
    given.fit(world.X, world.y, teacher_proba=proba)
    assert sum(map(len, recorded.asked)) == 800
    assert_array_equal(given.predict_proba(world.X), asked.predict_proba(world.X))


def test_teacher_that_predicts_synthetic_rows_only_is_an_error(world):
    named = dict(zip("abc", world.teachers, strict=True))
    proba = stack_proba(named, world.X, np.arange(3))
    proba[:, 1] = np.nan
    distiller = make_distiller(world.teachers, synthetic=1)
    with pytest.raises(ValueError, match="predict none of the rows"):
        distiller.fit(world.X, world.y, teacher_proba=proba)


def test_teachers_see_synthetic_rows_as_the_table_of_the_fit(small):
    seen = []

    def predict(X):
        seen.append(X)
        return np.zeros(len(X), dtype=int)

    frame = small.frame.assign(
        flag=pd.array(small.y > 0, dtype="boolean"), word=pd.Categorical(small.words)
    ).set_axis(range(100, 160))
    pipeline = make_pipeline(
        ColumnTransformer([("scale", StandardScaler(), ["age"])]), GaussianNB()
    ).fit(frame, small.y)
    student = default_student(frame).set_params(net__max_epochs=1)
    teachers = [stub(predict=predict), pipeline]
    small.fit(X=frame, teachers=teachers, synthetic=2, student=student)
    assert [len(X) for X in seen] == [60, 120]
    for X in seen:
        assert list(X) == list(frame)
        assert_array_equal(X.dtypes, frame.dtypes)
        assert X.index.is_unique
    pd.testing.assert_frame_equal(seen[0], frame)


def test_polars_frame_has_synthetic_rows(small):
    seen = []

    def predict(X):
        seen.append(type(X))
        return np.zeros(len(X), dtype=int)

    frame = polars.DataFrame({name: small.frame[name].tolist() for name in small.frame})
    student = default_student(frame).set_params(net__max_epochs=1)
    teachers = [stub(predict=predict)]
    small.fit(X=frame, teachers=teachers, synthetic=1, student=student).predict(frame)
    assert seen == [polars.DataFrame] * 2


class CountRows(Callback):
    """Count the rows of each epoch, and the labeled ones among them."""

    rows, labeled = [], []

    def on_epoch_begin(self, net, **kwargs):
        CountRows.rows.append(0)
        CountRows.labeled.append(0)

    def on_batch_begin(self, net, batch, training, **kwargs):
        if training:
            CountRows.rows[-1] += len(batch[0])
            CountRows.labeled[-1] += int(unpack(batch[1], 3).labeled.sum())


def test_student_of_the_users_trains_its_epochs_over_all_rows(world):
    CountRows.rows, CountRows.labeled = [], []
    student = make_net(callbacks=[CountRows], max_epochs=3)
    world.distill(student=student, synthetic=2)
    assert CountRows.rows == [1200] * 3
    assert CountRows.labeled == [50] * 3


def test_built_in_student_is_chosen_by_real_rows_and_their_copies(small, monkeypatch):
    chosen = []

    def choose(X, **how):
        chosen.append((X, how["synthetic"]))
        return default_student(X, **how).set_params(net__max_epochs=1)

    monkeypatch.setattr(_distiller, "default_student", choose)
    small.fit(student=None, synthetic=5)
    small.distiller(student=None, synthetic=2).partial_fit(small.X, small.partly)
    assert [(X.shape, times) for X, times in chosen] == [((60, 4), 5), ((60, 4), 2)]


def test_no_row_that_is_held_out_has_a_part_in_what_trains(world):
    kept = []

    class Keep(StandardScaler):
        def fit(self, X, y=None, sample_weight=None):
            kept.append(X)
            return super().fit(X, y)

        def transform(self, X):
            kept.append(X)
            return super().transform(X)

    X = np.arange(400 * 3).reshape(400, 3) % 397 + draw_jitter((400, 3))
    student = make_pipeline(Keep(), make_net(max_epochs=1))
    world.distill(
        X=X, student=student, synthetic=3, validation_fraction=0.25,
        teachers=[stub(predict=lambda X: np.zeros(len(X), dtype=int))],
    )  # fmt: skip
    train, _, valid = kept
    assert len(valid) == 100
    assert {*map(tuple, valid)} <= {*map(tuple, X)}
    assert 300 < len(train) < 300 + 3 * 300
    assert not np.isin(train, valid).any()


def draw_jitter(shape):
    return np.random.RandomState(0).rand(*shape)


def test_synthetic_rows_weigh_what_their_rows_weigh(world):
    weight = np.where(np.arange(400) % 2, 0, 7.0)
    weighted = world.distill(sample_weight=weight, synthetic=2)
    part = slice(None, None, 2)
    alone = world.distill(X=world.X[part], y=world.y[part], synthetic=2)
    assert_allclose(
        weighted.predict_proba(world.X), alone.predict_proba(world.X), atol=1e-6
    )


def test_search_over_synthetic_rows(world):
    distiller = make_distiller(world.teachers, make_net(max_epochs=2))
    assert clone(distiller.set_params(synthetic=3)).synthetic == 3
    search = GridSearchCV(distiller, {"synthetic": [0, 1]}, cv=2)
    search.fit(world.X, world.truth)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_line_says_how_many_synthetic_rows_there_are(small, capsys):
    small.fit(synthetic=2, verbose=1)
    assert "0.0 s   120 synthetic rows\n" in capsys.readouterr().out


test_synthetic_rows_that_cannot_be_had_are_an_error = check_errors(
    {
        "a negative number": (
            lambda w: w.fit(synthetic=-1),
            InvalidParameterError,
            "'synthetic' parameter of EnsembleDistiller must be an int",
            "Got -1",
        ),
        "a fraction": (
            lambda w: w.fit(synthetic=0.5),
            InvalidParameterError,
            "'synthetic' parameter of EnsembleDistiller must be an int",
            "Got 0.5",
        ),
        "no teachers": (
            lambda w: w.fit(
                teachers=None, synthetic=1, teacher_proba=np.full((60, 1, 3), 1 / 3)
            ),
            ValueError,
            "with `teacher_proba` and teachers=None none of them is fitted",
            "or set synthetic=0",
        ),
        "teachers that are not fitted": (
            lambda w: w.fit_unfitted(
                synthetic=1, teacher_proba=np.full((60, 2, 3), 1 / 3)
            ),
            ValueError,
            "with `teacher_proba` and cv=3 none of them is fitted",
            "pass fitted teachers and cv='prefit', leave `teacher_proba` out",
        ),
        "a sparse matrix": (
            lambda w: w.fit(X=csr_matrix(w.X), synthetic=1),
            ValueError,
            "got a sparse one",
            "set synthetic=0",
        ),
        "texts": (
            lambda w: w.fit_stub(
                X=[*map(str, w.words)],
                student=make_pipeline(TfidfVectorizer(), make_net()),
                synthetic=1,
            ),
            ValueError,
            "got list of shape (60,): texts and images have no columns",
            "Set synthetic=0",
        ),
        "images": (
            lambda w: w.fit_stub(X=w.X.reshape(60, 2, 2), synthetic=1),
            ValueError,
            "got ndarray of shape (60, 2, 2)",
            "Set synthetic=0",
        ),
    }
)


# --- A validation part --------------------------------------------------------------


class Watch(Callback):
    """Keep the y of the rows that train, and of those that validate."""

    train, valid = set(), set()

    def on_train_begin(self, net, **kwargs):
        Watch.train, Watch.valid = [], []

    def on_batch_begin(self, net, batch, training, **kwargs):
        targets = unpack(batch[1], 3)
        y = np.where(targets.labeled, targets.y.argmax(dim=1), -1)
        (Watch.train if training else Watch.valid).append(y)


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
        student = make_net(OneLogit, NeuralNetBinaryClassifier, max_epochs=12)
    if kind == "pipeline":
        student = make_pipeline(StandardScaler(), student)
    if kind == "sparse":
        X, teachers = csr_matrix(X), [SVC().fit(csr_matrix(X), world.truth)]
    distiller = world.distill(
        X=X, y=y, teachers=teachers, student=student, weighting="uniform",
        validation_fraction=0.25,
    )  # fmt: skip
    assert distiller.history_["valid_acc"].iloc[-1] > 0.5


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


# --- Randomness, clones, pickles ----------------------------------------------------


def test_same_seed_same_student_to_the_bit(world, fitted):
    again = world.distill()
    assert_array_equal(again.predict_proba(world.X), fitted.predict_proba(world.X))
    other = world.distill(random_state=1)
    assert not np.allclose(other.predict_proba(world.X), fitted.predict_proba(world.X))


def test_global_random_state_is_untouched(world):
    before = torch.get_rng_state()
    numpy_before = np.random.mtrand._rand.get_state()[1].copy()
    world.distill(teachers=[RandomForestClassifier(5)], cv=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert_array_equal(np.random.mtrand._rand.get_state()[1], numpy_before)


def test_pickle_answers_alike(world, fitted):
    copied = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copied.predict_proba(world.X), fitted.predict_proba(world.X))


def test_arguments_are_not_written_to(world):
    X, y, weight = world.X.copy(), world.y.copy(), np.ones(400)
    world.distill(X=X, y=y, sample_weight=weight)
    assert_array_equal(X, world.X)
    assert_array_equal(y, world.y)
    assert_array_equal(weight, 1)


# --- Once found by trying to break it -----------------------------------------------


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


def test_rows_without_a_part_in_the_loss_are_not_held_out(world):
    # unlabeled rows have none under alpha=0: their loss of zero would stop it at once
    student = make_net(max_epochs=60, callbacks=[Watch])
    distiller = world.distill(alpha=0.0, validation_fraction=0.2, student=student)
    assert len(Watch.valid[0]) == 10  # of 50 labeled rows
    assert -1 not in np.concatenate(Watch.valid)
    assert distiller.score(world.X, world.truth) > 0.6


def test_failed_refit_is_not_fitted(world):
    distiller = world.distill()
    with pytest.raises(ValueError, match="inconsistent"):
        distiller.fit(world.X, world.y[:-1])
    with pytest.raises(NotFittedError):
        check_is_fitted(distiller)


# --- Warnings -----------------------------------------------------------------------


def test_honest_fit_does_not_warn(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.distill()
        world.distill(teachers=[RandomForestClassifier(10)], cv=3)


def test_teachers_perfect_on_labeled_rows_are_told_once_with_the_number(world):
    forest = RandomForestClassifier(random_state=0).fit(world.X, world.truth)
    with pytest.warns(UserWarning, match=r"right .*: 1\.0.* fitted on") as caught:
        distiller = make_distiller([forest]).fit(world.X, world.y)
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


# --- Errors and warnings ------------------------------------------------------------


def firsts(world):
    """Label the first row of each class only."""
    y = np.full(60, -1)
    first = np.unique(world.y, return_index=True)[1]
    y[first] = world.y[first]
    return y


test_parameter_out_of_its_range_is_an_error = check_errors(
    {
        "alpha above 1": (
            lambda w: w.fit(alpha=1.5),
            InvalidParameterError,
            "'alpha' parameter of EnsembleDistiller",
            "in the range [0.0, 1.0]. Got 1.5",
        ),
        "alpha below 0": (
            lambda w: w.fit(alpha=-0.1),
            InvalidParameterError,
            "'alpha' parameter of EnsembleDistiller",
            "in the range [0.0, 1.0]. Got -0.1",
        ),
        "alpha text": (
            lambda w: w.fit(alpha="half"),
            InvalidParameterError,
            "'alpha' parameter of EnsembleDistiller must be a float",
            "Got 'half'",
        ),
        "alpha NaN": (
            lambda w: w.fit(alpha=np.nan),
            InvalidParameterError,
            "'alpha' parameter of EnsembleDistiller",
            "in the range [0.0, 1.0]. Got nan",
        ),
        "temperature 0": (
            lambda w: w.fit(temperature=0),
            InvalidParameterError,
            "'temperature' parameter of EnsembleDistiller",
            "in the range [0.001, 1000.0]. Got 0 instead",
        ),
        "temperature negative": (
            lambda w: w.fit(temperature=-2.0),
            InvalidParameterError,
            "'temperature' parameter of EnsembleDistiller",
            "in the range [0.001, 1000.0]. Got -2.0",
        ),
        "temperature infinite": (
            lambda w: w.fit(temperature=np.inf),
            InvalidParameterError,
            "'temperature' parameter of EnsembleDistiller",
            "in the range [0.001, 1000.0]. Got inf",
        ),
        "random_state text": (
            lambda w: w.fit(random_state="seed"),
            InvalidParameterError,
            "'random_state' parameter of EnsembleDistiller must be",
            "Got 'seed'",
        ),
        "n_jobs text": (
            lambda w: w.fit(n_jobs="all"),
            InvalidParameterError,
            "'n_jobs' parameter of EnsembleDistiller must be",
            "Got 'all'",
        ),
        "alpha 0 without labels": (
            lambda w: w.fit(alpha=0, y=w.unlabeled),
            ValueError,
            "alpha=0 learns from labels only, but y has no labeled row",
            "raise `alpha`",
        ),
        "alpha 1 without weights": (
            lambda w: w.fit(weighting=lambda rows: 0 * rows.proba[:, :, 0], alpha=1),
            ValueError,
            "alpha=1 learns from the teachers only, but the weighting gives every",
            "row a weight of zero: lower `alpha`",
        ),
        "neither labels nor weights": (
            lambda w: w.fit(
                weighting=lambda rows: 0 * rows.proba[:, :, 0], y=w.unlabeled
            ),
            ValueError,
            "y has no labeled row, but the weighting gives every row a weight of zero",
            "change `weighting`",
        ),
    }
)


test_what_cannot_be_predicted_or_scored_is_an_error = check_errors(
    {
        "predict before fit": (
            lambda w: w.distiller().predict(w.X),
            NotFittedError,
            "EnsembleDistiller instance is not fitted yet",
            "Call 'fit'",
        ),
        "predict_proba before fit": (
            lambda w: w.distiller().predict_proba(w.X),
            NotFittedError,
            "EnsembleDistiller instance is not fitted yet",
            "Call 'fit'",
        ),
        "score before fit": (
            lambda w: w.distiller().score(w.X, w.y),
            NotFittedError,
            "EnsembleDistiller instance is not fitted yet",
            "Call 'fit'",
        ),
        "column missing": (
            lambda w: w.fitted_to_frame.predict(w.frame.drop(columns="age")),
            ValueError,
            "- age",
            "seen at fit time, yet now missing",
        ),
        "column too many": (
            lambda w: w.fitted_to_frame.predict(w.frame.assign(color="red")),
            ValueError,
            "- color",
            "names unseen at fit time",
        ),
        "columns in another order": (
            lambda w: w.fitted_to_frame.predict(w.frame[w.frame.columns[::-1]]),
            ValueError,
            "Feature names",
            "must be in the same order as they were in fit",
        ),
        "array of another width": (
            lambda w: w.fitted.predict(w.X[:, :3]),
            ValueError,
            "X has 3 features",
            "EnsembleDistiller is expecting 4 features",
        ),
        "one row as a vector": (
            lambda w: w.fitted.predict(w.X[0]),
            ValueError,
            "Expected a 2D array of rows, got an array of shape (4,)",
            "Reshape your data",
        ),
        "NaN that fit has not seen": (
            lambda w: w.fitted.predict(with_value(w.X, np.nan)),
            ValueError,
            "X contains NaN for dtype('float32'), which the student's net cannot take",
            "make_pipeline(SimpleImputer(), net)",
        ),
        "no rows to predict": (
            lambda w: w.fitted.predict(w.X[:0]),
            ValueError,
            "0 sample(s)",
            "minimum of 1 is required",
        ),
        "nothing to score": (
            lambda w: w.fitted.score(w.X, w.unlabeled),
            ValueError,
            "y has no labeled row to score",
            "every label is unknown",
        ),
        "score too few labels": (
            lambda w: w.fitted.score(w.X, w.y[:-1]),
            ValueError,
            "inconsistent numbers of samples",
            "[60, 59]",
        ),
        "score labels of another kind": (
            lambda w: w.fitted.score(w.X, w.words),
            ValueError,
            "got ['no', 'perhaps', 'yes'] and [0, 1, 2]",
            "all numbers or all strings",
        ),
    }
)


test_validation_part_of_no_row_is_an_error = check_errors(
    {
        "all rows": (
            lambda w: w.fit(validation_fraction=1.0),
            InvalidParameterError,
            "'validation_fraction' parameter of EnsembleDistiller",
            "in the range (0.0, 1.0) or None. Got 1.0",
        ),
        "a percentage": (
            lambda w: w.fit(validation_fraction=20),
            InvalidParameterError,
            "Got 20",
            "'validation_fraction' parameter of EnsembleDistiller must be a float",
        ),
        "less than a row": (
            lambda w: w.fit(validation_fraction=0.001),
            ValueError,
            "validation_fraction=0.001 holds out none of the 60 rows",
            "of which 4, the first of each label, train: raise it",
        ),
        "nothing but the first row of each class": (
            lambda w: w.fit(
                y=firsts(w), alpha=0.0, weighting="uniform", validation_fraction=0.9
            ),
            ValueError,
            "holds out none of the 3 rows",
            "of which 3, the first of each label, train: raise it, label more rows",
        ),
    }
)


test_warning_of_the_fit_names_the_cure = check_warnings(
    {
        "teachers have seen the rows": (
            lambda w: w.fit(teachers=[DecisionTreeClassifier().fit(w.X, w.y)]),
            UserWarning,
            "right on the labeled rows, {'decisiontreeclassifier': 1.0",
            "unfitted teachers and cv=5",
        ),
        "array for a frame": (
            lambda w: w.fit(X=w.frame, teachers=[stub()]).predict(w.X),
            UserWarning,
            "X does not have valid feature names",
            "EnsembleDistiller was fitted with feature names",
        ),
    }
)


def test_good_input_neither_raises_nor_warns(small):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small.fit()
        small.fit_unfitted()
        small.fit_stub(X=small.X)


@pytest.mark.parametrize("weight", [1e307, 1e39])
def test_weight_that_the_loss_cannot_hold_is_an_error(world, weight):
    sample_weight = np.full(len(world.y), weight)
    with pytest.raises(ValueError, match=r"must be at most 3.4e\+38.*mean of one"):
        world.distill(sample_weight=sample_weight)
    with pytest.raises(ValueError, match=r"must be at most 3.4e\+38.*mean of one"):
        world.distill(class_weight={0: weight})


def test_large_weights_are_scaled(world):
    weights = [np.full(len(world.y), weight) for weight in (1, 2.0**100)]
    one, large = (world.distill(sample_weight=weight) for weight in weights)
    assert_array_equal(one.predict_proba(world.X), large.predict_proba(world.X))


@pytest.mark.parametrize("temperature", [1e-4, 1e4, 0, np.inf])
def test_temperature_has_bounds(world, temperature):
    with pytest.raises(ValueError, match=r"'temperature'.*\[0.001, 1000.0\]"):
        world.distill(temperature=temperature)
