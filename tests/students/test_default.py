"""The built-in student: any table in, a network that agrees with its teacher out."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from torch import nn

from sk_ekd import EnsembleDistiller, _distiller
from sk_ekd._table import MAX_CATEGORIES
from sk_ekd.students import MLP, default_student
from tests.errors import check_errors
from tests.worlds import with_dates, with_value

N = 120
TEXT = np.array(["x", "y", "z"])


class Oracle:
    """A teacher of any table: it knows the answer to the rows it is asked."""

    classes_ = np.array([0, 1])

    def __init__(self, y, certainty=0.95):
        self.proba = np.where(np.eye(2)[y] > 0, certainty, 1 - certainty)

    def predict_proba(self, X):
        return self.proba

    def predict(self, X):
        return self.proba.argmax(axis=1)


@pytest.fixture(scope="module")
def numbers():
    return np.random.RandomState(0).randn(N, 3)


@pytest.fixture(scope="module")
def y(numbers):
    """A class that the first column decides."""
    return (numbers[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def text():
    return TEXT[np.random.RandomState(1).randint(0, 3, N)]


@pytest.fixture
def quick(monkeypatch):
    """Let the built-in student stop early: these tests are about its rows."""

    def stopping(X, **options):
        return default_student(X, **options).set_params(net__max_epochs=12)

    monkeypatch.setattr(_distiller, "default_student", stopping)


@pytest.fixture
def frame(numbers):
    return pd.DataFrame(numbers, columns=["a", "b", "c"])


def distill(X, y, **params):
    """Distill an oracle that is asked for all rows into the built-in student."""
    params = {"random_state": 0, "weighting": "uniform", **params}
    return EnsembleDistiller([Oracle(y)], **params).fit(X, np.full(len(y), -1))


def width(distiller):
    """Return the number of columns that reach the network."""
    return distiller.student_["net"].module_[0].in_features


def with_missing(values, missing, dtype=None):
    """Return a Series with a missing value in every seventh place."""
    values = pd.Series(values).astype(object)
    values[::7] = missing
    return values if dtype is None else values.astype(dtype)


# --- The network --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "widths"),
    [
        ((), [(5, 3)]),
        ((7,), [(5, 7), (7, 3)]),
        ((7, 2), [(5, 7), (7, 2), (2, 3)]),
        ((256, 256), [(5, 256), (256, 256), (256, 3)]),
    ],
)
def test_mlp_chains_its_layers(hidden, widths):
    module = MLP(5, 3, hidden=hidden)
    linear = [m for m in module if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == widths
    assert module(torch.zeros(4, 5)).shape == (4, 3)
    assert isinstance(module[-1], nn.Linear)  # logits


def test_mlp_is_two_layers_of_128_by_default():
    default, spelled_out = MLP(5, 3), MLP(5, 3, hidden=(128, 128), dropout=0.1)
    assert str(default) == str(spelled_out)


def test_mlp_drops_units_in_training_only():
    module = MLP(5, 3, hidden=(50,), dropout=0.5)
    rows = torch.ones(2, 5)
    torch.manual_seed(0)
    assert not torch.equal(module.train()(rows), module(rows))
    assert torch.equal(module.eval()(rows), module(rows))


def test_mlp_is_set_in_a_grid():
    net = NeuralNetClassifier(MLP, module__in_features=2, module__out_features=2)
    net.set_params(module__hidden=(3,)).initialize()
    assert net.module_[0].out_features == 3


@pytest.mark.parametrize("n_samples", [1, 2, 10, 100, 1000, 10_000, 100_000])
def test_length_of_training_is_sane(n_samples):
    net = default_student(np.zeros((n_samples, 1)))["net"]
    steps = net.max_epochs * int(np.ceil(n_samples / net.batch_size))
    assert 20 <= steps <= 20_000
    assert 20 <= net.max_epochs <= 200
    assert 16 <= net.batch_size <= 512
    assert net.batch_size & (net.batch_size - 1) == 0  # a power of two


@pytest.mark.parametrize("n_samples", [1, 100, 1000, 10_000, 100_000])
@pytest.mark.parametrize("times", [1, 5, 30])
def test_synthetic_rows_bring_more_steps_of_the_same_batches(n_samples, times):
    X = np.zeros((n_samples, 1))
    plain, net = (default_student(X, synthetic=k)["net"] for k in (0, times))
    assert (net.batch_size, net.lr) == (plain.batch_size, plain.lr)
    assert net.max_epochs >= 1
    steps = net.max_epochs * (1 + times) / plain.max_epochs
    assert abs(steps - 2.5) <= 0.5 * (1 + times) / plain.max_epochs + 1e-9


def test_student_for_no_rows_is_an_error():
    with pytest.raises(ValueError, match="0 rows"):
        default_student(np.empty((0, 3)))


def test_more_rows_never_mean_smaller_batches_lower_rates_or_more_epochs():
    nets = [default_student(np.zeros((2**k, 1)))["net"] for k in range(18)]
    assert (np.diff([net.batch_size for net in nets]) >= 0).all()
    assert (np.diff([net.max_epochs for net in nets]) <= 0).all()
    assert (np.diff([net.lr for net in nets]) >= 0).all()
    assert (nets[0].lr, nets[-1].lr) == (2.5e-3, pytest.approx(1.4e-2, rel=0.02))


def test_default_student_is_not_fitted_and_can_be_cloned(frame):
    student = default_student(frame)
    assert isinstance(student, Pipeline)
    assert [name for name, _ in student.steps] == ["preprocessing", "net"]
    assert not student["net"].initialized_
    assert clone(student)["net"].max_epochs == student["net"].max_epochs


def test_default_student_leaves_no_trace_of_the_last_one(numbers):
    # a mutable default would carry sizes from one call to the next
    first = distill(numbers[:, :1], np.arange(N) % 2, student=_brief(numbers[:, :1]))
    second = distill(numbers, np.arange(N) % 2, student=_brief(numbers))
    assert (width(first), width(second)) == (1, 3)
    assert (
        default_student(numbers)["net"]
        .get_params()
        .keys()
        .isdisjoint({"module__in_features", "module__out_features"})
    )


def _brief(X):
    return default_student(X).set_params(net__max_epochs=1)


def test_verbose_lets_the_student_print(numbers, y, quick, capsys):
    distill(numbers, y)
    assert capsys.readouterr().out == ""
    distill(numbers, y, verbose=1)
    assert "train_loss" not in capsys.readouterr().out
    distill(numbers, y, verbose=2)
    assert "train_loss" in capsys.readouterr().out


# --- Any table ----------------------------------------------------------------------


def miss_every_seventh(X):
    X = X.astype(float)
    X[::7, 1] = np.nan
    return X


ARRAYS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "int": lambda X: np.floor(X * 10).astype(int),
    "uint8": lambda X: (X * 10 + 100).astype(np.uint8),
    "bool": lambda X: X > 0,
    "Fortran": np.asfortranarray,
    "read-only": lambda X: np.broadcast_to(X, X.shape),
    "object": lambda X: X.astype(object),
    "list": np.ndarray.tolist,
    "missing": miss_every_seventh,
    "huge": lambda X: X * 1e30,
    "tiny": lambda X: X * 1e-30,
    "far": lambda X: X + 1e6,
    "one column": lambda X: X[:, :1],
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_matrix,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
    "coo_array": sparse.coo_array,
    "sparse int": lambda X: sparse.csr_matrix(np.floor(X * 10).astype(int)),
    "sparse bool": lambda X: sparse.csr_matrix(X > 0),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_student_learns_from_numbers_of_any_kind(numbers, y, kind, quick):
    X = ARRAYS[kind](numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distiller = distill(X, y)
        proba = distiller.predict_proba(X)
    assert proba.shape == (N, 2)
    assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert (proba.argmax(axis=1) == y).mean() > 0.95


@pytest.mark.parametrize("kind", ["csc", "coo", "csr_array", "csc_array", "coo_array"])
def test_format_of_sparse_rows_does_not_matter(numbers, y, kind, quick):
    csr = distill(sparse.csr_matrix(numbers), y)
    other = distill(ARRAYS[kind](numbers), y)
    expected = csr.predict_proba(sparse.csr_matrix(numbers))
    assert_array_equal(other.predict_proba(ARRAYS[kind](numbers)), expected)


def test_sparse_rows_stay_sparse(numbers, y, quick):
    X = sparse.csr_matrix(numbers)
    assert sparse.issparse(distill(X, y).student_[:-1].transform(X))


def test_sparse_columns_without_values_are_fine(numbers, y, quick):
    X = sparse.csr_matrix(numbers * [1, 0, 0])
    assert (distill(X, y).predict(X) == y).mean() > 0.95


def test_far_and_tiny_columns_are_standardized(numbers, y, quick):
    X = numbers * [1e-9, 1e9, 1] + [5, -1e12, 0]
    assert (distill(X, y).predict(X) == y).mean() > 0.95


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_array_that_mixes_strings_and_numbers_is_read_column_by_column(
    numbers, text, y, missing, quick
):
    X = np.column_stack([numbers.astype(object), text.astype(object)])
    X[::7, 1] = missing
    X[::5, 3] = missing
    distiller = distill(X, y)
    assert width(distiller) == 3 + 1 + 3 + 1  # an indicator, a missing category
    assert (distiller.predict(X) == y).mean() > 0.95
    whole = distiller.predict_proba(X)
    assert_allclose(distiller.predict_proba(X[:1]), whole[:1], atol=1e-6)


def test_missing_in_a_whole_column_at_prediction_is_imputed(numbers, text, y, quick):
    X = np.column_stack([numbers.astype(object), text.astype(object)])
    X[::7, 1] = None
    distiller = distill(X, y)
    X[:, [1, 3]] = None
    assert (distiller.predict(X) == y).mean() > 0.9


def test_rows_of_lists_that_mix_strings_and_numbers_are_read_like_an_array(
    numbers, text, y, quick
):
    # NumPy writes such numbers as text: each of them would be a category
    X = np.column_stack([numbers.astype(object), text.astype(object)])
    from_array, from_lists = distill(X, y), distill(X.tolist(), y)
    assert width(from_lists) == width(from_array) == 6
    expected = from_array.predict_proba(X)
    assert_array_equal(from_lists.predict_proba(X.tolist()), expected)


def test_array_of_strings_is_categories(text, y, quick):
    X = np.column_stack([text, np.where(y, "yes", "no")])
    distiller = distill(X, y)
    assert width(distiller) == 5
    assert_array_equal(distiller.predict(X), y)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_object_column_of_numbers_is_numbers(frame, y, missing, quick):
    # else each of them would be a category
    X = frame.assign(a=with_missing(frame["a"], missing))
    assert X["a"].dtype == object
    distiller = distill(X, y)
    assert width(distiller) == 4
    assert (distiller.predict(X) == y).mean() > 0.9


COLUMNS = {
    "category": lambda text: pd.Categorical(text),
    "ordered category": lambda text: pd.Categorical(text, ordered=True),
    "category of numbers": lambda text: pd.Categorical(pd.factorize(text)[0]),
    "unused category": lambda text: pd.Categorical(text, [*TEXT, "never"]),
    "object": lambda text: text.astype(object),
    "string": lambda text: pd.array(text, dtype="string"),
    "str": lambda text: pd.Series(text),
    "bool": lambda text: text == "x",
    "boolean": lambda text: pd.array(text == "x", dtype="boolean"),
    "object of bools": lambda text: (text == "x").astype(object),
    "Int64": lambda text: pd.array(pd.factorize(text)[0], dtype="Int64"),
    "Float64": lambda text: pd.array(pd.factorize(text)[0] / 2, dtype="Float64"),
    "int8": lambda text: pd.factorize(text)[0].astype(np.int8),
    "interval": lambda text: pd.cut(pd.factorize(text)[0], [-1, 0, 1, 2]),
    "strings and numbers": lambda text: [3 if t == "x" else t for t in text],
}


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("alone", [True, False])
def test_problem_that_only_one_column_solves_is_solved(frame, text, kind, alone, quick):
    y = (text == "x").astype(int)
    X = pd.DataFrame(index=range(N)) if alone else frame
    X = X.assign(column=COLUMNS[kind](text))
    distiller = distill(X, y)
    assert_array_equal(distiller.predict(X), y)


@pytest.mark.parametrize("kind", COLUMNS)
def test_frame_of_the_caller_is_not_changed(frame, text, y, kind, quick):
    X = frame.assign(column=COLUMNS[kind](text))
    X.loc[3, "a"] = np.nan
    before = X.copy(deep=True)
    distill(X, y).predict(X)
    pd.testing.assert_frame_equal(X, before)


MISSING = {
    "float": (np.nan, "float64"),
    "Float64": (pd.NA, "Float64"),
    "Int64": (pd.NA, "Int64"),
    "boolean": (pd.NA, "boolean"),
    "string": (pd.NA, "string"),
    "category": (None, "category"),
    "object, None": (None, None),
    "object, NaN": (np.nan, None),
    "object, NA": (pd.NA, None),
    "object, NaT": (pd.NaT, None),
}
if pd.__version__ >= "3":  # before, "str" wrote missing values as text
    MISSING["str"] = (np.nan, "str")


@pytest.mark.parametrize("kind", MISSING)
def test_missing_value_of_any_kind_is_told_from_a_value(frame, kind, quick):
    missing, dtype = MISSING[kind]
    y = (np.arange(N) % 7 == 0).astype(int)
    values = np.arange(N) % 2
    if kind not in ("float", "Float64", "Int64", "boolean"):
        values = np.where(values, "p", "q")
    X = frame.assign(column=with_missing(values, missing, dtype))
    assert_array_equal(X["column"].isna(), y)
    distiller = distill(X, y)
    assert_array_equal(distiller.predict(X), y)


@pytest.mark.parametrize("kind", MISSING)
def test_column_without_any_value_is_fine(frame, y, kind, quick):
    missing, dtype = MISSING[kind]
    X = frame.assign(column=pd.Series([missing] * N, dtype=object).astype(dtype or "O"))
    assert (distill(X, y).predict(X) == y).mean() > 0.95


@pytest.mark.parametrize("value", [3.0, 3, "same", True, pd.Interval(0, 1)], ids=str)
def test_constant_column_is_fine(frame, y, value, quick):
    X = frame.assign(column=value)
    assert (distill(X, y).predict(X) == y).mean() > 0.95


def test_constant_and_empty_columns_of_an_array_are_fine(numbers, y, quick):
    X = np.column_stack([numbers, np.full(N, 7.0), np.full(N, np.nan)])
    assert (distill(X, y).predict(X) == y).mean() > 0.95


@pytest.mark.parametrize("names", [range(4), [3, 1, 2, 0], [("p", i) for i in "abcd"]])
def test_column_names_need_not_be_strings(frame, text, y, names, quick):
    X = frame.assign(column=text)
    X.columns = list(names)
    distiller = distill(X, y)
    assert width(distiller) == 6
    assert (distiller.predict(X) == y).mean() > 0.95


@pytest.mark.parametrize(
    "index", [np.zeros(N), np.arange(N)[::-1], np.repeat(["a", "b"], N // 2)]
)
def test_index_of_the_rows_does_not_matter(frame, text, y, index, quick):
    X = frame.assign(column=with_missing(text, None))
    expected = distill(X, y).predict_proba(X)
    X.index = index
    assert_array_equal(distill(X, y).predict_proba(X), expected)


def test_order_of_columns_of_both_kinds_does_not_matter(frame, text, quick):
    y = (text == "x").astype(int)
    X = frame.assign(column=text)[["b", "column", "a", "c"]]
    assert_array_equal(distill(X, y).predict(X), y)


# --- Other values at prediction -----------------------------------------------------


@pytest.fixture(scope="module")
def categorical(numbers, text):
    """A student whose answer rests on a category, and its rows."""
    X = pd.DataFrame(numbers, columns=["a", "b", "c"]).assign(
        column=pd.Categorical(text), flag=text == "x"
    )
    student = default_student(X).set_params(net__max_epochs=20)
    return distill(X, (text == "x").astype(int), student=student), X


@pytest.mark.parametrize(
    "column",
    [
        pd.Categorical(["new"] * N),
        pd.Categorical([None] * N),
        np.array(["new"] * N, dtype=object),
        np.array([None] * N, dtype=object),
        np.full(N, np.nan),
        pd.array([pd.NA] * N, dtype="string"),
        np.full(N, 5),
    ],
    ids=["unseen", "missing", "object", "None", "NaN", "string", "number"],
)
def test_unseen_and_missing_categories_answer_without_a_warning(categorical, column):
    distiller, X = categorical
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proba = distiller.predict_proba(X.assign(column=column))
    assert np.isfinite(proba).all()
    # no category speaks for the row: its other columns still do
    flagged = proba[X["flag"], 1].mean()
    assert flagged > proba[~X["flag"], 1].mean() + 0.2


def test_missing_flag_at_prediction_is_no_error(categorical, text):
    distiller, X = categorical
    flag = pd.array(text == "x", dtype="boolean")
    flag[::3] = pd.NA
    proba = distiller.predict_proba(X.assign(flag=flag))
    known = np.arange(N) % 3 > 0
    assert_array_equal(proba[known], distiller.predict_proba(X)[known])
    assert np.isfinite(proba).all()


@pytest.mark.parametrize("dtype", ["object", "string", "str", "category"])
def test_same_text_of_another_type_gets_the_same_answer(categorical, dtype):
    distiller, X = categorical
    X_new = X.assign(column=X["column"].astype(dtype))
    assert_array_equal(distiller.predict_proba(X_new), distiller.predict_proba(X))


@pytest.mark.parametrize("dtype", ["boolean", "object"])
def test_same_flag_of_another_type_gets_the_same_answer(categorical, dtype):
    distiller, X = categorical
    X_new = X.assign(flag=X["flag"].astype(dtype))
    assert_array_equal(distiller.predict_proba(X_new), distiller.predict_proba(X))


@pytest.mark.parametrize("dtype", ["int8", "float32", "Int64", "Float64", "object"])
def test_same_number_of_another_type_gets_the_same_answer(frame, y, dtype, quick):
    X = frame.mul(10).astype(int)
    distiller = distill(X, y)
    X_new = X.assign(a=X["a"].astype(dtype))
    assert_allclose(
        distiller.predict_proba(X_new), distiller.predict_proba(X), atol=1e-6
    )


def test_codes_of_a_category_are_the_same_beside_missing_ones(frame, text, quick):
    # pandas writes the categories 0, 1, 2 as 0.0, 1.0, 2.0 where a code is missing
    codes = pd.Series(pd.factorize(text)[0])
    y = (text == "x").astype(int)
    distiller = distill(frame.assign(column=codes.astype("category")), y)
    known = np.arange(N) % 4 > 0
    codes = codes.where(known).astype("category")
    X_new = frame.assign(column=codes)
    assert_array_equal(distiller.predict(X_new)[known], y[known])


def test_answer_depends_on_its_own_row_only(categorical):
    distiller, X = categorical
    whole = distiller.predict_proba(X)
    for part in (X.iloc[:1], X.iloc[5:25]):
        assert_allclose(
            distiller.predict_proba(part), whole[part.index.to_numpy()], atol=1e-6
        )


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame])
def test_number_missing_only_at_prediction_is_its_median(numbers, y, make, quick):
    distiller = distill(make(numbers), y)
    missing, median = numbers.copy(), numbers.copy()
    missing[3, 1] = np.nan
    median[3, 1] = np.median(numbers[:, 1])
    assert_array_equal(
        distiller.predict_proba(make(missing)), distiller.predict_proba(make(median))
    )


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame])
def test_number_missing_at_prediction_is_imputed_where_some_were_at_fit(
    numbers, y, make, quick
):
    distiller = distill(make(miss_every_seventh(numbers)), y)
    X = np.full((2, 3), np.nan)
    X[:, 0] = [-2, 2]  # the column that decides
    assert_array_equal(distiller.predict(make(X)), [0, 1])


# --- Many categories ----------------------------------------------------------------


def test_rare_categories_of_many_share_a_column(quick):
    rng = np.random.RandomState(0)
    code = np.minimum(rng.zipf(1.5, 1000), 200)
    y = code % 2
    X = pd.DataFrame({"number": rng.randn(1000), "city": [f"city {i}" for i in code]})
    assert X["city"].nunique() > MAX_CATEGORIES
    distiller = distill(X, y)
    assert width(distiller) == 1 + MAX_CATEGORIES
    frequent = code <= 10
    assert (distiller.predict(X)[frequent] == y[frequent]).all()


def test_unseen_category_is_answered_like_a_rare_one(quick):
    city = np.array([f"city {i % 80}" for i in range(480)], dtype=object)
    rare = np.arange(480) % 80 >= MAX_CATEGORIES - 1
    city[rare] = [f"village {i}" for i in range(rare.sum())]
    X = pd.DataFrame({"city": city, "number": np.zeros(480)})
    distiller = distill(X, rare.astype(int))
    new = pd.DataFrame({"city": ["nowhere", "city 1"], "number": [0.0, 0.0]})
    assert_array_equal(distiller.predict(new), [1, 0])


def test_exactly_as_many_categories_as_fit_are_all_kept(quick):
    city = np.arange(640) % MAX_CATEGORIES
    X = pd.DataFrame({"city": [f"city {i}" for i in city]})
    distiller = distill(X, city % 2)
    assert width(distiller) == MAX_CATEGORIES
    assert_array_equal(distiller.predict(X), city % 2)


# --- What it cannot read ------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda X: ["a text"] * N, r"^(?!.*str_).*TfidfVectorizer"),
        (lambda X: np.array(["a text"] * N, dtype=object), "TfidfVectorizer"),
        (lambda X: pd.Series(["a text"] * N), "TfidfVectorizer"),
        (
            lambda X: pd.DataFrame({"a": X[:, 0], "day": pd.Timestamp(0)}),
            r"dates or durations, got \['day'\]",
        ),
        (
            lambda X: pd.DataFrame({"a": X[:, 0], "wait": pd.Timedelta(1)}),
            r"dates or durations, got \['wait'\]",
        ),
        (lambda X: np.where(X > 2, np.inf, X), "infinity"),
        (lambda X: pd.DataFrame(np.where(X > 2, np.inf, X)), "infinity"),
        (lambda X: X[:, :0], "0 feature"),
        (lambda X: X[:, :, np.newaxis], "dim 3"),
        (lambda X: X + 1j, "Complex data not supported"),
    ],
)
def test_what_is_no_table_of_numbers_and_categories_is_an_error(
    numbers, y, make, words, quick
):
    with pytest.raises(ValueError, match=words):
        distill(make(numbers), y)


# --- It learns ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_samples", "agreement"), [(100, 0.95), (2000, 0.98)], ids=["100", "2000"]
)
def test_student_agrees_with_a_support_vector_machine_on_moons(n_samples, agreement):
    X, y = make_moons(n_samples + 1000, noise=0.25, random_state=0)
    teacher = SVC().fit(X[:n_samples], y[:n_samples])
    _check_agreement(teacher, X, n_samples, agreement)


@pytest.mark.parametrize(
    ("n_samples", "agreement"), [(100, 0.88), (1000, 0.96)], ids=["100", "1000"]
)
def test_student_agrees_with_a_logistic_regression_on_digits(n_samples, agreement):
    X, y = load_digits(return_X_y=True)
    X, rest, y, _ = train_test_split(
        X, y, train_size=n_samples, stratify=y, random_state=0
    )
    teacher = LogisticRegression(C=0.01, max_iter=500).fit(X, y)
    _check_agreement(teacher, np.concatenate([X, rest]), n_samples, agreement)


def _check_agreement(teacher, X, n_samples, agreement):
    """Distill without a label, and compare on rows that nobody has seen."""
    distiller = EnsembleDistiller([teacher], alpha=1.0, random_state=0).fit(
        X[:n_samples], np.full(n_samples, -1)
    )
    rest = X[n_samples:]
    assert (distiller.predict(rest) == teacher.predict(rest)).mean() > agreement


@pytest.mark.parametrize("n_samples", [1, 2, 5])
def test_student_of_very_few_rows_is_a_normal_fit(numbers, y, n_samples):
    distiller = distill(numbers[:n_samples], y[:n_samples])
    assert_array_equal(distiller.predict(numbers[:n_samples]), y[:n_samples])


def test_student_pickles_small_and_answers_alike(categorical):
    distiller, X = categorical
    packed = pickle.dumps(distiller)
    assert_array_equal(
        pickle.loads(packed).predict_proba(X), distiller.predict_proba(X)
    )
    weights = sum(p.numel() for p in distiller.student_["net"].module_.parameters())
    assert len(packed) < 2 * 4 * weights + 50_000  # float32, and little beside them


@pytest.mark.parametrize(
    "make",
    [np.asarray, np.float32, pd.DataFrame, sparse.csr_matrix, miss_every_seventh],
)
def test_fitted_student_answers_by_itself(numbers, y, make, quick):
    # skorch casts nothing: what reaches the net must be float32 already
    X = make(numbers)
    distiller = distill(X, y)
    proba = distiller.student_.predict_proba(X)
    assert_allclose(proba, distiller.predict_proba(X), atol=1e-6)
    assert_array_equal(distiller.student_.predict(X), distiller.predict(X))


def test_same_seed_gives_the_same_student(numbers, y, quick):
    once, again, other = (distill(numbers, y, random_state=s) for s in (0, 0, 1))
    expected = once.predict_proba(numbers)
    assert_array_equal(again.predict_proba(numbers), expected)
    assert (other.predict_proba(numbers) != expected).any()


# --- Errors -------------------------------------------------------------------------


test_what_the_built_in_student_cannot_read_is_an_error = check_errors(
    {
        "3-D X": (
            lambda w: w.fit_stub(student=None, X=w.X.reshape(60, 2, 2)),
            ValueError,
            "student=None takes tables, got an array with dim 3, shape (60, 2, 2)",
            "pass a student that reads it",
        ),
        "strings": (
            lambda w: w.fit_stub(student=None, X=["a text"] * 60),
            ValueError,
            "student=None takes tables: arrays, sparse matrices and DataFrames",
            "student=make_pipeline(TfidfVectorizer(), net)",
        ),
        "series of strings": (
            lambda w: w.fit_stub(student=None, X=pd.Series(["a text"] * 60)),
            ValueError,
            "got a list of strings or objects",
            "student=make_pipeline(TfidfVectorizer(), net)",
        ),
        "dates": (
            lambda w: w.fit_stub(student=None, X=with_dates(w.frame)),
            ValueError,
            "student=None cannot read columns of dates or durations, got ['day']",
            "turn them into numbers",
        ),
        "array of dates": (
            lambda w: w.fit_stub(
                student=None, X=with_dates(w.frame)[["day"]].to_numpy()
            ),
            ValueError,
            "student=None cannot read dates",
            "turn them into numbers",
        ),
        "infinity": (
            lambda w: w.fit_stub(student=None, X=with_value(w.X, np.inf)),
            ValueError,
            "X contains infinity",
            "too large for dtype('float32')",
        ),
        "infinity in a frame": (
            lambda w: w.fit_stub(student=None, X=w.frame.where(w.frame > 0, np.inf)),
            ValueError,
            "X contains infinity",
            "too large for dtype('float32')",
        ),
    }
)
