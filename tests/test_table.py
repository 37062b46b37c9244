"""The built-in student reads a table as it was at fit, whatever it is stored as."""

import datetime
import io
import json
import pickle
import warnings
from decimal import Decimal
from fractions import Fraction
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sk_ekd import EnsembleDistiller, _estimator, _table
from sk_ekd.students import default_student
from tests.errors import check_errors
from tests.students.test_default import TEXT, N, Oracle, distill
from tests.tables import DRIFTS, tables
from tests.worlds import make_net

VALUES = np.random.RandomState(0).randn(N, 2)
FLAG = VALUES[:, 0] > 0.5
WORDS = TEXT[np.random.RandomState(1).randint(0, 3, N)]


def fit_encoder(X):
    """Return the built-in student's preprocessing, fitted."""
    return default_student(X)["preprocessing"].fit(X)


def encode(X, X_new):
    """Encode rows by what the built-in student has learned of others."""
    encoded = fit_encoder(X).transform(X_new)
    return encoded.toarray() if sparse.issparse(encoded) else np.asarray(encoded)


def quick_student(X, epochs=12):
    return default_student(X).set_params(net__max_epochs=epochs)


@pytest.fixture(scope="module")
def mixed():
    """A frame of all kinds of columns, and a distiller that was fitted to it."""
    X = pd.DataFrame(
        {
            "number": VALUES[:, 0],
            "count": np.arange(N) % 9,
            "flag": FLAG,
            "word": pd.Categorical(WORDS),
            "text": np.where(WORDS == "x", "yes", "no"),
        }
    )
    X.loc[::7, "number"] = np.nan
    y = (FLAG ^ (WORDS == "x")).astype(int)
    return X, distill(X, y, student=quick_student(X))


# --- Other containers -----------------------------------------------------------------


@pytest.mark.parametrize(
    "convert", [pd.DataFrame.to_numpy, lambda X: X.to_numpy().tolist()]
)
def test_array_and_list_are_read_by_position_after_a_frame(mixed, convert):
    X, distiller = mixed
    with pytest.warns(UserWarning, match="does not have valid feature names") as caught:
        proba = distiller.predict_proba(convert(X))
    assert len(caught) == 1
    assert_array_equal(proba, distiller.predict_proba(X))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_tables_of_other_libraries_are_read_after_a_frame(mixed, library):
    X, distiller = mixed
    assert_array_equal(
        distiller.predict_proba(convert_to(X, library)), distiller.predict_proba(X)
    )


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frame_is_read_after_tables_of_other_libraries(mixed, library):
    X, _ = mixed
    table = convert_to(X, library)
    distiller = distill(table, FLAG.astype(int), student=quick_student(table, 1))
    assert_array_equal(
        distiller.predict_proba(X.astype({"word": object})),
        distiller.predict_proba(table),
    )


def convert_to(X, library):
    module = pytest.importorskip(library, exc_type=ImportError)
    if library == "pyarrow":
        return module.Table.from_pandas(X, preserve_index=False)
    return module.from_pandas(X.astype({"word": object}))


class Foreign:
    """A table of a library that has lost its way to pandas, as polars has alone."""

    def __init__(self, frame):
        self.frame, self.shape, self.columns = frame, frame.shape, list(frame.columns)

    def to_pandas(self):
        raise ModuleNotFoundError("pyarrow is required")

    def to_dict(self, *, as_series):
        return self.frame.to_dict("list")


def test_polars_needs_no_arrow(mixed):
    X, _ = mixed
    X = X.astype({"word": object})
    assert_array_equal(encode(X, Foreign(X)), encode(X, X))


@pytest.mark.parametrize("numeric", [True, False], ids=["numbers", "mixed"])
def test_columns_in_another_order_are_an_error(mixed, numeric):
    X = mixed[0][["number", "count"]] if numeric else mixed[0]
    student = quick_student(X, 1)
    distiller = distill(X, FLAG.astype(int), student=student)
    for model in (distiller, distiller.student_):
        with pytest.raises(ValueError, match="in the same order"):
            model.predict_proba(X[X.columns[::-1]])
        with pytest.raises(ValueError, match="features"):
            model.predict_proba(X.to_numpy()[:, :1])


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_sparse_frame_is_read_as_its_values(fill):
    dense = pd.DataFrame(np.where(VALUES > 0.5, VALUES, fill), columns=["a", "b"])
    frame = dense.astype(pd.SparseDtype(float, fill))
    y = (VALUES[:, 0] > 0.5).astype(int)
    distiller = distill(frame, y, student=quick_student(frame))
    assert (distiller.predict(frame) == y).mean() > 0.95
    assert_array_equal(distiller.predict_proba(dense), distiller.predict_proba(frame))
    assert_array_equal(encode(dense, frame), encode(dense, dense))


