import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning

from sk_ekd._labels import as_column, encode_labels, merge_classes, read_labels

MISSING = {"None": None, "NaN": np.nan, "NA": pd.NA}


def objects(*values):
    return np.array(values, dtype=object)


def read(y, unlabeled_label=-1):
    """Read y as the distiller does -> labels, labeled as lists."""
    labels, labeled = read_labels(as_column(y), unlabeled_label)
    return labels.tolist(), labeled.tolist()


def classes_and_codes(y, unlabeled_label=-1, **teacher_classes):
    labels, labeled = read_labels(as_column(y), unlabeled_label)
    classes = merge_classes(labels, teacher_classes)
    return classes, encode_labels(labels, labeled, classes)


# --- as_column ----------------------------------------------------------------------

AS_ONE_COLUMN = {
    "list": [2, 0, 1],
    "tuple": (2, 0, 1),
    "array": np.array([2, 0, 1]),
    "series": pd.Series([2, 0, 1], index=[9, 9, 4]),
    "index": pd.Index([2, 0, 1]),
    "nullable": pd.array([2, 0, 1], dtype="Int64"),
    "categorical": pd.Categorical([2, 0, 1]),
}


@pytest.mark.parametrize("y", AS_ONE_COLUMN.values(), ids=AS_ONE_COLUMN)
def test_any_sequence_becomes_one_column(y):
    column = as_column(y)
    assert type(column) is np.ndarray
    assert column.shape == (3,)
    assert column.tolist() == [2, 0, 1]


@pytest.mark.parametrize("make", [list, tuple])
def test_mark_among_strings_stays_a_number(make):
    assert as_column(make(["a", -1, "b"])).tolist() == ["a", -1, "b"]


def test_missing_value_among_strings_stays_missing():
    assert as_column(["a", None, "b"]).tolist() == ["a", None, "b"]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 0, -1]),
        pd.Series(["b", "a", None]),
        pd.Series([1, 0, None], dtype="Int64"),
        pd.Series(["b", "a", None], dtype="string"),
        pd.Series(["b", "a", None], dtype="category"),
        pd.Series([True, False, None], dtype="boolean"),
    ],
    ids=lambda column: f"{column.dtype}",
)
def test_frame_of_one_column_is_read_as_its_column_with_a_warning(column):
    with pytest.warns(DataConversionWarning, match="column-vector"):
        from_frame = read(column.to_frame("y"))
    assert from_frame == read(column)


@pytest.mark.parametrize("y", [[[1, 2], [3, 4]], np.ones((2, 3)), 3, "abc"])
def test_anything_but_one_column_is_refused(y):
    with pytest.raises(ValueError, match=r"y should be a 1d array, got .* shape"):
        as_column(y)


def test_labels_of_the_caller_are_left_alone():
    y = objects("a", -1, None)
    read(y)
    assert y.tolist() == ["a", -1, None]


# --- read_labels: which rows have one -----------------------------------------------

MISSING_IN = {
    "object numbers": objects(1, None, 0),
    "object strings": objects("b", None, "a"),
    "float": np.array([1.0, np.nan, 0.0]),
    "list": [1, None, 0],
    "list of strings": ["b", None, "a"],
    "float series": pd.Series([1.0, np.nan, 0.0]),
    "Int64": pd.Series([1, None, 0], dtype="Int64"),
    "Float64": pd.Series([1, None, 0], dtype="Float64"),
    "string": pd.Series(["b", None, "a"], dtype="string"),
    "str": pd.Series(["b", None, "a"], dtype="str"),
    "boolean": pd.Series([True, None, False], dtype="boolean"),
    "category of strings": pd.Series(["b", None, "a"], dtype="category"),
    "category of ints": pd.Series([1, None, 0], dtype="category"),
    "object series": pd.Series([1, None, 0], dtype=object),
}


@pytest.mark.parametrize("unlabeled_label", [-1, None, "unknown"])
@pytest.mark.parametrize("y", MISSING_IN.values(), ids=MISSING_IN)
def test_missing_value_means_unlabeled(y, unlabeled_label):
    labels, labeled = read(y, unlabeled_label)
    assert labeled == [True, False, True]
    assert labels in ([1, 0], ["b", "a"])


