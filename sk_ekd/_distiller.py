"""EnsembleDistiller: validates, wires the stages, keeps scikit-learn's contract."""

import contextlib
import copy
import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import issparse

# _fit_context and _param_validation are private in scikit-learn, and what its own
# estimators state the ranges of their parameters with: the same checks, the same errors
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline

# _safe_indexing is documented but private in scikit-learn: the one function that takes
# rows of arrays, sparse matrices, DataFrames and lists alike
from sklearn.utils import (
    Bunch,
    _safe_indexing,
    check_array,
    check_consistent_length,
    check_random_state,
    get_tags,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from ._labels import (
    as_column,
    check_one_kind,
    encode_labels,
    merge_classes,
    read_labels,
)
from ._student import check_student, fit_student, seeded, student_proba
from ._targets import soft_targets
from ._teachers import fit_teachers, known_classes, name_teachers, stack_proba
from .students import default_student
from .weighting import WEIGHTINGS, Rows, UnifiedWeighting

BLOCK_VALUES = 2**24  # of one block of teachers' answers: 64 MB as float32
FEW_LABELS = 10  # too few labeled rows to say that a teacher is worse than chance
ALL_BUT_PERFECT = 0.99  # accuracy on labeled rows that only seen rows explain


class EnsembleDistiller(ClassifierMixin, BaseEstimator):
    """Distill an ensemble of classifiers into one small, fast neural network.

    The student estimates the class probabilities of the teachers' ensemble, from
    labeled and unlabeled rows alike; it alone answers at prediction. The method is
    unified ensemble knowledge distillation [1]_: the loss is the mean over all rows of
    ::

        s · [ (1 - alpha) · 1[labeled] · CE(y, student)
              + alpha · λ · T² · KL(q^(T) ‖ student^(T)) ]

    with the sample weight ``s``, the row weight ``λ`` and the mix of the teachers ``q``
    that `weighting` gives, and the `temperature` ``T``; ``s`` is scaled to a mean of
    one. Where few rows are labeled, the label term is small in this mean.

    Parameters
    ----------
    teachers : list of classifiers, or of (str, classifier)
        The ensemble. Anything with `predict_proba`, `decision_function` or `predict`,
        and `classes_`, from any library. They see `X` exactly as it is given (other
        sparse formats as CSR).
    student : skorch classifier, Pipeline that ends in one, or None, default=None
        A :class:`skorch.NeuralNetClassifier` with `CrossEntropyLoss` (the module
        returns logits) or `NLLLoss` (probabilities), or a
        :class:`skorch.NeuralNetBinaryClassifier`; cloned, never fitted in place. Where
        the module takes `in_features` and `out_features` and they are unset, they are
        set. A net gets float32 rows, a Pipeline what `fit` gets. Rows are shuffled
        unless `iterator_train__shuffle` says otherwise; the net's `train_split` is not
        used, so its callbacks can monitor the `train_loss` only. None is
        :func:`sk_ekd.students.default_student`.
    cv : "prefit", int, splitter or iterable, default="prefit"
        "prefit": the teachers are fitted, and used as they are. Else clones are fitted
        on the labeled rows: a labeled row is answered by clones that never saw it, an
        unlabeled row by clones that saw all labeled rows. Their correctness on rows
        that they were fitted on says nothing, so prefer this where you can. The
        positions of an iterable are those of rows in `X`.
    weighting : {"unified", "uniform"} or callable, default="unified"
        How teachers and rows are weighted. "unified" is
        :class:`~sk_ekd.weighting.UnifiedWeighting`, "uniform" the plain mean with no
        row weights. A callable maps :class:`~sk_ekd.weighting.Rows`, a block of rows,
        to a non-negative array of shape (n_samples, n_teachers); with a method
        `scale_rows` like that of `UnifiedWeighting` it sees all row weights once more.
    alpha : float, default=0.5
        Share of the distillation term, from 0 (labels only) to 1 (teachers only).
    temperature : float, default=1.0
        Softens the teachers and the student in the distillation term.
    unlabeled_label : scalar or None, default=-1
        The mark of an unknown label in `y`; missing values (None, NaN, ``pd.NA``) are
        unknown labels too. None: there is no mark, as for real labels {-1, 1}.
    n_jobs : int, default=None
        Number of teachers fitted (processes) or asked (threads) at the same time.
    random_state : int, RandomState instance or None, default=None
        Seeds the student, and with `cv` the teachers whose own is None. The same int
        gives the same student, to the bit on a CPU. Torch has one generator for a whole
        process: to fit several distillers at the same time, use processes, not threads.
    verbose : int, default=0
        1 lets the built-in student print a line an epoch; another student has its own
        `verbose`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels in `y` and the teachers' classes, sorted.
    teachers_ : list of classifiers
        The fitted teachers; with ``cv="prefit"`` the very objects that were passed.
    named_teachers_ : Bunch
        The same by name.
    student_ : skorch classifier or Pipeline
        The fitted student; by itself it predicts indices into `classes_`. A bare net
        takes float32 rows only; a Pipeline is given a step that casts to them.
    history_ : DataFrame
        One row an epoch: `train_loss` and its terms `label_loss` and
        `distillation_loss`, and what the student's callbacks record.
    teacher_accuracy_ : Series of shape (n_teachers,)
        Accuracy on the labeled rows, out of fold with `cv`; NaN without any.
    teacher_weight_ : DataFrame of shape (n_labeled, n_teachers)
        What `weighting` returned for the labeled rows; the index is their positions in
        `X`.
    row_weight_ : ndarray of shape (n_samples,)
        The weight ``λ`` of each row's distillation term.
    n_features_in_ : int
        Number of columns of `X`, where it has columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of `X`, where they are all strings.

    References
    ----------
    .. [1] C. Wu, F. Wu, T. Qi, Y. Huang, "Unified and Effective Ensemble Knowledge
       Distillation", arXiv:2204.00548, 2022. Only its abstract was available to us.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.svm import SVC
    >>> from sk_ekd import EnsembleDistiller
    >>> X, y = load_iris(return_X_y=True)
    >>> y[::2] = -1  # unknown
    >>> teachers = [RandomForestClassifier(random_state=0), SVC()]
    >>> distiller = EnsembleDistiller(teachers, cv=5, random_state=0).fit(X, y)
    >>> distiller.predict(X[:3])
    array([0, 0, 0])
    """

    _parameter_constraints = {
        "cv": ["cv_object", StrOptions({"prefit"})],
        "weighting": [StrOptions(set(WEIGHTINGS)), callable],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "unlabeled_label": [str, Real, np.bool_, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        teachers,
        student=None,
        *,
        cv="prefit",
        weighting="unified",
        alpha=0.5,
        temperature=1.0,
        unlabeled_label=-1,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.teachers = teachers
        self.student = student
        self.cv = cv
        self.weighting = weighting
        self.alpha = alpha
        self.temperature = temperature
        self.unlabeled_label = unlabeled_label
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sample_weight=None):
        """Distill the teachers into a fresh student.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list of length n_samples
            Labeled and unlabeled rows, in any order.
        y : array-like of shape (n_samples,)
            Labels; `unlabeled_label` or a missing value where unknown.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss, and with `cv` in the fits of the teachers
            whose `fit` names it (a Pipeline's does not); a row of weight 0 counts as
            removed.

        Returns
        -------
        self : EnsembleDistiller
            The fitted distiller.
        """
        for stale in ("student_", "n_features_in_"):  # of an earlier fit
            vars(self).pop(stale, None)
        rng = check_random_state(self.random_state)
        weighting = _check_weighting(self.weighting)
        temperature = float(self.temperature)  # small NumPy integers would overflow
        rows, teachers = self._read(X, y, sample_weight)
        student = self.student
        if student is None:
            student = default_student(rows.X, verbose=self.verbose)
        check_student(student)

        with seeded(_draw_seed(rng)):  # for teachers that are torch nets
            teachers, out_of_fold = self._fit_teachers(teachers, rows, rng)
            shape = len(teachers), len(self.classes_)
            blocks = _ask_in_blocks(
                teachers, rows, self.classes_, out_of_fold, self.n_jobs
            )  # (b, t, c) each
            mix = _mix_blocks(blocks, rows, weighting, temperature, shape)
        self._check_something_to_learn(mix, rows)
        self._keep_weights(mix, rows)
        self._warn_of_teachers()

        sample_weight = rows.sample_weight / rows.sample_weight.mean()
        self.student_, self.history_ = fit_student(
            student,
            rows.X,
            rows.y,
            mix.target,
            label_weight=sample_weight,
            weight=sample_weight * mix.row_weight,
            alpha=float(self.alpha),
            temperature=temperature,
            seed=_draw_seed(rng),
        )
        return self

    def predict_proba(self, X):
        """Ask the student for the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list of length n_samples
            Rows, of the kind that `fit` saw.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to one.
        """
        check_is_fitted(self, "student_")
        X = _as_rows(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        return student_proba(self.student_, X)

    def predict(self, X):
        """Ask the student for the most probable class.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list of length n_samples
            Rows, of the kind that `fit` saw.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels; the argmax of `predict_proba`, whatever threshold a
            `NeuralNetBinaryClassifier` has.
        """
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def score(self, X, y, sample_weight=None):
        """Return the student's accuracy on the labeled rows among `X`.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list of length n_samples
            Rows, of the kind that `fit` saw.
        y : array-like of shape (n_samples,)
            Labels; rows with an unknown label are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        score : float
            Share of the labeled rows that `predict` gets right.
        """
        check_is_fitted(self, "student_")
        check_consistent_length(X, y, sample_weight)
        labels, labeled = read_labels(as_column(y), self.unlabeled_label)
        if not labeled.any():
            raise ValueError("y has no labeled row to score: every label is unknown.")
        check_one_kind(labels, self.classes_)
        known = np.flatnonzero(labeled)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)[known]
        return accuracy_score(
            encode_labels(labels, labeled, self.classes_)[known],
            self.predict_proba(_take(_as_rows(X), known)).argmax(axis=1),
            sample_weight=sample_weight,
        )

    def _read(self, X, y, sample_weight):
        """Check the input and encode the labels -> _TrainingRows, named teachers."""
        X = _as_rows(X)
        validate_data(self, X, y, skip_check_array=True)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)
            if sample_weight.ndim != 1:
                raise ValueError(
                    "`sample_weight` must be a 1D array of one weight a row, got an "
                    f"array of shape {sample_weight.shape}."
                )
        y = as_column(y)
        check_consistent_length(X, y, sample_weight)
        if not len(y):
            raise ValueError("Found X and y with 0 samples: at least 1 is required.")
        sample_weight, index = _check_sample_weight(sample_weight, len(y))
        labels, labeled = read_labels(y[index], self.unlabeled_label)
        teachers = name_teachers(self.teachers)
        self.classes_ = self._merge_classes(labels, teachers)
        codes = encode_labels(labels, labeled, self.classes_)
        if self.alpha == 0 and not labeled.any():
            raise ValueError(
                "alpha=0 learns from labels only, but y has no labeled row: raise "
                "`alpha`, or label some rows."
            )
        X = _take(X, index)
        return _TrainingRows(X, codes, sample_weight, index, len(y)), teachers

    def _is_prefit(self):
        return isinstance(self.cv, str)

    def _merge_classes(self, labels, teachers):
        """Return the sorted union of labels and fitted teachers' classes -> (c,)."""
        known = known_classes(
            {
                name: teacher
                for name, teacher in teachers.items()
                if self._is_prefit() or isinstance(teacher, FrozenEstimator)
            }
        )
        for name, classes in known.items():
            if self.unlabeled_label is not None and (
                self.unlabeled_label in classes.tolist()
            ):
                raise ValueError(
                    f"Teacher {name!r} knows the class {self.unlabeled_label!r}, which "
                    "marks unlabeled rows in y: set `unlabeled_label` to another mark, "
                    "or to None if every row is labeled or unlabeled rows are NaN or "
                    "None."
                )
        if not self._is_prefit() and not len(labels):
            raise ValueError(
                f"cv={self.cv!r} fits the teachers on labeled rows, but y has none: "
                "label some rows, or pass fitted teachers and cv='prefit'."
            )
        classes = merge_classes(labels, known)
        if len(classes) < 2:
            raise ValueError(
                f"Expected at least 2 classes, got one class, {classes.tolist()}, in y "
                "and the teachers, besides the unlabeled mark "
                f"{self.unlabeled_label!r}. If the mark is one of your classes, set "
                "unlabeled_label=None."
            )
        return classes

    def _fit_teachers(self, teachers, rows, rng):
        """Fit clones on the labeled rows -> fitted, out-of-fold (n_labeled, t, c)."""
        out_of_fold = None
        if not self._is_prefit():
            known = np.flatnonzero(rows.y >= 0)
            y, weight = rows.y[known], rows.sample_weight[known]
            teachers, out_of_fold = fit_teachers(
                teachers,
                _take(rows.X, known),
                y,
                self.classes_,
                check_cv(_renumber(self.cv, rows.index[known]), y, classifier=True),
                sample_weight=None if (weight == 1).all() else weight,
                n_jobs=self.n_jobs,
                random_state=rng,
                seeded=seeded,
            )
        self.teachers_ = list(teachers.values())
        self.named_teachers_ = Bunch(**teachers)
        return teachers, out_of_fold

    def _check_something_to_learn(self, mix, rows):
        uses_labels = self.alpha < 1 and (rows.y >= 0).any()
        if not uses_labels and not mix.row_weight.any():
            why, cure = "alpha=1 learns from the teachers only", "lower `alpha`"
            if (rows.y < 0).all():
                why, cure = "y has no labeled row", "label some rows"
            raise ValueError(
                f"{why}, but the weighting gives every row a weight of zero: {cure}, "
                "or change `weighting`."
            )

    def _keep_weights(self, mix, rows):
        """Keep the weights that were used."""
        names = list(self.named_teachers_)
        self.row_weight_ = np.zeros(rows.n_samples)
        self.row_weight_[rows.index] = mix.row_weight
        self.teacher_weight_ = pd.DataFrame(
            mix.teacher_weight, index=rows.index[rows.y >= 0], columns=names
        )
        self.teacher_accuracy_ = pd.Series(mix.teacher_accuracy, index=names)

    def _warn_of_teachers(self):
        """Warn where the accuracy on labeled rows says that something is off."""
        mean = self.teacher_accuracy_.mean()
        strange = self.teacher_accuracy_ < 0.5 / len(self.classes_)
        if len(self.teacher_weight_) >= FEW_LABELS and strange.any():
            shown = self.teacher_accuracy_[strange].round(3).to_dict()
            warnings.warn(
                f"Teachers are right on fewer labeled rows than by chance, {shown}: "
                "are their labels encoded like those in y?",
                UserWarning,
                stacklevel=4,  # the caller of fit, outside of its _fit_context
            )
        seen = self._is_prefit() and mean > ALL_BUT_PERFECT
        if seen and self.alpha > 0 and not _ignores_correctness(self.weighting):
            warnings.warn(
                f"The fitted teachers are right on {mean:.1%} of the labeled rows, as "
                "on rows that they were fitted on: weights by their correctness then "
                "say little. Label rows that they have not seen, or pass unfitted "
                "teachers and cv=5. See `teacher_accuracy_`.",
                UserWarning,
                stacklevel=4,
            )

    def __sklearn_clone__(self):
        if not self._is_prefit():
            return super().__sklearn_clone__()
        # scikit-learn's clone would unfit the teachers: leave them out, hand them over
        shell = copy.copy(self)
        shell.teachers = None
        twin = super(EnsembleDistiller, shell).__sklearn_clone__()
        twin.teachers = self.teachers
        return twin

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        with contextlib.suppress(Exception):  # teachers of other libraries have no tags
            readers = list(self.teachers)  # of X
            if isinstance(self.student, Pipeline):
                readers.append(self.student[0])
            inputs = [
                get_tags(r[1] if isinstance(r, tuple) else r).input_tags
                for r in readers
            ]
            tags.input_tags.sparse = all(tag.sparse for tag in inputs)
            tags.input_tags.allow_nan = all(tag.allow_nan for tag in inputs)
        return tags


class _TrainingRows(NamedTuple):
    """The rows that train: those of the caller without the ones of weight zero."""

    X: object  # as the caller gave it
    y: np.ndarray  # (n,), index of the label, -1 unlabeled
    sample_weight: np.ndarray  # (n,)
    index: np.ndarray  # (n,), positions in the caller's X
    n_samples: int  # of the caller's X


class _Mix(NamedTuple):
    """What the answers become: targets for the student, weights to look at."""

    target: np.ndarray  # (n, c)
    row_weight: np.ndarray  # (n,)
    teacher_weight: np.ndarray  # (n_labeled, t)
    teacher_accuracy: np.ndarray  # (t,), on the labeled rows


def _ask_in_blocks(teachers, rows, classes, out_of_fold, n_jobs):
    """Yield positions (b,), rows, and the teachers' answers (b, t, c), block by block.

    So that memory does not grow with the number of teachers.
    """
    size = max(1, BLOCK_VALUES // (len(teachers) * len(classes)))
    asked = np.arange(len(rows.y))
    if out_of_fold is not None:
        known, asked = np.flatnonzero(rows.y >= 0), np.flatnonzero(rows.y < 0)
        for start in range(0, len(known), size):
            block = slice(start, start + size)
            yield known[block], _take(rows.X, known[block]), out_of_fold[block]
    for start in range(0, len(asked), size):
        index = asked[start : start + size]
        X = _take(rows.X, index)
        yield index, X, stack_proba(teachers, X, classes, n_jobs=n_jobs)


def _mix_blocks(blocks, rows, weighting, temperature, shape):
    """Weigh and mix the teachers' answers, block by block -> _Mix."""
    n_teachers, n_classes = shape
    known = rows.y >= 0
    order = known.cumsum() - 1  # of a labeled row among the labeled rows
    target = np.empty((len(rows.y), n_classes), dtype=np.float32)
    row_weight = np.empty(len(rows.y))
    teacher_weight = np.empty((known.sum(), n_teachers), dtype=np.float32)
    hits = np.zeros(n_teachers)
    for index, X, proba in blocks:
        y, labeled = rows.y[index], known[index]
        proba.flags.writeable = False  # a weighting looks, and changes nothing
        weight = _check_weight(weighting(Rows(X, y, proba)), proba.shape[:2])  # (b, t)
        target[index], row_weight[index] = soft_targets(proba, weight, temperature)
        teacher_weight[order[index[labeled]]] = weight[labeled]
        hits += (proba[labeled].argmax(axis=2) == y[labeled, np.newaxis]).sum(axis=0)
    if hasattr(weighting, "scale_rows"):
        row_weight = weighting.scale_rows(row_weight, rows.y, rows.sample_weight)
    with np.errstate(invalid="ignore"):  # NaN where no row is labeled
        return _Mix(target, row_weight, teacher_weight, hits / known.sum())


def _ignores_correctness(weighting):
    if isinstance(weighting, UnifiedWeighting):
        return weighting.teacher == weighting.labeled == "uniform"
    return weighting in ("uniform", WEIGHTINGS["uniform"])


def _draw_seed(rng):
    return rng.randint(np.iinfo(np.int32).max)


def _renumber(cv, known):
    """Let the train and test positions of an iterable count the labeled rows only."""
    if cv is None or isinstance(cv, Integral) or hasattr(cv, "split"):
        return cv
    return [
        tuple(
            np.searchsorted(known, np.intersect1d(_positions(part), known))
            for part in (train, test)
        )
        for train, test in cv
    ]


def _positions(part):
    part = np.asarray(part)
    return np.flatnonzero(part) if part.dtype == bool else part


def _check_weighting(weighting):
    if isinstance(weighting, str):
        return WEIGHTINGS[weighting]
    if isinstance(weighting, type):
        raise TypeError(
            f"`weighting` must be an instance, got the class {weighting.__name__}: "
            f"write {weighting.__name__}()."
        )
    return weighting


def _check_weight(weight, shape):
    weight = np.asarray(weight)
    if weight.shape != shape:
        raise ValueError(
            f"The weighting must return an array of shape (n_samples, n_teachers), "
            f"{shape} here, got {weight.shape}."
        )
    is_number = weight.dtype.kind in "biuf"
    largest = np.finfo(np.float32).max  # the loss is computed in float32
    if not is_number or not ((weight >= 0) & (weight <= largest)).all():
        values = f" from {weight.min()} to {weight.max()}" if is_number else ""
        raise ValueError(
            "The weighting must return finite, non-negative numbers, got "
            f"{weight.dtype}{values}."
        )
    return weight


def _check_sample_weight(sample_weight, n_samples):
    """Return the weights that are not zero, and the positions of their rows."""
    if sample_weight is None:
        return np.ones(n_samples), np.arange(n_samples)
    weight = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if (weight < 0).any() or not weight.any():
        raise ValueError(
            "Sample weights must be non-negative and must not all be zero, got values "
            f"from {weight.min()} to {weight.max()}."
        )
    kept = np.flatnonzero(weight)
    return weight[kept], kept


def _as_rows(X):
    """Return X itself, unless its rows could not be taken by position."""
    if issparse(X):
        return X.tocsr()  # scikit-learn cannot take rows of COO, BSR and DIA
    if not hasattr(X, "shape") and not isinstance(X, (list, tuple)):
        X = np.asarray(X)
    if isinstance(X, np.ndarray) and not X.ndim:
        raise ValueError(f"Expected a 2D array of rows, got {X.item()!r}.")
    if isinstance(X, np.ndarray) and X.ndim < 2 and X.dtype.kind in "biuf":
        raise ValueError(
            f"Expected a 2D array of rows, got an array of shape {X.shape}. Reshape "
            "your data with X.reshape(-1, 1) if it has a single feature, or "
            "X.reshape(1, -1) if it is a single row."
        )
    return X


def _take(X, index):
    """Return the rows at sorted, unique positions; all of them as they are."""
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    return X if len(index) == n_samples else _safe_indexing(X, index)