def test_sparse_columns_of_a_mixed_frame_are_numbers():
    frame = pd.DataFrame({"a": VALUES[:, 0].round(), "b": WORDS})
    thin = frame.assign(a=frame["a"].astype(pd.SparseDtype(float, 0.0)))
    assert_array_equal(encode(frame, thin), encode(frame, frame))
    assert_array_equal(encode(thin, frame), encode(frame, frame))


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.coo_array])
def test_dense_and_sparse_rows_are_alike(make):
    dense = VALUES * (VALUES > 0)
    assert_array_equal(encode(dense, make(dense)), encode(dense, dense))
    assert_array_equal(encode(make(dense), dense), encode(make(dense), make(dense)))


@pytest.mark.parametrize("dtype", [float, np.float32, int, object])
def test_what_is_masked_is_missing(dtype):
    values = np.ma.array((10 * VALUES).astype(dtype), mask=VALUES > 1)
    values.data[values.mask] = 99
    missing = np.where(VALUES > 1, np.nan, values.data.astype(float))
    assert_array_equal(encode(values, values), encode(missing, missing))
    y = FLAG.astype(int)
    distiller = distill(values, y, student=quick_student(values, 1))
    assert_array_equal(
        distiller.predict_proba(values), distiller.predict_proba(missing)
    )


def test_mask_reaches_teachers_and_nets_as_missing_values():
    X, y = np.ma.array(VALUES, mask=VALUES > 1), FLAG.astype(int)
    with pytest.raises(ValueError, match="NaN"):
        EnsembleDistiller([LogisticRegression()], cv=2).fit(X, y)
    distiller = EnsembleDistiller([Oracle(y)], make_net()).fit(VALUES, y)
    for model in (distiller, EnsembleDistiller([Oracle(y)], make_net())):
        with pytest.raises(ValueError, match="NaN"):
            model.predict(X) if model is distiller else model.fit(X, y)


# --- The same column, stored otherwise ------------------------------------------------


def _objects(values):
    return pd.Series(values, dtype=object)


FLAGS = {
    "bool": lambda flag: flag,
    "int": lambda flag: flag.astype(int),
    "uint8": lambda flag: flag.astype(np.uint8),
    "float": lambda flag: flag.astype(float),
    "float32": lambda flag: flag.astype(np.float32),
    "boolean": lambda flag: pd.array(flag, dtype="boolean"),
    "Int64": lambda flag: pd.array(flag, dtype="Int64"),
    "Float64": lambda flag: pd.array(flag.astype(float), dtype="Float64"),
    "object": lambda flag: _objects(flag.tolist()),
    "object of ints": lambda flag: _objects(flag.astype(int).tolist()),
    "Decimal": lambda flag: _objects([Decimal(int(value)) for value in flag]),
    "true": lambda flag: np.where(flag, "true", "false"),
    "True": lambda flag: _objects(np.where(flag, "True", "False").tolist()),
    "1": lambda flag: np.where(flag, "1", "0"),
    "1.0": lambda flag: pd.array(np.where(flag, "1.0", "0.0"), dtype="string"),
    "category": lambda flag: pd.Categorical(flag),
    "category of ints": lambda flag: pd.Categorical(flag.astype(int)),
    "category of floats": lambda flag: pd.Categorical(flag.astype(float)),
    "sparse": lambda flag: pd.arrays.SparseArray(flag.astype(float)),
}


@pytest.mark.parametrize("kind", FLAGS)
@pytest.mark.parametrize("alone", [True, False])
def test_flag_of_any_type_is_the_same_flag(kind, alone):
    frame = pd.DataFrame(index=range(N)) if alone else pd.DataFrame({"word": WORDS})
    X = frame.assign(flag=FLAGS[kind](FLAG))
    encoder = fit_encoder(X)
    expected = _dense(encoder.transform(X))
    assert len(np.unique(expected, axis=0)) == (2 if alone else 6)
    for other, convert in FLAGS.items():
        X_new = frame.assign(flag=convert(FLAG))
        assert_array_equal(_dense(encoder.transform(X_new)), expected, other)


def _dense(encoded):
    return encoded.toarray() if sparse.issparse(encoded) else encoded


MISSING = {
    "float": lambda flag, gap: np.where(gap, np.nan, flag),
    "boolean": lambda flag, gap: pd.array(_with_gaps(flag, gap, pd.NA), "boolean"),
    "Int64": lambda flag, gap: pd.array(_with_gaps(flag * 1, gap, pd.NA), "Int64"),
    "object, None": lambda flag, gap: _with_gaps(flag, gap, None),
    "ints, NaN": lambda flag, gap: _with_gaps(flag.astype(int), gap, np.nan),
    "text, NA": lambda flag, gap: _with_gaps(
        np.where(flag, "true", "false"), gap, pd.NA
    ),
    "text, empty": lambda flag, gap: _with_gaps(np.where(flag, "1", "0"), gap, ""),
}


def _with_gaps(values, gap, missing):
    values = pd.Series(values.tolist(), dtype=object)
    values[gap] = missing
    return values


@pytest.mark.parametrize("kind", [kind for kind in MISSING if kind != "text, empty"])
def test_flag_with_missing_values_of_any_type_is_the_same_flag(kind):
    gap, frame = np.arange(N) % 5 == 0, pd.DataFrame({"word": WORDS})
    X = frame.assign(flag=MISSING[kind](FLAG, gap))
    encoder = fit_encoder(X)
    expected = encoder.transform(X)
    assert len(np.unique(expected, axis=0)) == 3 * 3
    for other, convert in MISSING.items():
        X_new = frame.assign(flag=convert(FLAG, gap))
        assert_array_equal(encoder.transform(X_new), expected, other)