@pytest.mark.parametrize("missing", MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("known", [("a", "b"), (0, 1), (0.0, 1.0), (False, True)])
def test_every_kind_of_missing_value_means_unlabeled(missing, known):
    first, second = known
    labels, labeled = read(objects(first, missing, second, -1, missing))
    assert labels == [first, second]
    assert labeled == [True, False, True, False, False]


def test_all_kinds_of_missing_values_may_stand_beside_the_mark():
    labels, labeled = read(objects("a", None, np.nan, pd.NA, -1, pd.NaT, -1.0))
    assert labels == ["a"]
    assert labeled == [True] + 6 * [False]


@pytest.mark.parametrize(
    "y",
    [
        [0, -1, 1],
        [0.0, -1.0, 1.0],
        objects("a", -1, "b"),
        objects("a", np.int64(-1), "b"),
        ["a", -1, "b"],
        pd.Series([0, -1, 1], dtype="Int64"),
        pd.Series(["a", -1, "b"], dtype="category"),
        np.array([0, -1, 1], dtype=np.int8),
    ],
)
def test_default_mark_means_unlabeled(y):
    assert read(y)[1] == [True, False, True]


@pytest.mark.parametrize(
    ("y", "mark"),
    [
        (np.array(["a", "?", "b"]), "?"),
        (objects("a", "?", "b"), "?"),
        (pd.Series(["a", "?", "b"], dtype="category"), "?"),
        (np.array([0, 99, 1]), 99),
        (np.array([0.0, 99.0, 1.0]), 99),
        (np.array([0, 99, 1]), 99.0),
        (np.array(["a", "-1", "b"]), "-1"),
        (objects("a", 0, "b"), 0),
    ],
)
def test_mark_may_be_of_any_kind(y, mark):
    assert read(y, mark)[1] == [True, False, True]


def test_custom_mark_makes_minus_one_a_label():
    assert read([-1, 1, 0], 0) == ([-1, 1], [True, True, False])


def test_no_mark_makes_minus_one_a_label():
    assert read([-1, 1, -1], None) == ([-1, 1, -1], [True] * 3)


@pytest.mark.parametrize("dtype", [float, object])
def test_missing_value_means_unlabeled_without_a_mark_too(dtype):
    y = np.array([-1, 1, np.nan], dtype=dtype)
    assert read(y, None) == ([-1, 1], [True, True, False])


def test_number_marks_no_string():
    assert read(np.array(["a", "1"]), 1) == (["a", "1"], [True, True])


def test_false_is_a_label_when_the_mark_is_minus_one():
    assert read([True, False]) == ([True, False], [True, True])


@pytest.mark.parametrize("y", [[-1, -1], [np.nan, -1], [None, None], objects(-1, None)])
def test_all_rows_may_be_unlabeled(y):
    assert read(y) == ([], [False, False])


@pytest.mark.parametrize("y", [[0, 1, 0], ["a", "b", "a"], [0.0, 1.0, 0.0]])
def test_all_rows_may_be_labeled(y):
    assert read(y) == (y, [True] * 3)


def test_labels_come_in_the_order_of_the_rows():
    assert read(objects("c", -1, "a", None, "b", "a"))[0] == ["c", "a", "b", "a"]


# --- read_labels: what it refuses ---------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        ["a", 1, "b"],
        objects("a", 1, -1),
        objects("a", True, None),
        objects(b"a", b"b"),
        ["a", 2.5, "b"],
        pd.Series(["a", 1, None], dtype="category"),
        pd.Series(pd.date_range("2024", periods=3)),
        np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[ns]"),
    ],
)
def test_labels_must_be_all_numbers_or_all_strings(y):
    with pytest.raises(ValueError, match="labels in y must be all numbers or all str"):
        read(y)


def test_mark_that_became_text_is_refused():
    y = np.array(["a", -1, "b"])  # NumPy makes it "-1"
    with pytest.raises(ValueError, match=r'the string "-1".*dtype=object'):
        read(y)


def test_minus_one_as_text_is_a_label_without_a_mark():
    assert read(np.array(["-1", "1"]), None) == (["-1", "1"], [True, True])


@pytest.mark.parametrize("y", [[0.5, 1.2], objects(0.5, None, 1.2)])
def test_continuous_labels_are_refused(y):
    with pytest.raises(ValueError, match="continuous"):
        read(y)


@pytest.mark.parametrize("y", [[0.0, np.inf], objects(0, None, np.inf)])
def test_infinite_label_is_refused(y):
    with pytest.raises(ValueError, match="y contains infinity"):
        read(y)


# --- merge_classes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "teachers", "expected"),
    [
        ([2, 0, 2], {}, [0, 2]),
        ([2, 0], {"a": [1, 0], "b": [2, 5]}, [0, 1, 2, 5]),
        (["b", "b"], {"a": ["c", "b"]}, ["b", "c"]),
        ([], {"a": [1, 0], "b": [2, 1]}, [0, 1, 2]),
        ([], {"a": ["x", "y"]}, ["x", "y"]),
    ],
)
def test_classes_are_the_sorted_union(labels, teachers, expected):
    teachers = {name: np.array(classes) for name, classes in teachers.items()}
    assert merge_classes(np.array(labels), teachers).tolist() == expected


