"""Synthetic rows are like the real ones, whatever a table holds."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars
import pytest
from hypothesis import given, settings
from numpy.testing import assert_array_equal
from scipy import sparse

from sk_ekd._data import read_data
from sk_ekd._synthetic import N_NEIGHBORS, _append, add_rows, find_neighbors, make_rows
from tests import tables
from tests.errors import check_errors
from tests.worlds import with_dates, with_value

N = 60


def draw(seed=0):
    return np.random.RandomState(seed)


def with_gaps(column):
    """Return a column as a Series, with every seventh value missing."""
    column = pd.Series(column)
    return column.where(np.arange(len(column)) % 7 > 0, None)


NUMBERS = {  # and whether other values than the observed ones are made
    "float64": (draw().randn(N), True),
    "float32": (draw().randn(N).astype(np.float32), True),
    "float16": (draw().randn(N).astype(np.float16), True),
    "int64": (draw().randint(0, 10_000, N), True),
    "uint8": (np.arange(N, dtype=np.uint8) * 4, True),
    "Int16": (pd.array(draw().randint(0, 10_000, N), dtype="Int16"), True),
    "Float32": (pd.array(draw().randn(N), dtype="Float32"), True),
    "Float64": (pd.array(draw().randn(N), dtype="Float64"), True),
    "objects": (draw().randn(N).astype(object), True),
    "objects that are ints": (np.arange(N).astype(object) * 7, True),
    "flags": (draw().randint(0, 2, N), False),
    "flags as floats": (draw().randint(0, 2, N).astype(float), False),
    "levels": (draw().choice([0.25, 0.5, 4.0], N), False),
    "bools": (draw().rand(N) > 0.5, False),
    "nullable bools": (pd.array(draw().rand(N) > 0.5, dtype="boolean"), False),
    "large ints": (2**60 + np.arange(N), False),
    "objects that are large ints": (10**20 * np.arange(N).astype(object), False),
    "constant": (np.full(N, 3.5), False),
    "decimals": (np.array([Decimal(i) / 8 for i in range(N)]), False),
    "numbers as text": (np.arange(N).astype(str).astype(object), False),
    "categories": (pd.Categorical(draw().randint(0, 3, N), [0, 1, 2, 5]), False),
    "words": (draw().choice(["a", "b", "c"], N).astype(object), False),
    "strings": (pd.array(draw().choice(["a", "b"], N), dtype="string"), False),
    "sparse": (pd.arrays.SparseArray(draw().randint(0, 3, N)), False),
}

if tables.pyarrow is not None:
    NUMBERS |= {
        "Arrow's": (pd.array(draw().randn(N), dtype="double[pyarrow]"), True),
        "Arrow's ints": (pd.array(np.arange(N) * 9, dtype="int32[pyarrow]"), True),
        "Arrow's text": (pd.array(["a", "b"] * (N // 2), "string[pyarrow]"), False),
    }


def table_of(column):
    """Return a frame of the column and another one."""
    return pd.DataFrame({"this": column, "other": np.arange(N) % 10})


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "with gaps"])
@pytest.mark.parametrize(("column", "is_new"), NUMBERS.values(), ids=NUMBERS)
def test_column_keeps_its_type_its_range_and_its_kind_of_values(column, is_new, gaps):
    X = table_of(with_gaps(column) if gaps else column)
    synthetic, _ = make_rows(X, 3, seed=0)
    assert len(synthetic) == 3 * N
    assert list(synthetic) == list(X)
    assert_array_equal(synthetic.dtypes, X.dtypes)
    assert_array_equal(_append(X, synthetic).dtypes, X.dtypes)
    real, made = (frame["this"].astype(object).dropna() for frame in (X, synthetic))
    assert set(map(type, made)) <= set(map(type, real))
    is_seen = np.isin(made.to_numpy(), real.to_numpy())
    assert is_new == (not is_seen.all())
    if is_new:
        assert real.min() <= made.min()
        assert made.max() <= real.max()
        if all(value == int(value) for value in real):
            assert all(value == int(value) for value in made)
    assert X["this"].isna().any() == synthetic["this"].isna().any()


@settings(max_examples=20)
@given(tables.tables())
def test_any_table_has_synthetic_rows_of_its_own_kind(X):
    synthetic, parents = make_rows(X, 2, seed=0)
    assert_array_equal(synthetic.dtypes, X.dtypes)
    assert len(synthetic) == len(parents) == 2 * len(X)
    for name in X:
        real, made = X[name], synthetic[name]
        pair = real.to_numpy(object)[parents]  # (m, 2)
        missing = pd.isna(pair)
        made_missing = made.isna().to_numpy()
        assert not made_missing[~missing.any(axis=1)].any()
        assert made_missing[missing.all(axis=1)].all()
        known = made.astype(object)[~made_missing]
        if not pd.api.types.is_numeric_dtype(real.dtype) and real.dtype != object:
            assert set(known) <= set(real.dropna().astype(object))


def test_value_comes_from_the_row_or_its_neighbor_or_from_between():
    X = draw().randn(N, 4).round(3)
    synthetic, parents = make_rows(X, 20, seed=0)
    own, other = X[parents[:, 0]], X[parents[:, 1]]
    is_own = synthetic == own
    assert 0.45 < is_own.mean() < 0.55
    distance = np.abs(own - other)
    step = ((synthetic - other) / distance)[~is_own & (distance > 0.05)]
    inside = np.abs(step[np.abs(step) < 2])  # not at the ends of the range
    assert abs(inside.std() - 0.3) < 0.05  # of half the absolute of a normal
    assert abs((inside < 0.5).mean() - 0.68) < 0.05


def test_same_missing_value_is_taken_and_none_is_made_up():
    missing = np.array([None, np.nan, pd.NA, "", "a", "b"] * 10, dtype=object)
    X = table_of(pd.Series(missing, dtype=object))
    words = make_rows(X, 5, seed=0)[0]["this"]
    assert set(map(repr, words)) == set(map(repr, missing))


def test_rows_by_seed():
    X = table_of(draw().randn(N))
    once, again, other = (make_rows(X, 2, seed)[0] for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(once, again)
    assert not once.equals(other)


def test_array_is_not_written_to():
    X = draw().randn(N, 3)
    X.flags.writeable = False
    before = X.copy()
    make_rows(X, 2, seed=0)
    assert_array_equal(X, before)


# --- Kinds of tables ----------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [float, np.float32, int, np.uint8, bool, object])
def test_array_stays_an_array(dtype, order):
    X = np.asarray(10 * np.abs(draw().randn(N, 3)), dtype=dtype, order=order)
    synthetic, _ = make_rows(X, 2, seed=0)
    assert type(synthetic) is np.ndarray
    assert synthetic.dtype == X.dtype
    assert synthetic.shape == (2 * N, 3)
    assert _append(X, synthetic).dtype == X.dtype


def test_array_of_text_stays_one():
    X = draw().choice(["a", "bc"], (N, 3))
    synthetic, _ = make_rows(X, 2, seed=0)
    assert synthetic.dtype == X.dtype


def test_list_of_rows_stays_one():
    X = [[i / 7, i * 3, "ab"[i % 2]] for i in range(N)]
    synthetic, _ = make_rows(X, 2, seed=0)
    assert isinstance(synthetic, list)
    assert {tuple(map(type, row)) for row in synthetic} == {(float, int, str)}
    assert len(_append(X, synthetic)) == 3 * N


def test_polars_frame_stays_one():
    X = polars.DataFrame(
        {
            "fraction": draw().randn(N),
            "number": polars.Series(range(N), dtype=polars.Int16),
            "word": polars.Series(
                ["x", "y", None] * (N // 3), dtype=polars.Categorical
            ),
            "flag": [True, False] * (N // 2),
        }
    )
    synthetic, _ = make_rows(X, 2, seed=0)
    assert synthetic.schema == X.schema
    assert set(synthetic["word"]) == set(X["word"])
    assert len(set(synthetic["fraction"]) - set(X["fraction"])) > N / 2
    assert synthetic["number"].is_between(0, N - 1).all()
    joined = _append(X, synthetic)
    assert joined[:N].equals(X)
    assert joined.height == 3 * N


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(N),
        pd.Index(np.arange(N)[::-1] * 3, name="id"),
        pd.Index(np.arange(N, dtype=np.uint64) + 2**63),
        pd.Index([f"row {i}" for i in range(N)], name="key"),
        pd.Index([pd.NA] * N, dtype="Int64"),
        pd.Index([pd.NA, *range(N - 1)], dtype="Int64"),
        pd.date_range("2024", periods=N),
        pd.MultiIndex.from_product([range(2), range(N // 2)]),
    ],
    ids=["range", "ints", "large ints", "text", "none", "one less", "dates", "levels"],
)
def test_real_rows_keep_their_labels_and_all_labels_their_type(index):
    X = pd.DataFrame(draw().randn(N, 2)).set_axis(index)
    joined = _append(X, make_rows(X, 2, seed=0)[0])
    how = {"check_index_type": False, "check_freq": False}
    pd.testing.assert_frame_equal(joined[:N], X, **how)
    assert joined.index.dtype == index.dtype
    assert joined.index.names == index.names
    if index.dtype == np.int64 and not isinstance(index, pd.MultiIndex):
        assert joined.index.is_unique


def test_labels_that_may_not_come_twice_come_twice_beside_synthetic_rows():
    names = [f"row {i}" for i in range(N)]
    X = pd.DataFrame(draw().randn(N, 2), names)
    X = X.set_flags(allows_duplicate_labels=False)
    joined = _append(X, make_rows(X, 2, seed=0)[0])
    assert list(joined.index) == 3 * names
    assert not X.flags.allows_duplicate_labels


def test_column_names_of_several_levels_are_kept():
    X = pd.DataFrame(draw().randn(N, 2))
    X.columns = pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])
    assert make_rows(X, 1, seed=0)[0].columns.equals(X.columns)


# --- Few rows, and equal ones -------------------------------------------------------


@pytest.mark.parametrize("n_samples", range(1, 8))
def test_few_rows(n_samples):
    X = draw().randn(n_samples, 3)
    synthetic, parents = make_rows(X, 4, seed=0)
    assert synthetic.shape == (4 * n_samples, 3)
    if n_samples == 1:
        assert_array_equal(synthetic, np.tile(X, (4, 1)))
    else:
        assert (parents[:, 0] != parents[:, 1]).all()


@pytest.mark.parametrize(
    "X",
    [
        np.ones((N, 2)),
        np.tile(draw().randn(1, 3), (N, 1)),
        pd.DataFrame({"word": ["a"] * N}),
        pd.DataFrame({"none": [None] * N, "nan": [np.nan] * N}),
    ],
    ids=["ones", "one row", "one word", "nothing"],
)
def test_constant_table_has_rows_like_its_own(X):
    synthetic, _ = make_rows(X, 2, seed=0)
    twice = pd.DataFrame(_append(X, X)).reset_index(drop=True)
    assert pd.DataFrame(synthetic).reset_index(drop=True).equals(twice)


def test_duplicates_are_mixed_with_one_another():
    X = np.repeat(draw().randn(2, 3), 30, axis=0)
    synthetic, _ = make_rows(X, 2, seed=0)
    assert {*map(tuple, synthetic)} == {*map(tuple, X)}


# --- Neighbors ----------------------------------------------------------------------


def rng(seed=0):
    return np.random.default_rng(seed)


def nearest_by_hand(Z):
    distance = np.linalg.norm(Z[:, np.newaxis] - Z, axis=2)
    np.fill_diagonal(distance, np.inf)
    return distance.argsort(axis=1)[:, :N_NEIGHBORS]


@pytest.mark.parametrize("block", [1, 50, 10**6])
def test_neighbors_are_the_nearest_others(monkeypatch, block):
    monkeypatch.setattr("sk_ekd._synthetic.BLOCK_VALUES", block * N)
    Z = 100 * draw().randn(N, 3).astype(np.float32)
    near = find_neighbors(Z, rng())
    assert_array_equal(np.sort(near), np.sort(nearest_by_hand(Z)))


def test_neighbors_among_drawn_rows(monkeypatch):
    monkeypatch.setattr("sk_ekd._synthetic.MOST_SEARCHED", 20)
    Z = draw().randn(N, 3).astype(np.float32)
    near = find_neighbors(Z, rng())
    assert near.shape == (N, N_NEIGHBORS)
    assert len(np.unique(near)) <= 20
    assert (near != np.arange(N)[:, np.newaxis]).all()


def test_equally_near_rows_are_not_the_same_few_for_all():
    Z = np.eye(40, dtype=np.float32)[np.arange(40)]
    near = find_neighbors(Z, rng())
    assert np.bincount(near.ravel(), minlength=40).max() < 15


def test_category_is_part_of_the_distance():
    words = np.array(["a", "b"])[np.arange(N) % 2]
    X = pd.DataFrame({"word": words, "number": draw().randn(N) / 100})
    _, parents = make_rows(X, 5, seed=0)
    assert_array_equal(words[parents[:, 0]], words[parents[:, 1]])


# --- Data ---------------------------------------------------------------------------


def test_data_keeps_its_rows_and_synthetic_ones_stand_at_the_end():
    X, weight = draw().randn(N, 3), draw().randint(0, 3, N)
    y = np.where(np.arange(N) % 2, -1, 1)
    _, data = read_data(X, y, weight, -1)
    data = data._replace(y=np.where(data.labeled, 1, -1))
    more = add_rows(data, 2, draw())
    n = len(data.y)
    assert n < N
    assert_array_equal(more.X[:n], data.X)
    for before, after in zip(data[1:5], more[1:5], strict=True):
        assert_array_equal(after[:n], before)
        assert len(after) == 3 * n
    assert not more.labeled[n:].any()
    assert (more.y[n:] == -1).all()
    assert (more.index[n:] == -1).all()
    assert_array_equal(more.weight[n:], np.tile(data.weight, 2))
    assert more.n_samples == N
    assert more.parents.shape == (2 * n, 2)


def test_no_synthetic_row_draws_nothing():
    _, data = read_data(draw().randn(N, 3), None, None, -1)
    assert add_rows(data, 0, rng=None) is data


def test_line_says_how_many_there_are(capsys):
    _, data = read_data(draw().randn(500, 3), None, None, -1)
    add_rows(data._replace(y=np.full(500, -1)), 3, draw(), verbose=1)
    assert " s   1,500 synthetic rows\n" in capsys.readouterr().out


# --- Errors -------------------------------------------------------------------------

TEXTS = [f"the text {i}" for i in range(N)]


def make(X):
    return lambda world: make_rows(X, 1, seed=0)


test_what_is_no_table_is_an_error = check_errors(
    {
        "sparse": (
            make(sparse.eye_array(N, format="csr")),
            ValueError,
            "`synthetic` mixes the columns of dense tables, got a sparse one",
            "pass X.toarray(), or set synthetic=0",
        ),
        "sparse frame": (
            make(pd.DataFrame(np.eye(N)).astype(pd.SparseDtype(float, 0))),
            ValueError,
            "got a sparse one",
            "set synthetic=0",
        ),
        "images": (
            make(np.zeros((N, 8, 8))),
            ValueError,
            "got ndarray of shape (60, 8, 8): texts and images have no columns",
            "Set synthetic=0",
        ),
        "texts": (
            make(TEXTS),
            ValueError,
            "got list of shape (60,): texts and images have no columns",
            "Set synthetic=0",
        ),
        "a Series of texts": (
            make(pd.Series(TEXTS)),
            ValueError,
            "got Series of shape (60,)",
            "Set synthetic=0",
        ),
        "an array of texts": (
            make(np.array(TEXTS)),
            ValueError,
            "got ndarray of shape (60,)",
            "Set synthetic=0",
        ),
        "a column of texts": (
            make(pd.DataFrame({"text": TEXTS})),
            ValueError,
            "got text only, in which hardly a value comes twice",
            "Set synthetic=0",
        ),
        "dates": (
            make(with_dates(pd.DataFrame({"a": range(N)}))),
            ValueError,
            "columns of dates or durations, got ['day']",
            "if this cannot be changed, set synthetic=0",
        ),
        "infinite": (
            make(with_value(draw().randn(N, 3), np.inf)),
            ValueError,
            "contains infinity",
            "set synthetic=0",
        ),
    }
)