NUMBERS = {
    "float": lambda x: x,
    "nullable": lambda x: pd.array(x, dtype="Float64"),
    "object": lambda x: _objects(x.tolist()),
    "Decimal": lambda x: _objects([Decimal(str(value)) for value in x]),
    "Fraction": lambda x: _objects([Fraction(value) for value in x.tolist()]),
    "text": lambda x: [str(value) for value in x],
    "string": lambda x: pd.array([str(value) for value in x], dtype="string"),
    "exponents": lambda x: [f"{value:.20e}" for value in x],
    "text and numbers": lambda x: _objects([str(x[0]), *x[1:]]),
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("known", [True, False], ids=["all known", "some missing"])
def test_number_of_any_type_is_the_same_number(kind, known):
    x = VALUES[:, 0].round(3)
    frame = pd.DataFrame({"word": WORDS})
    expected = encode(frame.assign(x=_gaps(x, known)), frame.assign(x=_gaps(x, known)))
    X = frame.assign(x=_gaps(NUMBERS[kind](x), known))
    assert_array_equal(encode(X, X), expected)
    assert_array_equal(encode(frame.assign(x=_gaps(x, known)), X), expected)
    assert_array_equal(encode(X, frame.assign(x=_gaps(x, known))), expected)


@pytest.mark.parametrize("text", ["", " ", "nan", "None", "<NA>", "NA ", "N/A", "null"])
@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_missing_number_may_be_written_as_text(text, dtype):
    x = VALUES[:, 0].round(3)
    X = pd.DataFrame({"x": _gaps(x, known=False), "word": WORDS})
    written = X.assign(x=[text if np.isnan(v) else str(v) for v in X["x"]])
    assert_array_equal(encode(X, written.astype({"x": dtype})), encode(X, X))
    if dtype != "category":  # which at fit is one
        written = written.astype({"x": dtype})
        assert_array_equal(encode(written, written), encode(X, X))
        assert_array_equal(encode(written, X), encode(X, X))


def test_missing_number_may_be_text_beside_numbers():
    X = pd.DataFrame({"x": _gaps(VALUES[:, 0], known=False), "word": WORDS})
    written = X.assign(x=X["x"].astype(object).where(X["x"].notna(), "NA"))
    assert_array_equal(encode(written, written), encode(X, X))


@pytest.mark.parametrize("texts", [["", "NA"], ["1", "?"]])
def test_text_that_is_no_number_is_a_category(texts):
    X = pd.DataFrame({"x": np.array(texts, dtype=object)[np.arange(N) % 2]})
    assert_array_equal(np.unique(encode(X, X), axis=0), [[0, 1], [1, 0]])


def _gaps(values, known):
    values = pd.Series(values)
    return values if known else values.where(np.arange(N) % 4 > 0)


def test_codes_with_leading_zeros_stay_categories():
    X = pd.DataFrame({"code": [f"{i % 12:03d}" for i in range(N)]})
    assert encode(X, X).shape == (N, 12)


def test_large_integers_stay_apart_as_categories():
    # as floats, which they would be beside a column of floats, they are one number
    ids = 2**60 + np.arange(N) % 3
    X = pd.DataFrame({"id": pd.Categorical(ids), "a": VALUES[:, 0]})
    assert_array_equal(encode(X, X.assign(id=ids)), encode(X, X))


@pytest.mark.parametrize("dtype", ["float32", "Float32", "Float64", str, object])
def test_fractions_as_categories_are_read_alike_from_any_numbers(dtype):
    # as a Python float, 0.1 of float32 is 0.10000000149011612; and -0.0 is 0
    doses = np.array([0.1, 1.812, -0.0])[np.arange(N) % 3]
    X = pd.DataFrame({"dose": pd.Categorical(doses), "word": WORDS})
    as_stored = X.assign(dose=doses.astype(object)).astype({"dose": dtype})
    assert_array_equal(encode(X, as_stored), encode(X, X))
    assert_array_equal(encode(X, as_stored.astype({"dose": "category"})), encode(X, X))


REWRITTEN = {
    "zip codes": (["01234", "02138", "94110"], [1234, 2138, 94110]),
    "months": (["01", "02", "12"], [1.0, 2.0, 12.0]),
    "trailing zeros": (["1.50", "2.50", "x"], [1.5, 2.5, "x"]),
    "exponents": (["1e5", "2e5", "x"], [100000, 200000, "x"]),
    "exponents as text": (["1e5", "2e5", "x"], ["100000", "200000.0", "x"]),
    "float32": ([0.1, 0.3, 7.0], [np.float32(v).item() for v in (0.1, 0.3, 7)]),
    "beyond int64": ([1e22, 3e22, 5.0], ["1e+22", "3e+22", "5.0"]),
    "signs": (["+1", "-1", "x"], [1, -1, "x"]),
}


@pytest.mark.parametrize("kind", REWRITTEN)
def test_category_is_found_by_its_number_where_its_text_was_rewritten(kind):
    values, rewritten = (
        _objects([column[i % 3] for i in range(N)]) for column in REWRITTEN[kind]
    )
    X = pd.DataFrame({"code": values.astype("category"), "word": WORDS})
    assert_array_equal(encode(X, X.assign(code=rewritten)), encode(X, X))


@pytest.mark.parametrize(
    ("fitted", "value"),
    [
        (["01", "1.50", "x"], 3),
        (["01", "001", "x"], 1.0),
        (["01", "10", "x"], "1_0.0"),
        ([1000000001, 2, 3], 1000000002),  # the same in float32
        ([10**17 + 1, 2, 3], 10**17 + 5),  # in float64
        (["1e999", "2", "x"], np.inf),
    ],
    ids=["unknown", "two of one number", "no number", "float32", "float64", "infinite"],
)
def test_number_that_is_not_exactly_one_category_is_none(fitted, value):
    X = pd.DataFrame({"code": _objects(fitted * 9).astype("category")})
    assert not encode(X, pd.DataFrame({"code": _objects([value])})).any()


def test_zip_codes_survive_csv_and_json():
    codes = ["01234", "02138", "94110"]
    X = pd.DataFrame({"zip": [codes[i % 3] for i in range(N)], "a": VALUES[:, 0]})
    through_csv = pd.read_csv(io.StringIO(X.to_csv(index=False)))
    through_json = pd.read_json(io.StringIO(X.to_json(orient="records")))
    for X_new in (through_csv, through_json):
        assert_allclose(encode(X, X_new), encode(X, X), atol=1e-6)


@pytest.mark.parametrize("text", ["None", "nan", "", "NA", "<NA>"])
def test_missing_category_is_read_alike_as_text_and_as_missing(text):
    words = np.array(["yes", "no", "never", None] * 9, dtype=object)
    written = np.where(pd.isna(words), text, words)
    frames = [pd.DataFrame({"word": column}) for column in (words, written)]
    for fitted in frames:
        encoded = [encode(fitted, new) for new in frames]
        assert_array_equal(*encoded)
        assert encoded[0].sum(axis=1).tolist() == [1] * 36


def test_missing_category_and_its_text_stay_apart_where_fit_saw_both():
    words = pd.DataFrame({"word": np.array(["yes", "None", None] * 9, dtype=object)})
    assert encode(words, words).sum(axis=0).tolist() == [9, 9, 9]


def test_category_of_text_is_read_alike_from_bools_and_words():
    words = np.array(["true", "false", "unknown"], dtype=object)[np.arange(N) % 3]
    X = pd.DataFrame({"word": words, "number": VALUES[:, 0]})
    as_read = _objects(
        [{"true": True, "false": False}.get(word, word) for word in words]
    )
    assert_array_equal(encode(X, X.assign(word=as_read)), encode(X, X))


def test_table_that_went_through_a_file_gets_the_same_answer(mixed):
    X, distiller = mixed
    expected = distiller.predict_proba(X)
    through_csv = pd.read_csv(io.StringIO(X.to_csv(index=False)))
    through_text = pd.read_csv(io.StringIO(X.to_csv(index=False)), dtype=str)
    through_json = pd.DataFrame(json.loads(X.to_json(orient="records")))
    for X_new in (through_csv, through_text, through_json, X.convert_dtypes()):
        assert_allclose(distiller.predict_proba(X_new), expected, atol=1e-6)
    float32 = X.astype({"number": np.float32, "count": np.float32, "flag": np.float32})
    assert_allclose(distiller.predict_proba(float32), expected, atol=1e-5)
    one_row = pd.DataFrame([json.loads(X.iloc[1].to_json())])
    assert_allclose(distiller.predict_proba(one_row), expected[1:2], atol=1e-6)


# --- Nothing to learn from ------------------------------------------------------------


CONSTANT = {
    "year": (2024, 2034),
    "float": (0.1, 7.5),
    "flag": (True, False),
    "text": ("same", "other"),
    "category": (pd.Categorical(["a"] * N), pd.Categorical(["b"] * N)),
    "text then number": ("same", 5),
    "number then text": (5, "other"),
    "number then missing": (5, np.nan),
    "missing": (np.nan, 3.0),
    "None": (_objects([None] * N), "word"),
    "None then number": (_objects([None] * N), 3),
    "NA": (pd.array([pd.NA] * N, dtype="Int64"), 3),
}


@pytest.mark.parametrize("kind", CONSTANT)
@pytest.mark.parametrize("beside", ["numbers", "words"])
def test_column_without_spread_at_fit_has_no_influence(kind, beside):
    before, after = CONSTANT[kind]
    frame = pd.DataFrame({"a": VALUES[:, 0]} if beside == "numbers" else {"a": WORDS})
    X = frame.assign(column=before)
    assert_array_equal(encode(X, X.assign(column=after)), encode(X, X))


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (make, value)
        for make in (np.asarray, np.float32, sparse.csr_matrix)
        for value in (0.0, 0.1, 2024.0, np.nan)
        if make is not sparse.csr_matrix or value == value  # NaN is an error there
    ],
)
def test_column_of_an_array_without_spread_has_no_influence(make, value):
    X = np.column_stack([VALUES, np.full(N, value)])
    X_new = np.column_stack([VALUES, np.full(N, 2034.0)])
    assert_array_equal(encode(make(X), make(X_new)), encode(make(X), make(X)))


