"""The teachers' predictions for every row: given, or asked for once, in blocks."""

import warnings
from math import prod

import numpy as np
from sklearn.frozen import FrozenEstimator

from .._classes import as_proba, check_teacher_proba, find_classes
from .._data import count_rows, take_rows
from .._progress import followed_blocks
from ._fit import fit_teachers, open_splitter
from ._members import weigh_members
from ._open import holds_fitted, is_prefit, known_classes, open_teachers
from ._predict import stack_proba

BLOCK_VALUES = 2**24  # of one block of predictions: 64 MB as float32
ROW_VALUES = 2**24  # of the rows that they are for
LEAST_KNOWN = 0.5  # share of the synthetic rows; the others train nothing


class Predictions:
    """What the teachers predict for every row, a block of rows at a time.

    The same whether the teachers are fitted, are fitted here (a labeled row then gets
    the predictions of clones that never saw it), or have their predictions given.
    Call `fit` first: blocks, `shape` and `data` are there only after it.

    Parameters
    ----------
    teachers : list of classifiers, of (str, classifier), a fitted ensemble, or None
        As the caller passed them.
    cv : "prefit", int, splitter or iterable
        How the teachers are fitted, or were where their predictions are given.
    X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
        All rows of the caller; only their number is looked at.
    given : array-like of shape (n_samples, n_teachers, n_classes), default=None
        Predictions in the teachers' place.
    """

    def __init__(self, teachers, cv, X, given=None):
        self.teachers = open_teachers(teachers, cv)
        self.names = list(self.teachers)
        of_one = teachers is not None and not isinstance(teachers, (list, tuple))
        self.of_one_ensemble = of_one  # whose members the teachers are
        self.cv = cv
        if given is not None:
            given = check_teacher_proba(given, count_rows(X), self.names)
            numbers = range(1, given.shape[1] + 1)
            self.names = self.names or [f"teacher-{number}" for number in numbers]
        elif not self.teachers:
            raise ValueError(
                "`teachers` is None: pass classifiers, or their predictions as "
                "fit(X, y, teacher_proba=...)."
            )
        self.given = given
        self.member_weight = weigh_members(self.teachers.values())  # (t,), None if even

    def find_classes(self, labels, classes, unlabeled_label):
        """Find all classes, of labels and of teachers that are fitted -> (c,)."""
        is_fitted = is_prefit(self.cv)
        if self.given is None and not is_fitted and not len(labels):
            raise ValueError(
                f"cv={self.cv!r} fits the teachers on labeled rows, but y has none: "
                "label some rows, or pass fitted teachers and cv='prefit'."
            )
        fitted = {
            name: teacher
            for name, teacher in self.teachers.items()
            if is_fitted or isinstance(teacher, FrozenEstimator)
        }
        n_columns = None if self.given is None else self.given.shape[2]
        self.known = known_classes(fitted)
        classes = find_classes(labels, self.known, classes, unlabeled_label, n_columns)
        if n_columns not in (None, len(classes)):
            raise ValueError(
                f"`teacher_proba` has {n_columns} columns, but there are "
                f"{len(classes)} classes, {classes.tolist()}, in y and the "
                "teachers: name all of them in `classes`, sorted like the columns."
            )
        return classes

    def fit(self, data, classes, *, n_jobs, seed, verbose, run=None):
        """Fit the teachers that are not fitted; none where predictions are given.

        `run` says where, see `fit_teachers`; None: here, in `n_jobs` processes.
        """
        self.data = data
        self.classes = classes
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.shape = len(self.names), len(classes)
        # no teacher was fitted on the labeled rows that it predicts
        self.out_of_fold = bool(data.labeled.any()) and self.fits_all
        self._labeled = None  # (n_labeled, t, c), once it is there
        self._synthetic = {}  # blocks of (b, t, c) by their first row, until used
        self._order = data.labeled.cumsum() - 1  # of a row among the labeled ones
        if is_prefit(self.cv):
            return self
        if self.given is not None:
            self.teachers = {}  # who predicted is not there
            return self
        self.teachers, self._labeled = self._fit_out_of_fold(seed, verbose, run)
        return self

    def blocks(self):
        """Split the rows, so that memory does not grow with the teachers -> list."""
        labeled, is_real = self.data.labeled, self.data.index >= 0
        parts = [np.flatnonzero(is_real)]
        if self._labeled is not None:  # labeled rows have blocks of their own
            parts = [np.flatnonzero(labeled), np.flatnonzero(is_real & ~labeled)]
        parts.append(np.flatnonzero(~is_real))  # and so have synthetic rows
        return [block for part in parts for block in self.split(part)]

    def block(self, index):
        """Return the rows of one of `blocks`, and predictions -> (b, d), (b, t, c)."""
        X = take_rows(self.data.X, index)
        if self._labeled is not None and self.data.labeled[index[0]]:
            return X, self._labeled[self._order[index]]
        if index[0] in self._synthetic:
            return X, self._synthetic.pop(index[0])
        positions = self.data.index[index]
        if self.given is not None and positions[0] >= 0:
            return X, as_proba(self.given[positions], positions)
        return X, self.ask(X)

    def of_labeled(self):
        """Return those of labeled rows, which stay in memory -> (n_labeled, t, c)."""
        if self._labeled is None:
            known = self.split(np.flatnonzero(self.data.labeled))
            empty = np.empty((0, *self.shape), dtype=np.float32)
            parts = [self.block(index)[1] for index in known]
            self._labeled = np.concatenate([empty, *parts])
        return self._labeled

    @property
    def fits_all(self):
        """Whether `cv` fits every teacher, or did where predictions are given."""
        return not is_prefit(self.cv) and not any(
            map(holds_fitted, self.teachers.values())
        )

    def check_can_ask(self):
        """Raise where no teacher can be asked about rows that are not the caller's."""
        if self.given is None or (self.teachers and is_prefit(self.cv)):
            return
        case = f"cv={self.cv!r}" if self.teachers else "teachers=None"
        raise ValueError(
            "`synthetic` makes rows that the teachers are asked about, but with "
            f"`teacher_proba` and {case} none of them is fitted: pass fitted teachers "
            "and cv='prefit', leave `teacher_proba` out, or set synthetic=0."
        )

    def can_ask_synthetic(self):
        """Ask about the synthetic rows before their turn; return whether it went well.

        A teacher may refuse a mixed row, such as a code that its encoder never saw or
        the root of a negative difference, or have nothing to say about most of them.
        """
        blocks = self.split(np.flatnonzero(self.data.index < 0))
        verbose = self.verbose if blocks else 0
        shown = followed_blocks(blocks, verbose, "synthetic rows")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of rows that nobody asked for
                proba = [self.ask(take_rows(self.data.X, block)) for block in shown]
        except Exception as error:
            if self.verbose:
                print(f"no synthetic rows, which a teacher refused: {error!r}")
            return False
        firsts = [block[0] for block in blocks]
        self._synthetic = dict(zip(firsts, proba, strict=True))
        known = [block.any(axis=(1, 2)) for block in proba]  # by some teacher
        return not blocks or np.concatenate(known).mean() > LEAST_KNOWN

    def ask(self, X):
        """Ask the fitted teachers about any rows -> (b, t, c)."""
        return stack_proba(self.teachers, X, self.classes, n_jobs=self.n_jobs)

    def split(self, positions):
        """Split positions into blocks of as many values as may be held at once."""
        X = self.data.X
        columns = max(1, prod(X.shape[1:])) if isinstance(X, np.ndarray) else 1
        size = max(1, min(BLOCK_VALUES // prod(self.shape), ROW_VALUES // columns))
        return [positions[i : i + size] for i in range(0, len(positions), size)]

    def _fit_out_of_fold(self, seed, verbose, run):
        """Fit clones on the labeled rows -> fitted teachers, (n_labeled, t, c)."""
        data = self.data
        known = np.flatnonzero(data.labeled)
        y, weight = data.y[known], data.weight[known]
        return fit_teachers(
            self.teachers,
            take_rows(data.X, known),
            y,
            self.classes,
            open_splitter(self.cv, data, seed),
            sample_weight=None if (weight == 1).all() else weight,
            n_jobs=self.n_jobs,
            random_state=seed,
            run=run,
            verbose=verbose,
        )
