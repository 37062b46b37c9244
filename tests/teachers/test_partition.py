"""One partition is answered as ask_teachers does, and read back to train on."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.teachers import ask_partition, read_partitions
from tests.errors import check_errors
from tests.worlds import make_net, make_three_blobs

LABELS = np.array(["cat", "dog", "emu"])


def make_frame():
    """Return 90 rows with a key and a partly missing label; an index of its own."""
    X, y = make_three_blobs()
    frame = pd.DataFrame(X[:90], columns=["a", "b", "c", "d"])
    frame.insert(0, "key", np.arange(90) + 1000)
    frame["y"] = pd.Series(LABELS[y[:90]]).where(np.arange(90) % 3 > 0)
    return frame.set_index(np.arange(90)[::-1] * 2)


FRAME = make_frame()
X, CLASSES = FRAME[["a", "b", "c", "d"]], LABELS
TRUTH = LABELS[make_three_blobs()[1][:90]]
TEACHERS = [
    ("bayes", GaussianNB().fit(X, TRUTH)),
    ("nn", KNeighborsClassifier().fit(X, TRUTH)),
]


def ask(frame=FRAME, teachers=TEACHERS, **params):
    return ask_partition(frame, teachers, **{"classes": CLASSES, **params})


def test_answers_are_those_of_ask_teachers_to_the_bit():
    answers = ask(X)
    proba = ask_teachers(TEACHERS, X, classes=CLASSES)
    assert_array_equal(answers.to_numpy().reshape(proba.shape), proba)
    assert (answers.dtypes == np.float32).all()
    assert answers.index.equals(X.index)
    assert answers.columns.tolist() == [
        "bayes_cat", "bayes_dog", "bayes_emu", "nn_cat", "nn_dog", "nn_emu",
    ]  # fmt: skip


def test_kept_columns_come_first_and_no_teacher_sees_them():
    answers = ask(keep=["key", "y"])
    pd.testing.assert_frame_equal(answers[["key", "y"]], FRAME[["key", "y"]])
    pd.testing.assert_frame_equal(answers.iloc[:, 2:], ask(X))


def test_columns_are_those_that_the_teachers_see_in_their_order():
    for shuffled in (FRAME[["y", "d", "a", "key", "c", "b"]], X[[*"dbca"]]):
        pd.testing.assert_frame_equal(ask(shuffled, columns=[*"abcd"]), ask(X))


def test_no_row_gives_the_same_columns_and_types():
    empty, full = ask(FRAME[:0], keep=["key", "y"]), ask(keep=["key", "y"])
    assert not len(empty)
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_class_that_no_teacher_knows_gets_zeros_in_every_partition():
    answers = ask(X, classes=[*CLASSES, "yak"])
    assert (answers[["bayes_yak", "nn_yak"]] == 0).all(axis=None)


def test_bare_ensemble_is_asked_member_by_member():
    forest = RandomForestClassifier(3, random_state=0).fit(X, TRUTH)
    assert ask(X, forest).shape == (90, 9)


test_misuse_is_named = check_errors(
    {
        "array": (lambda _: ask(X.to_numpy()), TypeError, "ndarray", "DataFrame"),
        "no such column": (
            lambda _: ask(columns=["a", "z"]), ValueError, "['z']", "columns",
        ),
        "nothing to keep": (lambda _: ask(keep=["id"]), ValueError, "['id']", "keep"),
        "one name to keep": (lambda _: ask(keep="key"), TypeError, "'key'", "a list"),
        "unsorted classes": (
            lambda _: ask(FRAME[:0], classes=CLASSES[::-1]), ValueError, "emu", "sort",
        ),
        "same name twice": (
            lambda _: ask(
                X, [("a", TEACHERS[0][1]), ("a_b", TEACHERS[0][1])],
                classes=["b_" + c for c in CLASSES] + [*CLASSES],
            ),
            ValueError, "a_b_cat", "other names",
        ),
        "no teachers": (lambda _: ask(X, None), ValueError, "None", "fitted"),
    }
)  # fmt: skip


# --- Reading them back --------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Rows, the answers for them, and answers with all columns kept, in 3 files."""
    folders = [tmp_path_factory.mktemp(name) for name in ("rows", "answers", "both")]
    for number in range(3):
        part = FRAME[30 * number : 30 * number + 30]
        frames = part, ask(part[list("abcd")]), ask(part, columns=[*"abcd"], keep=part)
        for folder, frame in zip(folders, frames, strict=True):
            frame.to_parquet(folder / f"{number}.parquet")
    return folders


def read(folders, **params):
    params = {"rows": folders[0], "label": "y", "columns": [*"abcd"], **params}
    return list(read_partitions(folders[1], TEACHERS, classes=CLASSES, **params))


def test_each_partition_comes_once_as_it_was(folders):
    parts = read(folders, random_state=0)
    assert [len(x) for x, _, _ in parts] == [30, 30, 30]
    rows = pd.concat([part[0] for part in parts])
    y, proba = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    at = FRAME.index.get_indexer(rows.index)
    pd.testing.assert_frame_equal(rows, X.iloc[at])
    assert (pd.Series(y).fillna("?") == FRAME["y"].iloc[at].fillna("?").values).all()
    assert_array_equal(proba, ask_teachers(TEACHERS, X, classes=CLASSES)[at])