def test_where_one_value_is_known_only_its_absence_counts():
    x = np.where(FLAG, 5.0, np.nan)
    X = np.column_stack([VALUES, x])
    other = np.column_stack([VALUES, np.where(FLAG, 7.0, np.nan)])
    encoded = encode(X, X)
    assert_array_equal(encode(X, other), encoded)
    assert len(np.unique(encoded[:, 2:], axis=0)) == 2


def test_student_ignores_a_year_that_was_the_same_for_all_rows():
    y = (VALUES[:, 0] > 0).astype(int)
    X = pd.DataFrame(VALUES, columns=["a", "b"]).assign(year=2024)
    distiller = distill(X, y, student=quick_student(X))
    assert_array_equal(
        distiller.predict_proba(X.assign(year=2034)), distiller.predict_proba(X)
    )


@pytest.mark.parametrize(
    "make", [np.asarray, np.float32, pd.DataFrame, sparse.csr_matrix, "mixed"]
)
@pytest.mark.parametrize("far", [np.inf, -np.inf, np.nan])
def test_column_without_spread_at_fit_may_become_infinite(make, far):
    X = np.column_stack([VALUES, np.full(N, 5.0)])
    X_new = np.column_stack([VALUES, np.full(N, far)])
    if make == "mixed":
        X, X_new = (pd.DataFrame(rows).assign(word=WORDS) for rows in (X, X_new))
        X.columns = X_new.columns = list("abcd")
        make = pd.DataFrame
    assert_array_equal(encode(make(X), make(X_new)), encode(make(X), make(X)))


