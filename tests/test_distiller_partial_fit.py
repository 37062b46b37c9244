"""Rows that come chunk by chunk, and rows that stay on disk."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix, issparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skorch.callbacks import Callback
from torch import nn

from sk_ekd import EnsembleDistiller, UnifiedWeighting, ask_teachers
from sk_ekd.students import _predict as _student
from sk_ekd.students._epoch import MemoryRows
from tests.worlds import Normed, make_distiller, make_net

N, BATCH = 384, 32
X, TRUTH = make_classification(
    2 * N, n_features=6, n_informative=5, n_redundant=0, n_classes=3, random_state=0
)
X, X_TEACHERS = X[:N].astype(np.float32), X[N:]
TRUTH, Y_TEACHERS = TRUTH[:N], TRUTH[N:]
Y = np.where(np.arange(N) % 4, -1, TRUTH)
TEACHERS = [
    LogisticRegression().fit(X_TEACHERS, Y_TEACHERS),
    GaussianNB().fit(X_TEACHERS, Y_TEACHERS),
]
CHUNKS = [slice(0, 128), slice(128, 224), slice(224, 384)]  # whole batches


def batch_net(**params):
    """Return a net that makes the same step wherever a whole batch stands."""
    defaults = {"module__dropout": 0.0, "batch_size": BATCH, "max_epochs": 1}
    return make_net(**{**defaults, **params})


def make_chunkwise(*, teachers=TEACHERS, student=None, **params):
    return make_distiller(teachers, student or batch_net(), **params)


def train(distiller, X=X, y=Y, *, chunks=CHUNKS, **fit_params):
    for chunk in chunks:
        taken = {name: value[chunk] for name, value in fit_params.items()}
        distiller.partial_fit(X[chunk], y[chunk], classes=[0, 1, 2], **taken)
    return distiller


# --- What it equals -----------------------------------------------------------------


@pytest.mark.parametrize(
    "student", [batch_net(), make_pipeline(StandardScaler(), batch_net())]
)
@pytest.mark.parametrize("cv", ["prefit", 3])
@pytest.mark.parametrize("synthetic", [0, 2])
def test_one_chunk_is_a_fit_of_one_epoch(student, cv, synthetic):
    params = {"student": student, "cv": cv, "synthetic": synthetic}
    fitted = make_chunkwise(**params).fit(X, Y)
    chunked = make_chunkwise(**params).partial_fit(X, Y)
    assert_array_equal(chunked.predict_proba(X), fitted.predict_proba(X))
    for name in ("row_weight_", "teacher_weight_", "teacher_accuracy_", "classes_"):
        assert_array_equal(getattr(chunked, name), getattr(fitted, name))
    columns = ["train_loss", "label_loss", "distillation_loss"]
    pd.testing.assert_frame_equal(chunked.history_[columns], fitted.history_[columns])


@pytest.mark.parametrize("epochs", [1, 3])
def test_chunks_are_the_batches_of_a_fit(epochs):
    # of rows whose weights no other rows change, in one order
    net = batch_net(iterator_train__shuffle=False, max_epochs=epochs)
    weighting = UnifiedWeighting(unlabeled="uniform")
    fitted = make_chunkwise(student=net, weighting=weighting).fit(X, Y)
    chunked = make_chunkwise(student=net, weighting=weighting)
    for _ in range(epochs):
        train(chunked)
    assert_allclose(chunked.predict_proba(X), fitted.predict_proba(X), atol=1e-6)
    assert len(chunked.history_) == epochs * len(CHUNKS)


def test_given_answers_are_those_of_the_teachers():
    proba = ask_teachers(TEACHERS, X)
    asked = train(make_chunkwise())
    given = train(make_chunkwise(teachers=None), teacher_proba=proba)
    assert_array_equal(given.predict_proba(X), asked.predict_proba(X))


def test_same_seed_gives_the_same_student_to_the_bit():
    one, other = (train(make_chunkwise()) for _ in range(2))
    assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    seeded = train(make_chunkwise(random_state=1))
    assert not np.array_equal(one.predict_proba(X), seeded.predict_proba(X))


def test_each_chunk_has_an_order_of_its_own(monkeypatch):
    orders = []
    randperm = torch.randperm

    def keep(n, **options):
        orders.append(randperm(n, **options))
        return orders[-1]

    monkeypatch.setattr(torch, "randperm", keep)
    train(make_chunkwise(), chunks=[slice(0, 128), slice(128, 256)])
    assert not torch.equal(*orders)


def test_pickle_between_the_chunks_changes_nothing():
    distiller = make_chunkwise().partial_fit(X[CHUNKS[0]], Y[CHUNKS[0]])
    resumed = pickle.loads(pickle.dumps(distiller))
    for one in (distiller, resumed):
        train(one, chunks=CHUNKS[1:])
    assert_array_equal(resumed.predict_proba(X), distiller.predict_proba(X))


def test_sample_weights_are_used_as_they_are():
    weight = np.full(N, 2.0)
    plain, heavy = make_chunkwise(), make_chunkwise()
    train(plain), train(heavy, sample_weight=weight)
    ratio = heavy.history_["train_loss"].iloc[0] / plain.history_["train_loss"].iloc[0]
    assert 1.5 < ratio < 2.5
    assert_allclose(heavy.row_weight_, plain.row_weight_)


# --- Which rows come when -----------------------------------------------------------


@pytest.mark.parametrize(
    "kinds", [("labeled", "unlabeled"), ("unlabeled", "labeled"), ("unlabeled",) * 2]
)
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_any_chunk_may_lack_labeled_or_unlabeled_rows(kinds, alpha):
    distiller = make_chunkwise(alpha=alpha)
    for kind in kinds:
        y = TRUTH if kind == "labeled" else np.full(N, -1)
        distiller.partial_fit(X[:64], y[:64])
    assert_array_equal(distiller.classes_, [0, 1, 2])
    assert distiller.predict_proba(X).shape == (N, 3)


def test_chunk_may_hold_only_a_class_that_no_teacher_knows():
    distiller = make_chunkwise()
    distiller.partial_fit(X[:50], Y[:50], classes=[0, 1, 2, 3])
    with pytest.warns(UserWarning, match="fewer labeled rows than by chance"):
        distiller.partial_fit(X[:50], np.full(50, 3))
    assert distiller.predict_proba(X).shape == (N, 4)


@pytest.mark.parametrize("synthetic", [0, 2])
def test_chunk_may_be_one_row(synthetic):
    distiller = make_chunkwise(synthetic=synthetic)
    for i in range(3):
        distiller.partial_fit(X[[i]], Y[[i]])
    assert distiller.history_["train_loss"].notna().all()


def test_each_chunk_brings_synthetic_rows_of_its_own():
    seen = []

    def weighting(rows):
        seen.append(rows.X)
        return np.ones(rows.proba.shape[:2])

    chunks = [CHUNKS[0], CHUNKS[0], CHUNKS[1]]
    distiller = train(make_chunkwise(weighting=weighting, synthetic=2), chunks=chunks)
    assert [len(part) for part in seen] == [128, 256, 128, 256, 96, 192]
    assert not np.array_equal(seen[1], seen[3])
    assert len(distiller.row_weight_) == 96


def test_class_of_weight_zero_may_fill_a_chunk():
    distiller = make_chunkwise(class_weight={0: 0.0}, alpha=0.0)
    rows = np.flatnonzero(TRUTH == 0)
    distiller.partial_fit(X, TRUTH)
    before = distiller.predict_proba(X)
    distiller.partial_fit(X[rows], TRUTH[rows])
    assert distiller.predict_proba(X).shape == before.shape


def test_learns_from_many_chunks():
    distiller = make_chunkwise()
    for _ in range(10):
        train(distiller)
    assert distiller.score(X, TRUTH) > 0.6  # a third by chance
    losses = distiller.history_["train_loss"]
    assert losses.iloc[-3:].mean() < losses.iloc[:3].mean()


def test_chunks_of_every_container():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    teachers = [
        GaussianNB().fit(pd.DataFrame(X_TEACHERS, columns=list("abcdef")), Y_TEACHERS)
    ]
    distiller = make_chunkwise(teachers=teachers)
    for chunk in CHUNKS:
        distiller.partial_fit(frame[chunk], pd.Series(Y[chunk]))
    assert_array_equal(distiller.feature_names_in_, list("abcdef"))
    sparse = make_chunkwise(
        teachers=[LogisticRegression().fit(csr_matrix(X_TEACHERS), Y_TEACHERS)]
    )
    train(sparse, csr_matrix(X))
    assert sparse.predict(csr_matrix(X)).shape == (N,)


def test_built_in_student_takes_categories_that_come_later():
    frame = pd.DataFrame({"number": X[:, 0], "kind": np.array(["a", "b"])[TRUTH % 2]})
    frame.loc[200:, "kind"] = "c"
    proba = np.full((N, 1, 3), 1 / 3, dtype=np.float32)
    distiller = EnsembleDistiller(None, random_state=0)
    for chunk in (slice(0, 200), slice(200, N)):
        distiller.partial_fit(frame[chunk], TRUTH[chunk], teacher_proba=proba[chunk])
    assert distiller.predict(frame).shape == (N,)
    rates = {group["lr"] for group in distiller.student_["net"].optimizer_.param_groups}
    assert rates == {distiller.student_["net"].lr}


def test_members_of_a_bare_forest_answer_every_chunk():
    forest = RandomForestClassifier(5, random_state=0).fit(X_TEACHERS, Y_TEACHERS)
    distiller = train(make_chunkwise(teachers=forest))
    assert distiller.teacher_weight_.shape[1] == 5


def test_teachers_are_fitted_on_the_first_chunk_and_answer_the_others():
    unfitted = [LogisticRegression(), GaussianNB()]
    distiller = make_chunkwise(teachers=unfitted, cv=3)
    distiller.partial_fit(X[:200], Y[:200])
    fitted = distiller.teachers_
    assert fitted[0].classes_.tolist() == [0, 1, 2]
    distiller.partial_fit(X[200:], np.full(N - 200, -1))
    assert distiller.teachers_[0] is fitted[0]


def test_given_answers_keep_the_teachers_of_the_first_chunk():
    distiller = make_chunkwise(teachers=[LogisticRegression(), GaussianNB()], cv=3)
    distiller.partial_fit(X[:200], Y[:200])
    fitted = distiller.teachers_
    proba = ask_teachers(fitted, X[200:], classes=[0, 1, 2])
    distiller.partial_fit(X[200:], Y[200:], teacher_proba=proba)
    assert distiller.teachers_ == fitted
    distiller.partial_fit(X[200:], Y[200:])


def test_chunk_that_the_teachers_were_fitted_on_is_warned_of_once():
    distiller = make_chunkwise(teachers=[DecisionTreeClassifier(random_state=0)], cv=3)
    distiller.partial_fit(X, Y)
    with pytest.warns(UserWarning, match="that they were fitted on these rows"):
        distiller.partial_fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distiller.partial_fit(X, Y)


def test_parameters_that_each_call_reads_anew():
    one, other = (train(make_chunkwise(), chunks=CHUNKS[:1]) for _ in range(2))
    other.set_params(alpha=0.9, temperature=2.0, weighting="uniform")
    for distiller in (one, other):
        train(distiller, chunks=CHUNKS[1:])
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X))


# --- Before and after ---------------------------------------------------------------


def test_goes_on_after_fit():
    distiller = make_chunkwise(student=batch_net(max_epochs=4)).fit(X, Y)
    student, before = distiller.student_, distiller.predict_proba(X)
    distiller.partial_fit(X[:100], Y[:100])
    assert distiller.student_ is student
    assert len(distiller.history_) == 5
    assert not np.array_equal(distiller.predict_proba(X), before)


def test_fit_starts_anew():
    distiller = train(make_chunkwise()).fit(X, Y)
    assert_array_equal(
        distiller.predict_proba(X), make_chunkwise().fit(X, Y).predict_proba(X)
    )
    assert len(distiller.history_) == 1


def test_clone_starts_anew():
    distiller = train(make_chunkwise())
    twin = train(clone(distiller))
    assert_array_equal(twin.predict_proba(X), distiller.predict_proba(X))


def test_arguments_are_left_as_they_are():
    net = batch_net()
    state = torch.get_rng_state()
    distiller = train(make_chunkwise(student=net))
    assert torch.equal(torch.get_rng_state(), state)
    assert distiller.student is net
    assert not net.initialized_


def test_memory_of_the_history_does_not_grow():
    distiller = train(make_chunkwise())
    assert not any(epoch["batches"] for epoch in distiller.student_.history)


class Interrupt(Callback):
    armed = False

    def on_epoch_begin(self, net, **kwargs):
        if Interrupt.armed:
            raise ZeroDivisionError


def test_training_that_breaks_off_leaves_the_student_usable():
    distiller = make_chunkwise(student=batch_net(callbacks=[Interrupt]))
    distiller.partial_fit(X, Y)
    before = distiller.predict_proba(X)
    Interrupt.armed = True
    with pytest.raises(ZeroDivisionError):
        distiller.partial_fit(X, Y)
    Interrupt.armed = False
    assert_array_equal(distiller.predict_proba(X), before)
    assert isinstance(distiller.student_.criterion_, nn.CrossEntropyLoss)
    distiller.partial_fit(X, Y)


def test_interrupted_epoch_leaves_no_row_in_the_history():
    class Stop(Callback):
        at = -1

        def on_batch_begin(self, net, training=None, **kwargs):
            if len(net.history[-1]["batches"]) == Stop.at:
                raise KeyboardInterrupt

    distiller = make_chunkwise(student=batch_net(callbacks=[Stop]))
    distiller.partial_fit(X, Y)
    Stop.at = 2
    with pytest.raises(KeyboardInterrupt):
        distiller.partial_fit(X, Y)
    assert len(distiller.student_.history) == 1
    Stop.at = -1
    assert distiller.partial_fit(X, Y).history_["train_loss"].notna().all()


# --- Bad input ----------------------------------------------------------------------


def test_label_that_comes_too_late_is_an_error():
    distiller = make_chunkwise().partial_fit(X[:50], Y[:50])
    with pytest.raises(ValueError, match=r"must name all classes .* without \[7\]"):
        distiller.partial_fit(X[:50], np.full(50, 7))


def test_other_classes_are_an_error():
    distiller = make_chunkwise().partial_fit(X[:50], Y[:50])
    with pytest.raises(ValueError, match=r"the same in every call .* \[0, 1\] after"):
        distiller.partial_fit(X[:50], Y[:50], classes=[0, 1])


def test_other_columns_are_an_error():
    distiller = make_chunkwise().partial_fit(X[:50], Y[:50])
    with pytest.raises(ValueError, match="5 features, but EnsembleDistiller is expect"):
        distiller.partial_fit(X[:50, :5], Y[:50])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"validation_fraction": 0.2}, "`validation_fraction` stops"),
        ({"class_weight": "balanced"}, "counts the labels of all rows"),
    ],
)
def test_what_needs_all_rows_is_an_error(params, message):
    with pytest.raises(ValueError, match=message):
        make_chunkwise(**params).partial_fit(X, Y)


def test_unfitted_teachers_need_answers_in_every_call():
    proba = ask_teachers(TEACHERS, X)
    distiller = make_chunkwise(teachers=[GaussianNB()], cv=3)
    distiller.partial_fit(X, Y, teacher_proba=proba[:, :1])
    distiller.partial_fit(X, Y, teacher_proba=proba[:, :1])
    with pytest.raises(ValueError, match="pass it in every call"):
        distiller.partial_fit(X, Y)


@pytest.mark.parametrize("pooling", ["mean", "calibrated"])
def test_other_teachers_are_an_error(pooling):
    distiller = make_chunkwise(pooling=pooling).partial_fit(X, Y)
    distiller.set_params(teachers=TEACHERS[::-1])
    with pytest.raises(ValueError, match="same order, in every call of partial_fit"):
        distiller.partial_fit(X, Y)


def test_other_number_of_answers_is_an_error():
    proba = ask_teachers(TEACHERS, X)
    distiller = make_chunkwise(teachers=None).partial_fit(X, Y, teacher_proba=proba)
    with pytest.raises(ValueError, match=r"got \['teacher-1'\] after"):
        distiller.partial_fit(X, Y, teacher_proba=proba[:, :1])


def test_first_chunk_without_label_and_teacher_asks_for_classes(blobs):
    X, y = blobs
    proba = np.eye(3)[y][:, np.newaxis]
    distiller = EnsembleDistiller(None, make_net())
    unknown = np.full(len(X), -1)
    unfitted = EnsembleDistiller([GaussianNB()], make_net(), cv=3)
    for asked in (distiller, unfitted):  # who know no class
        with pytest.raises(ValueError, match=r"name all .*order of the 3 columns"):
            asked.partial_fit(X, unknown, teacher_proba=proba)
    distiller.partial_fit(X, unknown, [3, 5, 7], teacher_proba=proba)
    assert_array_equal(distiller.classes_, [3, 5, 7])


def test_weight_beyond_float32_is_an_error():
    with pytest.raises(
        ValueError,
        match=r"`sample_weight` times `class_weight` must be at most 3.4e\+38",
    ):
        make_chunkwise().partial_fit(X, Y, sample_weight=np.full(N, 1e39))


def test_batch_norm_of_one_row_is_an_error_with_a_cure():
    with pytest.raises(ValueError, match="iterator_train__drop_last=True"):
        make_chunkwise(student=make_net(Normed)).partial_fit(X[:1], Y[:1])


def test_failed_first_call_leaves_it_unfitted():
    distiller = make_chunkwise()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        distiller.partial_fit(X, Y[:-1])
    assert not hasattr(distiller, "student_")
    train(distiller)


# --- On disk, and sparse ------------------------------------------------------------


@pytest.fixture(params=[np.float32, np.float64, np.int8])
def on_disk(request, tmp_path):
    rows = (X * 10).astype(request.param)
    np.save(tmp_path / "X.npy", rows)
    return np.load(tmp_path / "X.npy", mmap_mode="r"), rows


def test_memmap_gives_the_student_of_the_array(on_disk):
    memmap, rows = on_disk
    from_disk = make_chunkwise().fit(memmap, Y)
    in_memory = make_chunkwise().fit(rows, Y)  # by hand, and the other by autograd
    assert_allclose(
        from_disk.predict_proba(memmap), in_memory.predict_proba(rows), atol=1e-5
    )


def test_memmap_gives_the_same_with_a_loader(on_disk):
    memmap, rows = on_disk
    net = batch_net(iterator_train__num_workers=0, iterator_train__shuffle=False)
    from_disk = make_chunkwise(student=net).fit(memmap, Y)
    in_memory = make_chunkwise(student=net).fit(rows, Y)
    assert_allclose(
        from_disk.predict_proba(rows), in_memory.predict_proba(rows), atol=1e-6
    )


def test_memmap_stays_on_disk(on_disk, monkeypatch):
    memmap, _ = on_disk
    kept = []
    init = MemoryRows.__init__

    def keep(self, rows, *args, **kwargs):
        init(self, rows, *args, **kwargs)
        kept.append(self.X)

    monkeypatch.setattr(MemoryRows, "__init__", keep)
    make_chunkwise().fit(memmap, Y)
    assert np.shares_memory(kept[0], memmap)


@pytest.mark.parametrize("strange", [np.nan, np.inf, 1e300])
def test_memmap_with_strange_values_is_an_error(strange, tmp_path):
    rows = X.astype(np.float64)
    rows[-1, -1] = strange
    np.save(tmp_path / "X.npy", rows)
    memmap = np.load(tmp_path / "X.npy", mmap_mode="r")
    proba = ask_teachers(TEACHERS, X)
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        make_chunkwise(teachers=None).fit(memmap, Y, teacher_proba=proba)


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_sparse_rows_are_dense_a_batch_at_a_time(how, monkeypatch):
    monkeypatch.setattr(_student, "PREDICT_VALUES", 6 * BATCH)
    shapes = []
    toarray = csr_matrix.toarray

    def keep(self, *args, **kwargs):
        shapes.append(self.shape)
        return toarray(self, *args, **kwargs)

    proba = ask_teachers(TEACHERS, X)
    distiller = make_chunkwise(teachers=None)
    monkeypatch.setattr(csr_matrix, "toarray", keep)
    getattr(distiller, how)(csr_matrix(X), Y, teacher_proba=proba)
    answers = distiller.predict_proba(csr_matrix(X))
    assert max(rows for rows, _ in shapes) == BATCH
    assert sum(rows for rows, _ in shapes) >= 2 * N
    assert not issparse(answers)
