"""What y says: its labels, the mark of an unknown one, and classes by value."""

import re
import warnings
from enum import Enum

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.naive_bayes import GaussianNB
from sklearn.utils._param_validation import InvalidParameterError

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd._classes import as_column, encode_labels, merge_classes, read_labels
from tests.errors import check_errors, check_warnings
from tests.worlds import make_distiller, make_net, stub

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
    assert read(np.array(["a", "1"]), -1) == (["a", "1"], [True, True])
    assert read(objects("a", 0, "1"), 0) == (["a", "1"], [True, False, True])


AS_TEXT = ["-1", "-1.0", "nan", "NaN", "None", "<NA>", "NaT"]


@pytest.mark.parametrize("text", AS_TEXT)
def test_mark_that_became_text_is_an_error_with_a_way_out(text):
    y = np.array(["a", text, "b"])
    with pytest.raises(ValueError, match=rf'the string "{text}".*unlabeled_label=None'):
        read(y)
    assert read(y, None) == (["a", text, "b"], [True, True, True])


def test_text_of_the_callers_own_mark_is_an_error():
    with pytest.raises(ValueError, match=r'the string "999"'):
        read(np.array(["a", "999"]), 999)
    assert read(np.array(["a", "?", "-1"]), "?") == (["a", "-1"], [True, False, True])


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
    "strings that say nothing": ["none", "", "NA", "none"],
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


# --- Through the distiller ----------------------------------------------------------


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


def test_masked_labels_are_unlabeled(world, fitted):
    y = np.ma.array(np.where(world.y < 0, 0, world.y), mask=world.y < 0)
    distiller = world.distill(y=y)
    assert_array_equal(distiller.predict_proba(world.X), fitted.predict_proba(world.X))


def test_members_of_a_string_enumeration_are_their_values(world):
    kinds = Enum("Kinds", {"A": "ant", "B": "bee", "C": "cow"}, type=str)
    labels = np.array([list(kinds)[c] for c in world.truth], dtype=object)
    distiller = world.distill(y=labels, teachers=[GaussianNB()], cv=2)
    assert_array_equal(distiller.classes_, ["ant", "bee", "cow"])


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