def test_infinity_is_as_good_as_the_one_value_that_fit_knew():
    X = np.column_stack([VALUES, np.where(FLAG, 5.0, np.nan)])
    far = np.column_stack([VALUES, np.where(FLAG, np.inf, np.nan)])
    assert_array_equal(encode(X, far), encode(X, X))


# --- Scale ----------------------------------------------------------------------------


@pytest.mark.parametrize("start", [4e15, 4_000_000_000_000_000, 1e12])
def test_student_is_no_worse_with_a_row_number(start):
    rng = np.random.RandomState(0)
    X = rng.randn(1200, 3)
    y = (X[:, 0] > 0).astype(int)
    with_id = np.column_stack([X, start + rng.permutation(1200)])
    plain, numbered = (
        distill(rows[:600], y[:600], student=quick_student(rows[:600]))
        for rows in (X, with_id)
    )
    score = (plain.predict(X[600:]) == y[600:]).mean()
    assert (numbered.predict(with_id[600:]) == y[600:]).mean() > score - 0.02
    # and of rows to come
    with_id[:, 3] += 1200
    assert (numbered.predict(with_id[600:]) == y[600:]).mean() > score - 0.08


def test_row_numbers_are_standardized():
    X = np.column_stack([VALUES, 4e15 + np.arange(N)])
    encoded = encode(X, X)[:, 2]
    assert abs(encoded.mean()) < 1e-3
    assert 0.9 < encoded.std() <= 1


@pytest.mark.parametrize("dtype", [int, float, bool, np.uint8])
@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame])
def test_rare_flag_is_not_far_out(dtype, make):
    flag = (np.arange(2000) % 1000 == 0).astype(dtype)
    X = make(np.column_stack([flag, flag]))
    assert abs(encode(X, X)).max() <= 2


def test_rare_flag_of_ints_is_learned_like_one_of_bools():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.randn(2000, 3), columns=["a", "b", "c"])
    flags = rng.rand(2000, 10) < 0.01
    y = ((X["a"] > 0) ^ flags.any(axis=1)).astype(int).to_numpy()
    found = []
    for dtype in (bool, int, float):
        rows = X.join(pd.DataFrame(flags.astype(dtype)).add_prefix("flag"))
        distiller = distill(rows, y, student=quick_student(rows))
        found.append(distiller.predict_proba(rows))
    assert_array_equal(found[1], found[0])
    assert_array_equal(found[2], found[0])
    flagged = flags.any(axis=1)
    assert (found[0].argmax(axis=1) == y)[flagged].mean() > 0.9


@pytest.mark.parametrize("far", [1e6, 3e38, -3e38, np.float32(3e38)])
@pytest.mark.parametrize(
    "make", [np.asarray, np.float32, pd.DataFrame, sparse.csr_matrix]
)
def test_far_value_at_prediction_has_a_bounded_influence(far, make):
    y = (VALUES[:, 0] > 0).astype(int)
    distiller = distill(make(VALUES), y, student=quick_student(make(VALUES)))
    X = VALUES.copy()
    X[:, 1] = far
    proba = distiller.predict_proba(make(X))
    assert np.isfinite(proba).all()
    assert abs(encode(make(VALUES), make(X))).max() <= 5
    if make is not sparse.csr_matrix:  # whose unit is the largest value
        assert (proba.argmax(axis=1) == y).mean() > 0.7


