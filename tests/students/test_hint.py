"""A hint to a hidden layer of the student, and what hidden layers of teachers say."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EarlyStopping
from torch import nn

from sk_ekd import EnsembleDistiller
from sk_ekd.dynamic import LearnedGate
from sk_ekd.losses import Hint
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.students import layer_output
from tests.worlds import make_net


@pytest.fixture(scope="module")
def data(trio):
    X, y, truth, teachers = trio
    return X.astype(np.float32), y, truth, teachers


@pytest.fixture(scope="module")
def teacher(data):
    X, _, truth, _ = data
    net = make_net(module__in_features=5, module__out_features=3, max_epochs=3)
    return net.fit(X, truth)


@pytest.fixture(scope="module")
def features(data, teacher):
    return layer_output(teacher, data[0], "0")


def distill(data, features, *, hint="0", student=None, y=None, **params):
    X, known, _, teachers = data
    student = make_net() if student is None else student
    params = {"random_state": 0, **params}
    distiller = EnsembleDistiller(teachers, student, hint=hint, **params)
    y = known if y is None else y
    return distiller.fit(X, y, teacher_features=features)


class Conv(nn.Module):
    """A net of images whose hidden layer has four axes, and a recurrent one."""

    def __init__(self, out_features):
        super().__init__()
        self.conv = nn.Conv1d(1, 2, 3)
        self.recurrent = nn.RNN(3, 4, batch_first=True)
        self.unused = nn.Linear(2, 2)
        self.head = nn.Linear(8, out_features)

    def forward(self, X):
        hidden, _ = self.recurrent(self.conv(X.unsqueeze(1)))
        return self.head(hidden.flatten(1))


# --- What a layer says ---------------------------------------------------------------


def test_output_of_a_layer_is_that_of_the_module(data, teacher):
    X = data[0]
    with torch.no_grad():
        expected = teacher.module_[0](torch.from_numpy(X))
    assert_allclose(layer_output(teacher, X, "0"), expected, rtol=1e-6)
    wide = layer_output(teacher, X.astype(np.float64), "0")  # a net takes float32
    assert_allclose(wide, expected, rtol=1e-6)


def test_output_of_a_layer_behind_a_pipeline_and_of_a_distiller(data):
    X, y, _, teachers = data
    pipeline = make_pipeline(StandardScaler(), make_net())
    distiller = EnsembleDistiller(teachers, pipeline, random_state=0).fit(X, y)
    hidden = layer_output(distiller, X, "0")
    assert_array_equal(hidden, layer_output(distiller.student_, X, "0"))
    assert hidden.shape == (240, 16)


def test_axes_of_a_layer_are_flattened(data):
    X, y, _, teachers = data
    distiller = EnsembleDistiller(teachers, make_net(Conv), random_state=0).fit(X, y)
    assert layer_output(distiller, X, "conv").shape == (240, 6)
    assert layer_output(distiller, X, "recurrent").shape == (240, 8)


def test_activation_in_place_does_not_change_what_a_layer_said(data):
    X, _, truth, _ = data
    module = nn.Sequential(nn.Linear(5, 8), nn.ReLU(inplace=True), nn.Linear(8, 3))
    net = make_net(module, max_epochs=1).fit(X, truth)
    assert layer_output(net, X, "0").min() < 0


def test_asking_a_layer_leaves_no_hook(data, teacher):
    layer_output(teacher, data[0], "0")
    assert not teacher.module_[0]._forward_hooks


def test_bad_questions_to_a_layer(data, teacher):
    X, y, _, teachers = data
    with pytest.raises(ValueError, match=r"no layer named 'hidden'.*'0', '1'"):
        layer_output(teacher, X, "hidden")
    with pytest.raises(TypeError, match="fitted skorch net"):
        layer_output(LogisticRegression(), X, "0")
    with pytest.raises(Exception, match=r"not fitted|not initialized"):
        layer_output(make_net(), X, "0")
    distiller = EnsembleDistiller(teachers, make_net(Conv), random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="'unused' was not called"):
        layer_output(distiller, X, "unused")


# --- The term ------------------------------------------------------------------------


def test_hint_is_learned(data, features):
    hinted = distill(data, features, student=make_net(max_epochs=30))
    losses = hinted.history_["hint_loss"]
    assert losses.iloc[-1] < 0.5 * losses.iloc[0]
    terms = hinted.history_[["label_loss", "distillation_loss", "hint_loss"]]
    assert_allclose(terms.sum(axis=1), hinted.history_["train_loss"], rtol=1e-5)


def test_first_value_of_the_term_is_the_formula(data, features):
    X = data[0]
    sgd = make_net(lr=1e-12, max_epochs=1, optimizer=torch.optim.SGD, batch_size=-1)
    linears = []

    class Spying(EnsembleDistiller):
        def _make_loss(self):
            loss = super()._make_loss()
            linears.append(loss)
            return loss

    distiller = Spying(data[3], sgd, hint=Hint("0", strength=3.0), random_state=0)
    distiller.fit(X, data[1], teacher_features=features)
    linear = linears[-1].hint.linear
    scaled = StandardScaler().fit_transform(features)
    with torch.no_grad():
        told = linear(torch.from_numpy(layer_output(distiller, X, "0"))).numpy()
    expected = 3.0 * np.square(told - scaled).mean()
    assert distiller.history_["hint_loss"].item() == pytest.approx(expected, rel=1e-4)


def test_rows_without_features_have_no_hint(data, features):
    some = features.copy()
    some[::2] = np.nan
    distiller = distill(data, some)
    assert np.isfinite(distiller.history_["train_loss"]).all()
    # what stands beside a NaN in a row is not looked at
    some[::2, 1:] = 1e9
    again = distill(data, some)
    assert_array_equal(again.predict_proba(data[0]), distiller.predict_proba(data[0]))


def test_hint_changes_the_student_and_is_no_part_of_it(data, features):
    X = data[0]
    hinted, usual = distill(data, features), distill(data, None, hint=None)
    assert not np.allclose(hinted.predict_proba(X), usual.predict_proba(X))
    assert b"_HintTerm" not in pickle.dumps(hinted)
    net = hinted.student_
    assert not net.module_[0]._forward_hooks
    assert len(net.optimizer_.param_groups[0]["params"]) == len(
        [*net.module_.parameters()]
    )


@pytest.mark.parametrize("weighting", ["correctness", LearnedGate()], ids=str)
def test_same_seed_gives_the_same_student(data, features, weighting):
    X, y = data[:2]
    params = {"weighting": weighting, "validation_fraction": 0.2, "temperature": 2.0}
    first = distill(data, features, **params)
    assert "valid_hint_loss" in first.history_
    again = clone(first).fit(X, y, teacher_features=features)
    assert_array_equal(again.predict_proba(X), first.predict_proba(X))


def test_hint_goes_on_from_chunk_to_chunk(data, features):
    X, y = data[:2]
    whole = distill(data, features, student=make_net(max_epochs=1))
    by_chunk = clone(whole).partial_fit(X, y, teacher_features=features)
    expected = whole.predict_proba(X)
    assert_allclose(by_chunk.predict_proba(X), expected, atol=1e-6)
    for _ in range(20):
        by_chunk = pickle.loads(pickle.dumps(by_chunk))
        by_chunk.partial_fit(X, y, teacher_features=features)
    losses = by_chunk.history_["hint_loss"]
    assert losses.iloc[-1] < 0.8 * losses.iloc[0]


def test_search_slices_the_features(data, features):
    X, y, _, teachers = data
    distiller = EnsembleDistiller(teachers, make_net(), hint=Hint("0"), random_state=0)
    grid = {"hint__strength": [0.1, 1.0], "hint__layer": ["0", "3"]}
    search = GridSearchCV(distiller, grid, cv=SemiSupervisedSplit(2), refit=False)
    search.fit(X, y, teacher_features=features)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_hint_with_synthetic_rows_and_weights_of_zero(data, features):
    X, y, _, teachers = data
    weight = np.ones(len(X))
    weight[:20] = 0
    distiller = EnsembleDistiller(
        teachers, make_net(), hint="0", synthetic=1, random_state=0
    )
    distiller.fit(X, y, sample_weight=weight, teacher_features=features)
    broken = features.copy()
    broken[:20] = 1e9  # rows that count as removed
    again = clone(distiller)
    again.fit(X, y, sample_weight=weight, teacher_features=broken)
    assert_array_equal(again.predict_proba(X), distiller.predict_proba(X))


def test_training_stops_by_the_distillation_loss(data):
    X, y, _, teachers = data
    stop = EarlyStopping(monitor="valid_distillation_loss", patience=2, threshold=0.5)
    student = make_net(max_epochs=50, callbacks=[stop])
    distiller = EnsembleDistiller(
        teachers, student, validation_fraction=0.3, random_state=0
    ).fit(X, y)
    assert len(distiller.history_) < 50


def test_hint_to_layers_with_more_axes(data, features):
    for layer in ("conv", "recurrent"):
        distiller = distill(data, features, hint=layer, student=make_net(Conv))
        assert np.isfinite(distiller.history_["hint_loss"]).all()


BAD = {
    "no features": ({}, None, "without `teacher_features`"),
    "no hint": ({"hint": None}, "given", "with `teacher_features`"),
    "no such layer": ({"hint": "hidden"}, "given", "no layer named 'hidden'"),
    "strength": ({"hint": Hint("0", strength=0.0)}, "given", "finite number above 0"),
    "strength of text": ({"hint": Hint("0", strength="1")}, "given", "finite number"),
    "a number": ({"hint": 0}, "given", "'hint' parameter"),
    "too few": ({}, np.ones((3, 2)), "must have shape"),
    "one axis": ({}, np.ones(240), "must have shape"),
    "nothing": ({}, np.full((240, 2), np.nan), "no row without NaN"),
    "not called": (
        {"hint": "unused", "student": make_net(Conv)}, "given", "was not called",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_hint_says_what_to_do(data, features, case):
    params, given, message = BAD[case]
    given = features if isinstance(given, str) else given
    with pytest.raises((ValueError, TypeError), match=message):
        distill(data, given, **params)


def test_features_of_a_chunk_are_those_of_the_first(data, features):
    X, y = data[:2]
    distiller = clone(distill(data, features)).partial_fit(
        X, y, teacher_features=features
    )
    with pytest.raises(ValueError, match="16 columns in every call, got 3"):
        distiller.partial_fit(X, y, teacher_features=features[:, :3])


def test_strength_of_a_bare_name_cannot_be_set(data):
    distiller = EnsembleDistiller(data[3], make_net(), hint="0")
    with pytest.raises(ValueError, match=r"hint=sk_ekd.losses.Hint\('layer'\)"):
        distiller.set_params(hint__strength=2.0)


def test_student_that_is_no_network_gets_no_hint(data, features):
    with pytest.raises(TypeError, match="hidden layer of a network"):
        distill(data, features, student=LogisticRegression())
