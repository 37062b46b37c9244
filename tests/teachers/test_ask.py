"""The teachers are asked once, and given answers are as good as asked ones."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from sk_ekd import ask_teachers
from sk_ekd.teachers import _predictions
from tests.errors import check_errors
from tests.worlds import unfitted_trio

DATA = load_iris(return_X_y=True)

# --- Making the predictions ---------------------------------------------------------


def test_answers_have_rows_first_and_sum_to_one(trio):
    X, y, _, teachers = trio
    proba = ask_teachers(teachers, X, y)
    assert proba.shape == (240, 3, 3)
    assert proba.dtype == np.float32
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)
    assert_allclose(proba[:, 0], GaussianNB.predict_proba(teachers[0][1], X), atol=1e-7)


def test_labels_are_needed_only_to_fit(trio):
    X, y, _, teachers = trio
    assert_array_equal(ask_teachers(teachers, X), ask_teachers(teachers, X, y))
    with pytest.raises(ValueError, match=r"cv=5 fits the teachers on labeled rows"):
        ask_teachers(unfitted_trio(), X, cv=5)


def test_classes_that_no_teacher_knows_get_columns_of_zeros(trio):
    X, y, _, teachers = trio
    proba = ask_teachers(teachers, X, classes=[0, 1, 2, 7])
    assert_array_equal(proba[:, :, 3], 0)
    y = y.copy()
    y[0] = 7
    assert_array_equal(proba, ask_teachers(teachers, X, y))


@pytest.mark.parametrize("block_values", [1, 9 * 50, 2**24])
def test_answers_in_a_file_are_those_in_memory(
    trio, tmp_path, monkeypatch, block_values
):
    X, y, _, teachers = trio
    whole = ask_teachers(teachers, X, y)
    monkeypatch.setattr(_predictions, "BLOCK_VALUES", block_values)
    proba = ask_teachers(teachers, X, y, out=tmp_path / "proba.npy")
    assert isinstance(proba, np.memmap)
    assert_array_equal(proba, whole)
    assert_array_equal(np.load(tmp_path / "proba.npy"), whole)
    assert [path.name for path in tmp_path.iterdir()] == ["proba.npy"]


def test_file_of_a_failed_run_does_not_appear(trio, tmp_path):
    X, y, _, teachers = trio
    (tmp_path / "proba.npy").write_text("the one before")
    broken = KNeighborsClassifier().fit(X[:, :3], np.arange(240) % 3)
    with pytest.raises(ValueError, match="features"):
        ask_teachers([*teachers, broken], X, y, out=tmp_path / "proba.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["proba.npy"]
    assert (tmp_path / "proba.npy").read_text() == "the one before"


def test_two_jobs_answer_alike(trio):
    X, y, _, teachers = trio
    assert_array_equal(
        ask_teachers(teachers, X, y), ask_teachers(teachers, X, y, n_jobs=2)
    )
    fold = {"cv": 3, "random_state": 0}
    assert_array_equal(
        ask_teachers(unfitted_trio(), X, y, **fold),
        ask_teachers(unfitted_trio(), X, y, n_jobs=2, **fold),
    )


def test_labeled_rows_are_answered_out_of_fold(trio):
    X, y, truth, _ = trio
    memory = KNeighborsClassifier(1)
    y_noise = np.where(y >= 0, np.random.RandomState(0).permutation(truth), -1)
    labeled = y >= 0
    by_heart = ask_teachers([memory.fit(X[labeled], y_noise[labeled])], X)
    honest = ask_teachers([KNeighborsClassifier(1)], X, y_noise, cv=5)
    hit = by_heart[labeled, 0].argmax(axis=1) == y_noise[labeled]
    assert hit.all()
    assert (honest[labeled, 0].argmax(axis=1) == y_noise[labeled]).mean() < 0.6
    assert_array_equal(honest[~labeled], by_heart[~labeled])


# --- Errors -------------------------------------------------------------------------


test_what_cannot_be_asked_is_an_error = check_errors(
    {
        "cv misspelt": (
            lambda w: ask_teachers(w.teachers, w.X, cv="pre-fit"),
            ValueError,
            "got 'pre-fit'",
            "`cv` must be 'prefit', an int, a splitter or an iterable",
        ),
        "no teachers": (
            lambda w: ask_teachers(None, w.X),
            ValueError,
            "`teachers` is None",
            "pass classifiers",
        ),
        "labels too short": (
            lambda w: ask_teachers(w.teachers, w.X, w.partly[1:]),
            ValueError,
            "inconsistent numbers of samples",
            "[60, 59]",
        ),
        "unfitted": (
            lambda w: ask_teachers([GaussianNB()], w.X),
            NotFittedError,
            "Teacher 'gaussiannb' is not fitted",
            "fit it first, or set cv=5",
        ),
        "no labels to fit on": (
            lambda w: ask_teachers([GaussianNB()], w.X, cv=5),
            ValueError,
            "cv=5 fits the teachers on labeled rows, but y has none",
            "label some rows",
        ),
        "folder that is not there": (
            lambda w: ask_teachers(w.teachers, w.X, out="/no/such/folder/proba.npy"),
            FileNotFoundError,
            "No such file or directory",
            "/no/such/folder/",
        ),
    }
)


# --- The file -----------------------------------------------------------------------


def test_full_disk_is_an_error_and_leaves_no_file(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match=r"No space for .* MB of predictions") as caught:
        ask_teachers([GaussianNB().fit(*DATA)], DATA[0], out=tmp_path / "p.npy")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_space_is_reserved_before_a_teacher_is_asked(tmp_path):
    """A limit on the size of files is a full disk that can be had anywhere."""
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "import numpy as np\n"
        "from sklearn.naive_bayes import GaussianNB\n"
        "from sk_ekd import ask_teachers\n"
        "X, y = np.random.rand(9000, 2), np.arange(9000) % 2\n"
        "try:\n"
        "    ask_teachers([GaussianNB().fit(X, y)], X, out=sys.argv[1])\n"
        "except OSError as error:\n"
        "    print('OSError', 'No space' in str(error))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "p.npy")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout == "OSError True\n", run.stderr
    assert list(tmp_path.iterdir()) == []


def test_file_that_another_process_writes_is_left_alone(tmp_path):
    part = tmp_path / "p.npy.part"
    part.write_bytes(b"theirs")
    with pytest.raises(FileExistsError, match=r"another process is .*delete it"):
        ask_teachers([GaussianNB().fit(*DATA)], DATA[0], out=tmp_path / "p.npy")
    assert part.read_bytes() == b"theirs"