@pytest.mark.parametrize("far", [1e9, 3e38, 1e300])
def test_far_value_at_fit_leaves_the_others_their_scale(far):
    X = VALUES.copy()
    X[0, 0] = far
    assert_allclose(encode(X, X)[1:], encode(VALUES, VALUES)[1:], atol=0.2)


def test_usual_values_are_all_but_standardized():
    expected = (VALUES - VALUES.mean(axis=0)) / VALUES.std(axis=0)
    is_usual = abs(expected) < 1
    encoded = encode(VALUES, VALUES)
    assert_allclose(encoded[is_usual], expected[is_usual], rtol=0.02)
    assert (np.sign(encoded) == np.sign(expected)).all()


# --- What it cannot read --------------------------------------------------------------


DAY = datetime.date(2024, 5, 17)
DATES = {
    "date": _objects([DAY] * N),
    "date or None": _objects([None, DAY] * (N // 2)),
    "datetime": _objects([datetime.datetime(2024, 5, 17)] * N),
    "time": _objects([datetime.time(5, 17)] * N),
    "timedelta": _objects([datetime.timedelta(1)] * N),
    "Timestamp": _objects([pd.Timestamp(0)] * N),
    "datetime64": pd.Series([pd.Timestamp(0)] * N),
    "with a zone": pd.Series([pd.Timestamp(0, tz="UTC")] * N),
    "Period": pd.Series(pd.period_range("2024-01-01", periods=N)),
    "Period object": _objects([pd.Period("2024")] * N),
    "NumPy's": _objects([np.datetime64("2024-05-17")] * N),
}


@pytest.mark.parametrize("kind", DATES)
def test_dates_of_any_type_are_refused(kind):
    X = pd.DataFrame({"a": VALUES[:, 0], "day": DATES[kind]})
    with pytest.raises(ValueError, match=r"dates or durations, got \['day'\]: turn"):
        distill(X, FLAG.astype(int))


def test_late_date_is_refused_too():
    day = _objects([None] * 1500 + [DAY] * 10)
    X = pd.DataFrame({"a": np.arange(1510.0), "day": day})
    with pytest.raises(ValueError, match=r"dates or durations, got \['day'\]: turn"):
        fit_encoder(X)


ARROW = {
    "bool": FLAG.tolist(),
    "int64": range(N),
    "float32": VALUES[:, 0].tolist(),
    "string": WORDS.tolist(),
    "date32": [DAY] * N,
    "timestamp[ms]": [datetime.datetime(2024, 5, 17)] * N,
    "duration[s]": [datetime.timedelta(1)] * N,
}


@pytest.mark.parametrize("kind", ARROW)
def test_arrow_types_of_pandas_are_read_like_others(kind):
    pytest.importorskip("pyarrow", exc_type=ImportError)
    values = pd.Series(list(ARROW[kind]), dtype=f"{kind}[pyarrow]")
    X = pd.DataFrame({"a": values, "b": VALUES[:, 0]})
    if kind.startswith(("date", "time", "dur")):
        with pytest.raises(ValueError, match=r"dates or durations, got \['a'\]: turn"):
            fit_encoder(X)
        return
    plain = X.assign(a=list(ARROW[kind]))
    assert_allclose(encode(X, X), encode(plain, plain), atol=1e-6)
    assert_allclose(encode(plain, X), encode(plain, plain), atol=1e-6)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_dates_of_other_libraries_are_refused(library):
    pytest.importorskip("pyarrow", exc_type=ImportError)  # polars asks it for dates
    X = convert_to(pd.DataFrame({"day": [DAY] * N, "word": WORDS}), library)
    with pytest.raises(ValueError, match=r"dates or durations, got \['day'\]: turn"):
        default_student(X)


def test_text_that_is_nearly_all_distinct_is_warned_of_once(recwarn):
    names = [f"person {i}" for i in range(N)]
    X = pd.DataFrame({"a": VALUES[:, 0], "name": names, "word": WORDS})
    distiller = distill(X, FLAG.astype(int), student=quick_student(X, 1))
    distiller.predict(X)
    (warning,) = (str(w.message) for w in recwarn)
    assert f"Column 'name' is text with {N} distinct values in {N} rows" in warning


def test_words_that_come_again_are_not_warned_of(mixed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_encoder(mixed[0])
        fit_encoder(mixed[0][:5])  # few rows tell nothing


test_what_is_not_as_it_was_at_fit_is_an_error = check_errors(
    {
        "text in place of numbers": (
            lambda w: fit_encoder(w.frame).transform(
                w.frame.assign(**{w.frame.columns[0]: "far"})
            ),
            ValueError,
            "must hold numbers, as it did when the student was fitted, got 'far'",
            "turn it into a number, or into a missing value",
        ),
        "no rows": (
            lambda w: fit_encoder(VALUES).transform(VALUES[:0]),
            ValueError,
            "Found array with 0 sample(s) (shape=(0, 2))",
            "while a minimum of 1 is required",
        ),
        "no rows of a mixed frame": (
            lambda w: fit_encoder(pd.DataFrame({"word": WORDS})).transform(
                pd.DataFrame({"word": WORDS[:0]})
            ),
            ValueError,
            "Found array with 0 sample(s) (shape=(0, 1))",
            "while a minimum of 1 is required",
        ),
        "no rows at fit": (
            lambda w: _table.TableEncoder().fit(VALUES[:0]),
            ValueError,
            "Found array with 0 sample(s) (shape=(0, 2))",
            "while a minimum of 1 is required",
        ),
        "infinity": (
            lambda w: fit_encoder(VALUES).transform(np.full((1, 2), np.inf)),
            ValueError,
            "X contains infinity",
            "Clip the column",
        ),
        "an integer beyond float64": (
            lambda w: fit_encoder(VALUES).transform(np.array([[10**400, 1]])),
            ValueError,
            "X contains infinity",
            "Clip the column",
        ),
        "infinity at fit, in a mixed frame": (
            lambda w: fit_encoder(
                pd.DataFrame({"a": np.where(FLAG, np.inf, 1.0), "word": WORDS})
            ),
            ValueError,
            "X contains infinity",
            "Clip the column",
        ),
        "infinity as text": (
            lambda w: fit_encoder(VALUES).transform([["inf", "1"]]),
            ValueError,
            "X contains infinity",
            "Clip the column",
        ),
        "sparse NaN": (
            lambda w: fit_encoder(sparse.csr_matrix([[np.nan, 1], [1, 2]])),
            ValueError,
            "X is sparse and contains NaN",
            "pass X.toarray()",
        ),
    }
)


@pytest.mark.parametrize("bound", [-1, 0, "x", np.nan])
def test_bound_that_is_no_positive_number_is_an_error(bound):
    with pytest.raises(ValueError, match=r"The 'bound' parameter .* or None\. Got"):
        _table.TableEncoder(bound=bound).fit(VALUES)


@pytest.mark.parametrize("bound", [None, 3, np.float32(0.5)])
def test_bound_is_a_positive_number_or_none(bound):
    far = abs(_table.TableEncoder(bound=bound).fit(VALUES).transform(1e6 * VALUES))
    assert far.max() > 1e5 if bound is None else far.max() <= bound


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_student_needs_a_row_to_predict(make):
    y = FLAG.astype(int)
    distiller = distill(make(VALUES), y, student=quick_student(make(VALUES), 1))
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        distiller.predict(make(VALUES)[:0])


# --- Wide tables ----------------------------------------------------------------------


def test_plain_numbers_of_a_wide_table_are_read_at_once(monkeypatch):
    numbers = np.random.RandomState(0).randn(N, 60)
    X = pd.DataFrame(numbers).rename(columns=str).assign(flag=FLAG, word=WORDS)
    X = X.astype({"0": np.float32, "1": int})
    encoder, alone = fit_encoder(X), []
    read = _table._column
    monkeypatch.setattr(
        _table, "_column", lambda X, i: (alone.append(X.columns[i]), read(X, i))[1]
    )
    encoded = encoder.transform(X)
    assert alone == ["word"]  # a Series for each took most of the time for a row
    as_objects = encoder.transform(X.astype(object))
    assert_array_equal(encoded, as_objects)
    monkeypatch.setattr(_table, "FIT_VALUES", 7 * N)
    assert_array_equal(encoder.transform(X), encoded)


# --- Few rows -------------------------------------------------------------------------


def assert_read_alike(encoder, table):
    """Read single rows, and a few, one by one and as pandas reads columns."""
    whole = read(encoder, table)
    parts = [table[i : i + 1] for i in range(3)] + [table[:3]]
    one_by_one = [read(encoder, few) for few in parts]
    with mock.patch.object(_table, "FEW_ROWS", 0):
        at_once = [read(encoder, few) for few in parts]
    assert one_by_one == at_once
    if not isinstance(whole, str):
        assert one_by_one == [*([row] for row in whole[:3]), whole[:3]]


def read(encoder, rows):
    """Return what comes of rows, an error included."""
    try:
        return encoder.transform(rows).tolist()
    except ValueError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names")
@given(tables(), tables(), st.sampled_from(list(DRIFTS)), st.sampled_from(list(DRIFTS)))
def test_few_rows_are_read_as_many(table, other, before, after):
    encoder = fit_encoder(DRIFTS[before](table))
    assert_read_alike(encoder, DRIFTS[after](table))
    # whatever stands in the same columns, be it no number
    other = other.reindex(columns=table.columns)
    assert_read_alike(encoder, DRIFTS[after](other))


class Never:
    """What is not equal to itself, and yet no missing value."""

    def __ne__(self, other):
        return True


ARROW_TEXT = "large_string[pyarrow]"
ODD = {
    "rare": lambda: pd.Categorical([f"word {i % 80}" for i in range(N)]),
    "as new number": lambda: _objects(["1.50", "+1", "1e0"] * (N // 3) + ["007"]),
    "date": lambda: DATES["date or None"],
    "datetime64": lambda: DATES["datetime64"],
    "category of dates": lambda: pd.Categorical(DATES["datetime64"]),
    "category of a word": lambda: pd.Categorical(["1"] * 9 + ["far"] * (N - 9)),
    "category of float32": lambda: pd.Series(np.float32([0.1] * N)).astype("category"),
    "list": lambda: _objects([[1, 2]] * N),
    "bytes": lambda: _objects([b"1.5"] * N),
    "complex": lambda: np.full(N, 1j),
    "float16": lambda: np.full(N, 0.1, np.float16),
    "float32": lambda: np.full(N, 0.1, np.float32),
    "longdouble": lambda: np.full(N, 0.1, np.longdouble),
    "Float32": lambda: pd.array([0.1, pd.NA] * (N // 2), dtype="Float32"),
    "sparse": lambda: pd.arrays.SparseArray(np.full(N, 0.1, np.float32)),
    "large": lambda: _objects([10**400] * N),
    "infinite": lambda: np.full(N, np.inf),
    "text of a NaN": lambda: np.array(["NaN", " ", "inf", "1_0"] * (N // 4), object),
    "single": lambda: _objects([np.float32(0.1), np.bool_(1)] * (N // 2)),
    "never the same": lambda: _objects([Never()] * N),
    "interval": lambda: pd.Series(pd.interval_range(0, N)),
    "Arrow's float32": lambda: pd.Series([0.1] * N, dtype="float[pyarrow]"),
    "Arrow's double": lambda: pd.Series([0.1] * N, dtype="double[pyarrow]"),
    "Arrow's text": lambda: pd.Series(["0.1", None] * (N // 2), dtype=ARROW_TEXT),
    "category of Arrow's float32": lambda: ODD["Arrow's float32"]().astype("category"),
}


@pytest.mark.parametrize("kind", ODD)
def test_few_odd_values_are_read_as_many(kind):
    if "Arrow" in kind:
        pytest.importorskip("pyarrow", exc_type=ImportError)
    columns = [
        np.where(FLAG, VALUES[:, 0], np.nan),
        np.where(FLAG, None, WORDS),
        np.resize(["0.1", "0.10000000149011612", "a"], N),  # alike as float32
        [f"{i % 80:02d}" for i in range(N)],  # some of which are rare
    ]
    columns = [_objects(values) for values in columns]
    encoder = fit_encoder(pd.concat(columns, axis=1).to_numpy())
    assert encoder.numbers_.tolist() == [0]
    for position in range(4):
        now = [*columns]
        now[position] = pd.Series(ODD[kind]())
        assert_read_alike(encoder, pd.concat(now, axis=1, keys=[0, 0, 1, 1]))


def test_row_needs_no_series_and_no_check_by_scikit_learn(mixed, monkeypatch):
    X, distiller = mixed
    rows = [X[i : i + 1] for i in range(9)]
    with mock.patch.object(_table, "FEW_ROWS", 0):
        expected = [distiller.predict_proba(row) for row in rows]
    for module, name in ((_table, "_column"), (_estimator, "validate_data")):
        monkeypatch.setattr(module, name, None)  # each took most of the time
    assert_array_equal([distiller.predict_proba(row) for row in rows], expected)


# --- An estimator like any other ------------------------------------------------------


def test_encoder_can_be_cloned_and_pickled(mixed):
    X, _ = mixed
    encoder = fit_encoder(X)
    expected = encoder.transform(X)
    assert_array_equal(clone(encoder).fit(X).transform(X), expected)
    assert_array_equal(pickle.loads(pickle.dumps(encoder)).transform(X), expected)
    assert_array_equal(encoder.transform(X[:1]), expected[:1])


def test_encoded_columns_have_names(mixed):
    X, _ = mixed
    X = X.assign(word=X["word"].cat.add_categories("?").where(X.index > 9))
    names = fit_encoder(X).get_feature_names_out()
    assert names.tolist() == [
        "number", "count", "flag", "number_missing", "word_x", "word_y", "word_z",
        "word_None", "text_no", "text_yes",
    ]  # fmt: skip
    assert fit_encoder(VALUES).get_feature_names_out().tolist() == ["x0", "x1"]


def test_student_survives_set_output(mixed):
    X, distiller = mixed
    y = distiller.predict(X)
    student = quick_student(X).set_output(transform="pandas")
    frames = distill(X, y, student=student)
    plain = distill(X, y, student=quick_student(X))
    assert_array_equal(frames.predict_proba(X), plain.predict_proba(X))
    assert isinstance(frames.student_[:1].transform(X), pd.DataFrame)


def test_grid_search_sets_the_parameters_of_a_student_that_is_passed():
    y = FLAG.astype(int)
    distiller = EnsembleDistiller(
        [LogisticRegression().fit(VALUES, y)], quick_student(VALUES, 1), random_state=0
    )
    grid = {"student__preprocessing__bound": [3.0, None]}
    search = GridSearchCV(distiller, grid, cv=2).fit(VALUES, y)
    assert len(search.cv_results_["params"]) == 2