SAME_VALUES = {
    "ints": np.array([0, 1]),
    "unsigned": np.array([0, 1], dtype=np.uint8),
    "floats": np.array([0.0, 1.0]),
    "bools": np.array([False, True]),
    "object ints": objects(0, 1),
    "object bools": objects(False, True),
}


@pytest.mark.parametrize("theirs", SAME_VALUES.values(), ids=SAME_VALUES)
@pytest.mark.parametrize("ours", SAME_VALUES.values(), ids=SAME_VALUES)
def test_classes_merge_by_value(ours, theirs):
    classes = merge_classes(ours, {"teacher": theirs})
    assert classes.tolist() == [0, 1]
    # written as the teacher writes them, never as objects
    assert classes.dtype.kind == np.array(theirs.tolist()).dtype.kind


def test_floats_because_of_nan_are_the_ints_of_the_teachers():
    y = np.array([2.0, np.nan, 0.0, 3.0])
    classes, codes = classes_and_codes(y, teacher=np.array([0, 1, 2]))
    assert classes.dtype.kind == "i"
    assert classes.tolist() == [0, 1, 2, 3]
    assert codes.tolist() == [2, -1, 0, 3]


def test_floats_remain_floats_when_all_teachers_write_floats():
    classes = merge_classes(np.array([0.0, 1.0]), {"teacher": np.array([0.0, 1.0])})
    assert classes.dtype.kind == "f"


@pytest.mark.parametrize(
    "labels", [np.array(["b", "a"]), objects("b", "a")], ids=["U", "object"]
)
@pytest.mark.parametrize(
    "theirs", [np.array(["a", "b", "c"]), objects("a", "b", "c")], ids=["U", "object"]
)
def test_strings_merge_whatever_their_dtype(labels, theirs):
    classes = merge_classes(labels, {"teacher": theirs})
    assert classes.tolist() == ["a", "b", "c"]
    assert np.unique(classes).tolist() == ["a", "b", "c"]


def test_long_string_is_not_cut():
    classes = merge_classes(np.array(["a", "antelope"]), {"t": np.array(["a", "b"])})
    assert classes.tolist() == ["a", "antelope", "b"]


def test_large_ints_are_not_rounded():
    labels = np.array([2**53, 2**53 + 1])
    assert merge_classes(labels, {}).tolist() == labels.tolist()


def test_teachers_come_in_any_order():
    labels = np.array([3, 1])
    teachers = {"a": np.array([0, 1]), "b": np.array([5, 3]), "c": np.array([1, 5])}
    backward = dict(reversed(teachers.items()))
    expected = [0, 1, 3, 5]
    assert merge_classes(labels, teachers).tolist() == expected
    assert merge_classes(labels, backward).tolist() == expected


@pytest.mark.parametrize(
    ("labels", "teachers", "shown"),
    [
        (["a"], {"t": [0, 1]}, "y: ['a']; t: [0, 1]"),
        ([0], {"t": ["a", "b"]}, "y: [0]; t: ['a', 'b']"),
        ([], {"t": [0, 1], "u": ["a"]}, "t: [0, 1]; u: ['a']"),
        (["1"], {"t": [0, 1]}, "y: ['1']; t: [0, 1]"),
    ],
)
def test_classes_of_two_kinds_are_shown_and_refused(labels, teachers, shown):
    teachers = {name: np.array(classes) for name, classes in teachers.items()}
    with pytest.raises(ValueError, match=re.escape(shown)):
        merge_classes(np.array(labels), teachers)


@pytest.mark.parametrize(
    ("labels", "teachers", "culprit"),
    [
        ([7, 8], {"t": [0, 1]}, r"labels in y, \[7, 8\], have nothing in common"),
        ([0, 1], {"t": [0, 1], "u": [7]}, r"teacher 'u', \[7\], have nothing in com"),
        ([], {"t": [0, 1], "u": [7]}, r"teacher 't', \[0, 1\], .* who know \[7\]"),
    ],
)
def test_disjoint_classes_are_refused(labels, teachers, culprit):
    teachers = {name: np.array(classes) for name, classes in teachers.items()}
    with pytest.raises(ValueError, match=culprit):
        merge_classes(np.array(labels), teachers)


def test_long_list_of_classes_is_shortened_in_the_message():
    with pytest.raises(ValueError, match=r"\[0, 1, 2, 3, 4, 5, \.\.\.\]"):
        merge_classes(np.array([100]), {"teacher": np.arange(50)})


# --- encode_labels, and the three together ------------------------------------------