def test_balance_of_no_labels_is_none(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.distill(y=np.full(400, -1), class_weight="balanced")


# --- Classes without teachers -------------------------------------------------------


def test_classes_come_from_the_labels(trio):
    X, y, _, teachers = trio
    names = np.array(["ant", "bee", "cow"], dtype=object)
    words = np.array([names[c] if c >= 0 else -1 for c in y], dtype=object)
    proba = ask_teachers(teachers, X)
    fitted = make_distiller(None).fit(X, words, teacher_proba=proba)
    assert_array_equal(fitted.classes_, names)


def test_classes_can_be_named_where_labels_lack_some(trio):
    X, y, _, teachers = trio
    proba = ask_teachers(teachers, X)
    few = np.where(y == 2, -1, y)
    with pytest.raises(ValueError, match=r"has 3 columns.* 2 classes, \[0, 1\].*`clas"):
        make_distiller(None).fit(X, few, teacher_proba=proba)
    fitted = make_distiller(None, classes=[0, 1, 2]).fit(X, few, teacher_proba=proba)
    assert_array_equal(fitted.classes_, [0, 1, 2])
    assert fitted.predict_proba(X).shape == (240, 3)


def test_no_label_and_no_teacher_predicts_columns(trio):
    X, _, truth, teachers = trio
    proba = ask_teachers(teachers, X)
    student = make_net(max_epochs=40)
    fitted = EnsembleDistiller(None, student, random_state=0)
    fitted.fit(X, np.full(240, -1), teacher_proba=proba)
    assert_array_equal(fitted.classes_, [0, 1, 2])
    assert fitted.score(X, truth) > 0.8
    named = EnsembleDistiller(
        None, student, classes=["ant", "bee", "cow"], random_state=0
    )
    named.fit(X, np.full(240, -1), teacher_proba=proba)
    assert set(named.predict(X)) <= {"ant", "bee", "cow"}
    assert_array_equal(named.predict_proba(X), fitted.predict_proba(X))


def test_classes_may_hold_more_than_labels_and_teachers_know(trio):
    X, y, _, teachers = trio
    fitted = make_distiller(teachers, classes=[0, 1, 2, 9]).fit(X, y)
    assert_array_equal(fitted.classes_, [0, 1, 2, 9])
    assert fitted.predict_proba(X)[:, 3].max() < 0.5


# --- Errors and warnings ------------------------------------------------------------


def fit_given(world, change, **args):
    """Fit to given probabilities, two teachers' of 1/3, after a change."""
    proba = np.full((60, 2, 3), 1 / 3, dtype=np.float32)
    return world.fit(**{"teachers": None, **args}, teacher_proba=change(proba))


def with_row(row):
    """Return the change that gives the second teacher these probabilities in row 3."""

    def change(proba):
        proba[3, 1] = row
        return proba

    return change


test_teachers_of_other_classes_are_an_error = check_errors(
    {
        "teachers without a common class": (
            lambda w: w.fit(
                teachers=[stub("low"), stub("high", (10, 11))], y=w.unlabeled
            ),
            ValueError,
            "teacher 'low', [0, 1, 2], have nothing in common with the others",
            "who know [10, 11]. Encode all of them alike",
        ),
        "teachers of strings and of numbers": (
            lambda w: w.fit(
                teachers=[stub("digits"), stub("words", ["yes", "no", "perhaps"])],
                y=w.unlabeled,
            ),
            ValueError,
            "got digits: [0, 1, 2]; words: ['yes', 'no', 'perhaps']. Encode them alike",
            "of one kind, all numbers or all strings",
        ),
        "teacher knows the mark": (
            lambda w: w.fit(teachers=[stub("signed", (-1, 1))], y=w.unlabeled),
            ValueError,
            "Teacher 'signed' knows the class -1, which marks unlabeled rows",
            "set `unlabeled_label` to another mark",
        ),
    }
)


test_what_is_no_column_of_labels_is_an_error = check_errors(
    {
        "y None": (
            lambda w: w.distiller().fit(w.X, None),
            ValueError,
            "the target y is None",
            "EnsembleDistiller estimator requires y to be passed",
        ),
        "y of strings, teachers of ints": (
            lambda w: w.fit(y=w.words),
            ValueError,
            "all numbers or all strings, got y: ['no', 'perhaps', 'yes']",
            "gaussiannb: [0, 1, 2]; decisiontreeclassifier: [0, 1, 2]. Encode them",
        ),
        "y and teachers disjoint": (
            lambda w: w.fit(y=w.y + 10),
            ValueError,
            "labels in y, [10, 11, 12], have nothing in common with the teachers",
            "who know [0, 1, 2]. Encode all of them alike",
        ),
        "-1 is a class": (
            lambda w: w.fit_unfitted(y=2 * w.y.clip(max=1) - 1),
            ValueError,
            "got one class, [1], in y and the teachers, besides the unlabeled mark -1",
            "If the mark is one of your classes, set unlabeled_label=None",
        ),
        "one class": (
            lambda w: w.fit_unfitted(y=np.zeros(60)),
            ValueError,
            "got one class, [0.0], in y",
            "Expected at least 2 classes",
        ),
        "one class in y and the teacher": (
            lambda w: w.fit(
                teachers=[DummyClassifier().fit(w.X, 0 * w.y)], y=w.unlabeled
            ),
            ValueError,
            "got one class, [0], in y and the teachers",
            "Expected at least 2 classes",
        ),
        "mark turned into text": (
            lambda w: w.fit_unfitted(y=np.where(w.partly < 0, "-1", w.words)),
            ValueError,
            'y holds the string "-1"',
            "dtype=object",
        ),
        "strings and numbers": (
            lambda w: w.fit_unfitted(y=["yes", "no", 3] * 20),
            ValueError,
            "got [3, 'yes']",
            "labels in y must be all numbers or all strings",
        ),
        "dates": (
            lambda w: w.fit_unfitted(y=pd.Series(pd.date_range("2024", periods=60))),
            ValueError,
            "got datetime64",
            "labels in y must be all numbers or all strings",
        ),
        "bytes": (
            lambda w: w.fit_unfitted(y=w.words.astype(bytes)),
            ValueError,
            "got |S7",
            "labels in y must be all numbers or all strings",
        ),
        "continuous y": (
            lambda w: w.fit_unfitted(y=w.X[:, 0]),
            ValueError,
            "Unknown label type: continuous",
            "expects discrete classes",
        ),
        "infinite y": (
            lambda w: w.fit(y=np.where(w.partly < 0, np.inf, w.y)),
            ValueError,
            "y contains infinity",
            "expected class labels, and the unlabeled mark or a missing value",
        ),
        "complex y": (
            lambda w: w.fit(y=w.y + 1j),
            ValueError,
            "Complex data not supported",
            "y must hold class labels",
        ),
        "y one-hot": (
            lambda w: w.fit(y=np.eye(3)[w.y]),
            ValueError,
            "got an array of shape (60, 3)",
            "y should be a 1d array",
        ),
        "y two columns of a frame": (
            lambda w: w.fit(y=pd.DataFrame({"a": w.y, "b": w.y})),
            ValueError,
            "got an array of shape (60, 2)",
            "y should be a 1d array",
        ),
        "y sparse": (
            lambda w: w.fit(y=sparse.csr_array(w.y[:, np.newaxis])),
            TypeError,
            "y is sparse",
            "pass y.toarray()",
        ),
        "mark is a list": (
            lambda w: w.fit(unlabeled_label=[-1, -2]),
            InvalidParameterError,
            "Got [-1, -2]",
            "'unlabeled_label' parameter of EnsembleDistiller must be",
        ),
    }
)


test_what_is_no_probability_is_an_error = check_errors(
    {
        "one row missing": (
            lambda w: fit_given(w, lambda p: p[1:]),
            ValueError,
            "got (59, 2, 3)",
            "`teacher_proba` must have shape (60, n_teachers, n_classes)",
        ),
        "teachers first": (
            lambda w: fit_given(w, lambda p: p.transpose(1, 0, 2)),
            ValueError,
            "must have shape (60, n_teachers, n_classes), got (2, 60, 3)",
            "rows come first",
        ),
        "one teacher, no axis for it": (
            lambda w: fit_given(w, lambda p: p[:, 0]),
            ValueError,
            "got (60, 3)",
            "must have shape (60, n_teachers, n_classes)",
        ),
        "no teacher": (
            lambda w: fit_given(w, lambda p: p[:, :0]),
            ValueError,
            "got (60, 0, 3)",
            "must have shape (60, n_teachers, n_classes)",
        ),
        "fewer teachers than passed": (
            lambda w: fit_given(w, lambda p: p[:, :1], teachers=w.teachers),
            ValueError,
            "got (60, 1, 3)",
            "must have shape (60, 2, n_classes)",
        ),
        "NaN": (
            lambda w: fit_given(w, with_row([np.nan, 0.5, 0.5])),
            ValueError,
            "1 of 60 rows that do not",
            "first row 3, teacher 1, which sums to nan: [nan, 0.5, 0.5]",
        ),
        "infinite": (
            lambda w: fit_given(w, with_row([np.inf, 0, 0])),
            ValueError,
            "1 of 60 rows that do not",
            "first row 3, teacher 1, which sums to inf",
        ),
        "negative": (
            lambda w: fit_given(w, with_row([1.5, -0.5, 0])),
            ValueError,
            "first row 3, teacher 1, which sums to 1: [1.5, -0.5, 0]",
            "must hold probabilities",
        ),
        "logits": (
            lambda w: fit_given(w, lambda p: 5 * p),
            ValueError,
            "60 of 60 rows that do not, first row 0, teacher 0, which sums to 5",
            "must hold probabilities that sum to one",
        ),
        "percentages": (
            lambda w: fit_given(w, with_row([50, 30, 20])),
            ValueError,
            "first row 3, teacher 1, which sums to 100: [50, 30, 20]",
            "must hold probabilities that sum to one",
        ),
        "words": (
            lambda w: fit_given(w, lambda p: p.astype(str)),
            ValueError,
            "got dtype <U32",
            "`teacher_proba` must hold numbers",
        ),
        "ragged": (
            lambda w: fit_given(w, lambda p: [[[1.0]], [[0.5, 0.5]]]),
            ValueError,
            "setting an array element with a sequence",
            "inhomogeneous shape",
        ),
        "more columns than classes": (
            lambda w: fit_given(
                w, lambda p: p, y=np.where(w.partly == 2, -1, w.partly)
            ),
            ValueError,
            "has 3 columns, but there are 2 classes, [0, 1]",
            "name all of them in `classes`",
        ),
        "fewer columns than classes": (
            lambda w: fit_given(w, lambda p: p[:, :, :2] * 1.5),
            ValueError,
            "has 2 columns, but there are 3 classes, [0, 1, 2]",
            "name all of them in `classes`",
        ),
    }
)


test_classes_that_cannot_be_are_an_error = check_errors(
    {
        "not sorted": (
            lambda w: w.fit(classes=[2, 1, 0]),
            ValueError,
            "got [2, 1, 0]: sort it, and the columns",
            "`classes` must be sorted and unique",
        ),
        "repeated": (
            lambda w: w.fit(classes=[0, 1, 1, 2]),
            ValueError,
            "got [0, 1, 1, 2]",
            "`classes` must be sorted and unique",
        ),
        "one": (
            lambda w: w.fit(classes=[0]),
            ValueError,
            "got an array of shape (1,)",
            "`classes` must be a 1D array of at least 2 classes",
        ),
        "too few": (
            lambda w: w.fit(classes=[0, 1]),
            ValueError,
            "got [0, 1] without [2]",
            "must name all classes of y and the teachers",
        ),
        "of another kind": (
            lambda w: w.fit(classes=["no", "yes"]),
            ValueError,
            "got [0, 1, 2] and ['no', 'yes']",
            "all numbers or all strings",
        ),
        "mixed": (
            lambda w: w.fit(classes=np.array([0, "1", 2], dtype=object)),
            ValueError,
            "got [0, '1', 2]",
            "`classes` must be all numbers or all strings",
        ),
        "NaN": (
            lambda w: w.fit(classes=[0, 1, 2, np.nan]),
            ValueError,
            "got [0.0, 1.0, 2.0, nan]",
            "`classes` must be all numbers or all strings",
        ),
        "with the mark": (
            lambda w: w.fit(classes=[-1, 0, 1, 2]),
            ValueError,
            "`classes` holds -1, which marks unlabeled rows",
            "leave it out",
        ),
        "a number": (
            lambda w: w.fit(classes=3),
            InvalidParameterError,
            "Got 3",
            "'classes' parameter of EnsembleDistiller must be an array-like or None",
        ),
    }
)


test_what_is_no_weight_of_a_class_is_an_error = check_errors(
    {
        "a misspelt name": (
            lambda w: w.fit(class_weight="balance"),
            InvalidParameterError,
            "'class_weight' parameter of EnsembleDistiller",
            "among {'balanced'}, an instance of 'dict' or None. Got 'balance'",
        ),
        "a class that is not there": (
            lambda w: w.fit(class_weight={7: 2.0}),
            ValueError,
            "`class_weight` must give finite, non-negative weights",
            "to classes among [0, 1, 2], got {7: 2.0}",
        ),
        "the mark": (
            lambda w: w.fit(class_weight={-1: 0.5, 0: 2.0}),
            ValueError,
            "`class_weight` must give finite, non-negative weights",
            "to classes among [0, 1, 2], got {-1: 0.5",
        ),
        "negative": (
            lambda w: w.fit(class_weight={0: -1.0}),
            ValueError,
            "got {0: -1.0}",
            "must give finite, non-negative weights",
        ),
        "NaN": (
            lambda w: w.fit(class_weight={0: np.nan}),
            ValueError,
            "got {0: nan}",
            "must give finite, non-negative weights",
        ),
        "nothing left": (
            lambda w: w.fit(y=w.y, class_weight={0: 0, 1: 0, 2: 0}),
            ValueError,
            "`class_weight` {0: 0, 1: 0, 2: 0}",
            "leaves no row any weight",
        ),
    }
)


test_column_of_labels_is_read_with_a_warning = check_warnings(
    {
        "y a column": (
            lambda w: w.fit(y=w.partly[:, np.newaxis]),
            DataConversionWarning,
            "column-vector y was passed when a 1d array was expected",
            "ravel()",
        ),
    }
)