def test_order_is_random_and_seeded(folders):
    def order(seed):
        return [x.index[0] for x, _, _ in read(folders, random_state=seed)]

    assert order(0) == order(0)
    assert len({tuple(order(seed)) for seed in range(9)}) > 1
    assert [x.index[0] for x, _, _ in read(folders, shuffle=False)] == [178, 118, 58]


def test_rows_may_be_in_the_answers(folders):
    both = read([None, folders[2]], rows=None, shuffle=False)
    apart = read(folders, shuffle=False)
    for (a, b, c), (x, y, z) in zip(both, apart, strict=True):
        pd.testing.assert_frame_equal(a, x)
        assert_array_equal(b.astype(str), y.astype(str))
        assert_array_equal(c, z)


def test_files_of_one_name_belong_together_in_any_order(tmp_path):
    rows, answers = tmp_path / "rows", tmp_path / "answers"
    rows.mkdir()
    answers.mkdir()
    for number in range(3):
        part = X[30 * number : 30 * number + 30].reset_index(drop=True)  # look alike
        part.to_parquet(rows / f"{number}.parquet")
        ask(part).to_parquet(answers / f"{number}.parquet")
    backwards = sorted(rows.iterdir())[::-1]
    for frame, _, proba in read([None, answers], rows=backwards, label=None):
        assert_array_equal(proba, ask_teachers(TEACHERS, frame, classes=CLASSES))


def test_tilde_is_the_home_folder(folders, monkeypatch):
    monkeypatch.setenv("HOME", str(folders[0].parent))
    at_home = f"~/{folders[0].name}"
    assert len(read(folders, rows=at_home)) == 3


def test_feature_named_like_an_answer_stays(folders, tmp_path):
    part = FRAME[:30][[*"abcd"]]
    part.assign(bayes_cat=1.0).to_parquet(tmp_path / "0.parquet")
    answers = sorted(folders[1].iterdir())[:1]
    frame, *_ = read([None, answers], rows=tmp_path, columns=None, label=None)[0]
    assert "bayes_cat" in frame


def test_bare_ensemble_stands_for_its_members(tmp_path):
    voting = VotingClassifier(TEACHERS, voting="soft").fit(X, TRUTH)
    ask(FRAME, voting, columns=[*"abcd"], keep=["y"]).to_parquet(tmp_path / "0.parquet")
    (part,) = read_partitions(tmp_path, voting, classes=CLASSES, label="y")
    assert part[2].shape == (90, 2, 3)


def test_names_stand_for_the_teachers_and_no_label_is_unknown(folders):
    parts = read_partitions(
        folders[1], ["bayes", "nn"], classes=CLASSES, rows=folders[0], label=None
    )
    frame, y, proba = next(parts)
    assert frame.columns.tolist() == FRAME.columns.tolist()
    assert np.isnan(y).all()
    assert proba.shape == (30, 2, 3)


def make_chunkwise():
    net = make_net(module__hidden=(8,), max_epochs=1)
    return EnsembleDistiller(
        TEACHERS, net, pooling="mean", classes=CLASSES, random_state=0
    )


def test_student_from_files_is_that_from_memory(folders):
    from_files, from_memory = make_chunkwise(), make_chunkwise()
    for epoch in range(2):
        for rows, y, proba in read(folders, random_state=epoch):
            from_files.partial_fit(
                rows.to_numpy(np.float32), y, teacher_proba=proba, classes=CLASSES
            )
            part = FRAME.loc[rows.index]
            from_memory.partial_fit(
                part[[*"abcd"]].to_numpy(np.float32), part["y"],
                teacher_proba=ask_teachers(TEACHERS, part[[*"abcd"]], classes=CLASSES),
                classes=CLASSES,
            )  # fmt: skip
    rows = X.to_numpy(np.float32)
    assert_array_equal(from_files.predict_proba(rows), from_memory.predict_proba(rows))


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"teachers": ["svc"]}, ValueError, r"svc_cat.*teachers and classes"),
        ({"answers": slice(2)}, ValueError, r"2 partitions and `rows` has 3.*finish"),
        ({"classes": CLASSES[::-1]}, ValueError, r"sorted"),
        ({"teachers": "bayes"}, TypeError, r"must be a list"),
        ({"teachers": []}, ValueError, r"empty"),
        ({"label": "target"}, ValueError, r"no column 'target', it has"),
        ({"columns": ["a", "z"]}, ValueError, r"no column 'z'"),
        ({"columns": "a"}, TypeError, r"must be a list of column names, got 'a'"),
        ({"answers": slice(0)}, FileNotFoundError, r"No parquet file"),
        ({"rows": X}, TypeError, r"got DataFrame.*ask_partition"),
        ({"rows": "s3://bucket/rows"}, ValueError, r"got the address 's3://.*mount"),
        ({"rows": ["no.parquet"]}, FileNotFoundError, r"in \['.*/no.parquet'\]"),
    ],
)
def test_files_that_do_not_fit_are_named(folders, change, error, said):
    rows, answers, _ = folders
    params = {"teachers": TEACHERS, "rows": rows, "answers": slice(None)}
    params |= {"classes": CLASSES, **change}
    params["answers"] = sorted(answers.iterdir())[params["answers"]]
    with pytest.raises(error, match=said):
        list(read_partitions(**params))