ROUND_TRIPS = {
    "ints": [3, 1, 2, 1],
    "negative ints": [-5, 7, 0, -5],
    "whole floats": [3.0, 1.0, 2.0, 1.0],
    "bools": [True, False, True, True],
    "strings": ["c", "a", "b", "a"],
    "strings of digits": ["10", "9", "1", "9"],
    "strings beyond ASCII": ["ä", "z", "日本", "z"],
    "strings that say missing": ["nan", "None", "<NA>", "nan"],
    "mixed numbers": objects(2, 1.0, True, np.int8(2)),
    "object bools": objects(True, False, True, True),
    "nullable ints": pd.Series([3, 1, 2, 1], dtype="Int64"),
    "nullable bools": pd.Series([True, False, True, True], dtype="boolean"),
    "categories": pd.Series(["c", "a", "b", "a"], dtype="category"),
}


@pytest.mark.parametrize("y", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_classes_at_the_codes_are_the_labels(y):
    classes, codes = classes_and_codes(y)
    assert classes[codes].tolist() == list(y)
    assert codes.dtype == np.int64


@pytest.mark.parametrize("y", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_round_trip_survives_unlabeled_rows(y):
    mixed = objects(None, *y, -1, pd.NA)
    classes, codes = classes_and_codes(mixed)
    assert (codes < 0).tolist() == [True, *[False] * len(y), True, True]
    assert classes[codes[1:-2]].tolist() == list(y)


@pytest.mark.parametrize("y", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_classes_are_sorted_and_unique(y):
    classes, _ = classes_and_codes(y)
    assert classes.tolist() == sorted(set(y))


@pytest.mark.parametrize("y", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_permuted_rows_have_permuted_codes(y):
    y = objects(*y, -1, None)
    order = np.random.default_rng(0).permutation(len(y))
    classes, codes = classes_and_codes(y)
    permuted_classes, permuted_codes = classes_and_codes(y[order])
    assert permuted_classes.tolist() == classes.tolist()
    assert permuted_codes.tolist() == codes[order].tolist()


def test_bool_labels_stay_bools():
    classes, codes = classes_and_codes(np.array([True, False, True]))
    assert classes.dtype == bool
    assert codes.tolist() == [1, 0, 1]


def test_bools_with_missing_values_stay_bools():
    y = pd.Series([True, None, False], dtype="boolean")
    classes, codes = classes_and_codes(y)
    assert classes.dtype == bool
    assert codes.tolist() == [1, -1, 0]


def test_ints_with_missing_values_stay_ints():
    y = pd.Series([2**53 + 1, None, 4], dtype="Int64")
    classes, codes = classes_and_codes(y)
    assert classes.dtype.kind == "i"
    assert classes.tolist() == [4, 2**53 + 1]
    assert codes.tolist() == [1, -1, 0]


def test_label_beyond_the_classes_gets_a_code_of_its_own():
    classes, labeled = np.array(["a", "b"]), np.array([True, True, False])
    assert encode_labels(np.array(["z", "b"]), labeled, classes).tolist() == [2, 1, -1]


def test_codes_of_no_labels_are_all_unlabeled():
    codes = encode_labels(np.array([]), np.zeros(3, dtype=bool), np.array(["a", "b"]))
    assert codes.tolist() == [-1, -1, -1]


def test_minus_one_and_one_are_two_classes_without_a_mark():
    classes, codes = classes_and_codes([-1, 1, -1], None)
    assert classes.tolist() == [-1, 1]
    assert codes.tolist() == [0, 1, 0]


@pytest.fixture(scope="module")
def many_codes():
    """Codes of 20,000 rows and 50 classes, a third of the rows unlabeled."""
    rng = np.random.default_rng(0)
    codes = rng.integers(50, size=20_000)
    codes[rng.random(len(codes)) < 1 / 3] = -1
    return codes


@pytest.mark.parametrize(
    "names",
    [
        np.arange(50),
        np.linspace(-25, 24, 50),
        np.array([f"class {k}" for k in range(50)]),
    ],
    ids=["ints", "floats", "strings"],
)
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, -99])
def test_codes_agree_with_pandas(many_codes, names, missing):
    y = np.where(many_codes < 0, None, names.astype(object)[many_codes])
    expected = pd.Categorical(y)  # its categories are sorted, a missing value is -1
    y[many_codes < 0] = missing
    classes, codes = classes_and_codes(y, unlabeled_label=-99)
    assert classes.tolist() == expected.categories.tolist()
    np.testing.assert_array_equal(codes, expected.codes)


def test_codes_do_not_depend_on_how_y_is_stored(many_codes):
    y = pd.Series(many_codes).where(many_codes >= 0)
    stored = [y, y.astype("Int64"), y.astype(object), y.astype("category")]
    stored += [many_codes, many_codes.tolist(), y.to_numpy()]
    for version in stored:
        classes, codes = classes_and_codes(version)
        assert classes.tolist() == list(range(50))
        np.testing.assert_array_equal(codes, many_codes)
