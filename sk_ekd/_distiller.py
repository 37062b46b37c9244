"""EnsembleDistiller: validates, wires the stages, keeps scikit-learn's contract."""

import contextlib
import copy
import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd

# _fit_context is private in scikit-learn, and what its own estimators check their
# parameters with before a fit
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils import (
    Bunch,
    check_consistent_length,
    check_random_state,
    get_tags,
)

# private in scikit-learn, and what its own estimators state the ranges of their
# parameters with: the same checks, the same errors
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from ._answers import check_teacher_proba, make_lookup
from ._classes import (
    UNLABELED,
    as_column,
    check_one_kind,
    encode_labels,
    read_labels,
)
from ._compat import warn
from ._data import holds_fitted, is_prefit, read_training
from ._frames import warn_of_scikit_learn
from ._mix import (
    find_unseen,
    fit_pool,
    ignores_correctness,
    mix_blocks,
    open_pool,
    open_weighting,
)
from ._progress import (
    CallbackSupportMixin,
    Epochs,
    followed,
    print_progress,
    with_callbacks,
)
from ._rows import as_rows, count_rows, take_rows
from .pooling import POOLINGS, MeanPool
from .students import default_student
from .students._net import (
    StudentRows,
    check_student,
    fit_student,
    seeded,
    student_proba,
    update_student,
)
from .teachers._ask import (
    ask_labeled,
    draw_seed,
    fit_or_keep,
    make_ask,
    open_teachers,
    plan_blocks,
    remember,
)
from .weighting import WEIGHTINGS

FEW_LABELS = 10  # too few labeled rows to say that a teacher is worse than chance
MOST_UNSEEN = 0.05  # share of labels that no fold has seen, beyond which pools suffer
ALL_BUT_PERFECT = 0.99  # accuracy on labeled rows that only seen rows explain
MOST_SHOWN = 8  # teachers in the HTML representation; of more, two


class EnsembleDistiller(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
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
    teachers : list of classifiers, of (str, classifier), a fitted ensemble, or None
        Anything with `predict_proba`, `decision_function` or `predict`, and
        `classes_`, from any library. They see `X` exactly as it is given (other sparse
        formats as CSR). A fitted forest, Bagging, Voting, Stacking or
        CalibratedClassifierCV of scikit-learn that is passed bare, not in a list,
        stands for its members. None: `fit` is given their answers, `teacher_proba`.
    student : skorch classifier, Pipeline that ends in one, or None, default=None
        A :class:`skorch.NeuralNetClassifier` with `CrossEntropyLoss` (the module
        returns logits) or `NLLLoss` (probabilities), or a
        :class:`skorch.NeuralNetBinaryClassifier`; cloned, never fitted in place. Where
        the module takes `in_features` and `out_features` and they are unset, they are
        set. A net gets float32 rows, a Pipeline what `fit` gets. Rows are shuffled
        unless `iterator_train__shuffle` says otherwise; `validation_fraction` takes the
        place of the net's `train_split`. None is
        :func:`sk_ekd.students.default_student`.
    cv : "prefit", int, splitter or iterable, default="prefit"
        "prefit": the teachers are fitted, and used as they are. Else clones are fitted
        on the labeled rows: a labeled row is answered by clones that never saw it, an
        unlabeled row by clones that saw all labeled rows. Their correctness on rows
        that they were fitted on says nothing, so prefer this where you can. The
        positions of an iterable are those of rows in `X`.
    pooling : {"auto", "mean", "calibrated"} or CalibratedPool, default="auto"
        Which ensemble the teachers form. "mean" takes them as they are, all alike;
        "calibrated" gives each one weight and one temperature, fitted on the labeled
        rows, see :class:`~sk_ekd.pooling.CalibratedPool`. It needs answers of teachers
        that never saw these rows: those of `cv`, or of teachers fitted on others.
        "auto" is "calibrated" where `cv` fits every teacher, and the folds have seen
        the classes of nearly all labeled rows, else "mean". Of given answers
        (`teacher_proba`) `cv` says how they were made: pass ``cv=5`` with those that
        are out of fold, also where `teachers` is None.
    weighting : {"correctness", "unified", "uniform"} or callable, \
            default="correctness"
        How teachers and rows are weighted. "unified" is
        :class:`~sk_ekd.weighting.UnifiedWeighting`, the three weights of the method;
        "correctness" has the two of labeled rows, and lets unlabeled rows weigh one;
        "uniform" leaves the pool as it is and has no row weights. A callable maps
        :class:`~sk_ekd.weighting.Rows`, a block of rows, to a non-negative array of
        shape (n_samples, n_teachers); with a method `scale_rows` like that of
        `UnifiedWeighting` it sees all row weights once more.
    alpha : float, default=0.5
        Share of the distillation term, from 0 (labels only) to 1 (teachers only).
    temperature : float, default=1.0
        Softens the teachers and the student in the distillation term.
    class_weight : "balanced", dict or None, default=None
        Weights of the classes, by which the sample weights of labeled rows are
        multiplied. "balanced": inversely proportional to the labeled rows of a class.
    classes : array-like of shape (n_classes,), default=None
        All classes, sorted, where `y` and the teachers do not show them all. None: the
        labels in `y` and the teachers' classes.
    unlabeled_label : scalar or None, default=-1
        The mark of an unknown label in `y`; missing values (None, NaN, ``pd.NA``) are
        unknown labels too. None: there is no mark, as for real labels {-1, 1}.
    validation_fraction : float, default=None
        Share to hold out of the rows that have a part in the loss, stratified by label,
        unlabeled rows alike; a class with one labeled row keeps it for training. The
        student's training stops when its loss on them has not fallen for 10 epochs, and
        the best weights are restored; an EarlyStopping among the net's own callbacks
        takes the place of this rule. None: every row trains, for all epochs.
    n_jobs : int, default=None
        Number of teachers fitted (processes) or asked (threads) at the same time.
    random_state : int, RandomState instance or None, default=None
        Seeds the student, and with `cv` the teachers and the splitter whose own is
        None. The same int gives the same student, to the bit on a CPU. Torch has one
        generator for a whole process: to fit several distillers at the same time, use
        processes, not threads.
    verbose : int, default=0
        1 prints a line once the teachers are fitted, and for each block of rows that
        they answered, and lets the built-in student print a line an epoch; another
        student has its own `verbose`.
        From scikit-learn 1.9 on, its callbacks follow both, as in
        ``distiller.set_callbacks(sklearn.callback.ProgressBar())``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        `classes`, or the labels in `y` and the teachers' classes, sorted. With answers
        of no teachers to no label, the numbers of the columns.
    teachers_ : list of classifiers
        The fitted teachers; with ``cv="prefit"`` the very objects that were passed.
        Empty where `teacher_proba` stood in for teachers that are not fitted.
    named_teachers_ : Bunch
        The same by name.
    student_ : skorch classifier or Pipeline
        The fitted student; by itself it predicts indices into `classes_`. A bare net
        takes float32 rows only; a Pipeline is given a step that casts to them.
    history_ : DataFrame
        One row an epoch: `train_loss` and its terms `label_loss` and
        `distillation_loss`, and what the student's callbacks record (nothing of these
        with ``callbacks="disable"``). With
        `validation_fraction` also `valid_loss`, its terms, and `valid_acc`, the
        accuracy on the labeled rows that were held out.
    pool_ : MeanPool or CalibratedPool
        The fitted pool, with `weight_` and `temperature_` of each teacher.
    teacher_accuracy_ : Series of shape (n_teachers,)
        Accuracy on the labeled rows, out of fold with `cv`; NaN without any.
    teacher_weight_ : DataFrame of shape (n_labeled, n_teachers)
        What `weighting` returned for the labeled rows, shared as the pool's weights
        say; the index is their positions in `X`.
    row_weight_ : ndarray of shape (n_samples,)
        The weight ``λ`` of each row's distillation term; 0 where `sample_weight` is.
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
        "pooling": [
            StrOptions({"auto", *POOLINGS}),
            HasMethods(["fit", "transform", "share"]),
        ],
        "weighting": [StrOptions(set(WEIGHTINGS)), callable],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "classes": ["array-like", None],
        "unlabeled_label": [str, Real, np.bool_, None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
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
        pooling="auto",
        weighting="correctness",
        alpha=0.5,
        temperature=1.0,
        class_weight=None,
        classes=None,
        unlabeled_label=-1,
        validation_fraction=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.teachers = teachers
        self.student = student
        self.cv = cv
        self.pooling = pooling
        self.weighting = weighting
        self.alpha = alpha
        self.temperature = temperature
        self.class_weight = class_weight
        self.classes = classes
        self.unlabeled_label = unlabeled_label
        self.validation_fraction = validation_fraction
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    @with_callbacks
    def fit(self, X, y, *, sample_weight=None, teacher_proba=None):
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
        teacher_proba : array-like of shape (n_samples, n_teachers, n_classes), \
default=None
            The teachers' answers, columns in the order of `classes_`: the teachers are
            neither fitted nor asked. :func:`ask_teachers` makes it, for example once
            for all fits of a search, which takes the rows of each fold from it.

        Returns
        -------
        self : EnsembleDistiller
            The fitted distiller.
        """
        for stale in ("student_", "n_features_in_"):  # of an earlier fit
            vars(self).pop(stale, None)
        task = self._init_callback_context(max_subtasks=3)
        task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        self._rng = check_random_state(self.random_state)  # partial_fit draws on
        ask_seed, student_seed = draw_seed(self._rng), draw_seed(self._rng)
        asked, rows = self._read(X, y, sample_weight, teacher_proba)
        self._check_labels_to_learn(rows)
        student = self._choose_student(rows)
        sample_weight = self._weigh_classes(rows)  # (n,)
        self._check_weight_to_learn(sample_weight)
        sample_weight /= sample_weight.mean()
        warn_of_scikit_learn(self.unlabeled_label, EnsembleDistiller)

        mix = self._label(asked, rows, task, ask_seed)  # (n, c), (n,)
        self._check_something_to_learn(mix, rows)
        self._warned = False
        self._warn_of_teachers(asked.cv)

        weight = sample_weight * mix.row_weight  # (n,)
        train, valid = _hold_out(
            StudentRows(rows.X, rows.y, mix.target, sample_weight, weight),
            self.validation_fraction,
            float(self.alpha),
            student_seed,
        )
        self.student_, self.history_ = fit_student(
            student, train, valid, **self._training(task, rows, student_seed)
        )
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    @with_callbacks
    def partial_fit(
        self, X, y, classes=None, *, sample_weight=None, teacher_proba=None
    ):
        """Train the student for one epoch on a chunk of rows.

        For more rows than fit into memory, and for rows that come in over time. The
        first call makes the student, unless `fit` did; each call asks the teachers
        about its own rows and trains one epoch on them, so that memory is that of a
        chunk. For more epochs, pass the chunks again, with `teacher_proba` where asking
        again costs too much, and with `cv`: its teachers have seen the labeled rows of
        the first chunk by then.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list of length n_samples
            Labeled and unlabeled rows; best in random order, thousands in a chunk.
        y : array-like of shape (n_samples,)
            Labels; `unlabeled_label` or a missing value where unknown. Any chunk may
            have no labeled row, but for the first where `cv` fits teachers on it, or no
            unlabeled one.
        classes : array-like of shape (n_classes,), default=None
            All classes, sorted; later calls may leave it out. None in the first: the
            parameter `classes`, else the labels in `y` and the teachers' classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss; used as they are, where `fit` scales them to
            a mean of one.
        teacher_proba : array-like of shape (n_samples, n_teachers, n_classes), \
default=None
            The teachers' answers to these rows, see `fit`.

        Returns
        -------
        self : EnsembleDistiller
            The distiller, trained a bit more.

        Notes
        -----
        What a whole `fit` would know of all rows is known of a chunk only: the mean
        disagreement of the teachers, to which the unlabeled rows' weights are scaled,
        is the chunk's; a student's preprocessing and the pool are chosen and fitted on
        the first chunk (without labels in it, "auto" is the mean for good); with `cv`,
        so are the teachers, on its labeled rows, and they answer for all later chunks.

        `alpha`, `temperature` and `weighting` are read anew in each call; teachers,
        pool and student stay those of the first (for another learning rate,
        ``student_.set_params(lr=...)``, of a Pipeline its net's). A call that is
        interrupted leaves the student where it was by then.

        `row_weight_`, `teacher_weight_` and `teacher_accuracy_` are those of the last
        chunk.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.svm import SVC
        >>> from sk_ekd import EnsembleDistiller
        >>> X, y = load_digits(return_X_y=True)
        >>> teachers = [SVC().fit(X[:200], y[:200])]
        >>> distiller = EnsembleDistiller(teachers, random_state=0)
        >>> for chunk in np.array_split(np.arange(200, 1700), 5):
        ...     distiller = distiller.partial_fit(X[chunk], np.full(len(chunk), -1))
        >>> len(distiller.history_)
        5
        """
        self._check_chunkwise()
        first = not hasattr(self, "student_")
        if first:
            self._rng = check_random_state(self.random_state)
        task = self._init_callback_context(task_name="partial_fit", max_subtasks=3)
        task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        ask_seed, student_seed = draw_seed(self._rng), draw_seed(self._rng)
        asked, rows = self._read(X, y, sample_weight, teacher_proba, classes, first)
        sample_weight = self._weigh_classes(rows)  # (n,)
        _check_finite_weight(sample_weight)
        pool = None if first else self.pool_
        mix = self._label(asked, rows, task, ask_seed, pool)  # (n, c), (n,)
        weight = sample_weight * mix.row_weight  # (n,)
        train = StudentRows(rows.X, rows.y, mix.target, sample_weight, weight)
        how = self._training(task, rows, student_seed)
        self._warned = not first and self._warned
        self._warn_of_teachers(asked.cv, pooled_here=first)
        if first:
            self.student_, self.history_ = fit_student(
                self._choose_student(rows, decay=False), train, None, **how, n_epochs=1
            )
        else:
            self.history_ = update_student(self.student_, train, **how)
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
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
        check_is_fitted(self)
        X = as_rows(X)
        has_names = hasattr(self, "feature_names_in_") or not isinstance(X, np.ndarray)
        if has_names or X.shape[1:2] != (getattr(self, "n_features_in_", None),):
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
        check_is_fitted(self)
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
            self.predict_proba(take_rows(as_rows(X), known)).argmax(axis=1),
            sample_weight=sample_weight,
        )

    def _read(self, X, y, sample_weight, teacher_proba, classes=None, first=True):
        """Check the input, find the classes, encode the labels -> _Asked, rows."""
        X = as_rows(X)
        validate_data(self, X, y, reset=first, skip_check_array=True)
        teachers, cv = self.teachers, self.cv
        if first:
            classes = self.classes if classes is None else classes
        else:
            classes = self._check_same_classes(classes)
            if not is_prefit(cv) and self.teachers_:  # fitted by the first call
                teachers, cv = list(self.named_teachers_.items()), "prefit"
            elif not is_prefit(cv) and teacher_proba is None:
                raise ValueError(
                    f"cv={cv!r} fits the teachers in the first call, which came with "
                    "`teacher_proba` instead: pass it in every call."
                )
        teachers, read = open_teachers(teachers, cv)
        n_columns = None
        if teacher_proba is not None:
            teacher_proba = check_teacher_proba(
                teacher_proba, count_rows(X), list(teachers)
            )
            n_columns = teacher_proba.shape[2]
        elif not teachers:
            raise ValueError(
                "`teachers` is None: pass classifiers, or their answers as "
                "fit(X, y, teacher_proba=...)."
            )
        rows, self.classes_ = read_training(
            X, y, sample_weight, teachers,
            cv=cv, classes=classes, unlabeled_label=self.unlabeled_label,
            n_columns=n_columns,
        )  # fmt: skip
        if n_columns not in (None, len(self.classes_)):
            raise ValueError(
                f"`teacher_proba` has {n_columns} columns, but there are "
                f"{len(self.classes_)} classes, {self.classes_.tolist()}, in y and the "
                "teachers: name all of them in `classes`, sorted like the columns."
            )
        asked = _Asked(teachers, cv, read, teacher_proba)
        if not first:
            self._check_same_teachers(asked)
        return asked, rows

    def _check_chunkwise(self):
        """Raise for what only all rows together can tell."""
        if self.validation_fraction is not None:
            raise ValueError(
                "`validation_fraction` stops the training of a whole fit: set it to "
                "None for partial_fit, and watch the score on rows of your own."
            )
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' counts the labels of all rows, which "
                "partial_fit does not see: pass a dict of weights, or None."
            )

    def _check_same_classes(self, classes):
        """Return the classes of the calls before, which are those of this one."""
        if classes is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(
                "`classes` must be the same in every call of partial_fit, got "
                f"{np.asarray(classes).tolist()} after {self.classes_.tolist()}. To "
                "start anew, call it on a clone."
            )
        return self.classes_

    def _check_same_teachers(self, asked):
        """Raise where a pool, and the names of weights, would be those of others."""
        before = list(self.teacher_accuracy_.index)
        now = list(asked.teachers) or _numbered(asked.proba)
        if asked.proba is not None and asked.proba.shape[1] == len(before):
            return  # answers have no names
        if now != before:
            raise ValueError(
                "The teachers must be the same, in the same order, in every call of "
                f"partial_fit, got {now} after {before}. To start anew, call it on a "
                "clone."
            )

    def _check_labels_to_learn(self, rows):
        if self.alpha == 0 and not rows.labeled.any():
            raise ValueError(
                "alpha=0 learns from labels only, but y has no labeled row: raise "
                "`alpha`, or label some rows."
            )

    def _check_weight_to_learn(self, weight):
        if not weight.any():
            raise ValueError(
                f"`class_weight` {self.class_weight!r} leaves no row any weight."
            )

    def _training(self, task, rows, seed):
        """Return how the student is trained."""
        return {
            "alpha": float(self.alpha),
            "temperature": float(self.temperature),
            "seed": seed,
            "epochs": Epochs(task, self, lambda: self._take_labeled(rows)),
        }

    def _choose_student(self, rows, *, decay=True):
        student = self.student
        if student is None:
            student = default_student(rows.X, decay=decay, verbose=self.verbose)
        check_student(student)
        return student

    def _weigh_classes(self, rows):
        """Multiply sample weights by class weights -> (n,)."""
        weight, labeled = rows.sample_weight.copy(), rows.labeled
        y = rows.y[labeled]
        if self.class_weight == "balanced" and len(y):
            # not scikit-learn's: a row of weight two counts as two here
            count = np.bincount(y, weight[labeled], minlength=len(self.classes_))
            weight[labeled] *= count.sum() / np.count_nonzero(count) / count[y]
        elif isinstance(self.class_weight, dict):
            values = [self.class_weight.get(c, 1.0) for c in self.classes_.tolist()]
            each = np.array(values, dtype=np.float64)
            strange = set(self.class_weight) - set(self.classes_.tolist())
            if strange or not np.isfinite(each).all() or (each < 0).any():
                raise ValueError(
                    "`class_weight` must give finite, non-negative weights to classes "
                    f"among {self.classes_.tolist()}, got {self.class_weight!r}."
                )
            weight[labeled] *= each[y]
        return weight

    def _label(self, asked, rows, task, seed, pool=None):
        """Turn the teachers' answers into soft targets and weights -> Mix."""
        weighting = open_weighting(self.weighting)
        temperature = float(self.temperature)  # small NumPy integers would overflow
        with seeded(seed):  # for teachers that are torch nets
            fitting = task.subcontext(task_name="fit teachers")
            fitting.call_on_fit_task_begin(estimator=self)
            names, ask, answers = self._plan(asked, rows, seed)
            fitting.call_on_fit_task_end(estimator=self)

            shape = len(names), len(self.classes_)
            if pool is None:
                pool = open_pool(self.pooling, honest=_are_honest(asked, rows))
                if not isinstance(pool, MeanPool):
                    if answers is None:
                        answers = ask_labeled(ask, rows, shape)
                    pool = self._check_pool(pool, answers, rows)
                fit_pool(pool, answers, rows, shape)
            self.pool_ = pool
            if answers is not None:
                ask = remember(ask, rows, answers)
            blocks = plan_blocks(rows, shape, labeled_first=answers is not None)

            asking = task.subcontext(task_name="ask teachers", max_subtasks=len(blocks))
            asking.call_on_fit_task_begin(estimator=self)
            blocks = print_progress(blocks, self.verbose)
            blocks = followed(blocks, asking, estimator=self, name="block of rows")
            mix = mix_blocks(blocks, ask, rows, pool, weighting, temperature, shape)
            asking.call_on_fit_task_end(estimator=self)
        self._keep_weights(mix, rows, names)
        return mix

    def _check_pool(self, pool, answers, rows):
        """Return the pool, or the mean where "auto" has too little to calibrate by."""
        unseen, share = find_unseen(answers, rows)
        if share <= MOST_UNSEEN:
            return pool
        given_up = self.pooling == "auto"
        taken = (
            "so that the plain mean is taken" if given_up else "and the pool suffers"
        )
        warn(
            f"On {share:.0%} of the labeled rows, no teacher gives any probability to "
            f"the label, of class {self.classes_[unseen].tolist()}, {taken}: the part "
            "of the rows that they were fitted on lacks the class. Use stratified "
            "folds, label more rows of it, or set pooling='mean'."
        )
        return MeanPool() if given_up else pool

    def _plan(self, asked, rows, seed):
        """Fit the teachers if need be -> names, how to ask, (n_labeled, t, c)."""
        teachers, out_of_fold = asked.teachers, None
        names = list(teachers)
        if asked.proba is None:
            teachers, out_of_fold = fit_or_keep(
                teachers, rows, self.classes_, asked.cv,
                n_jobs=self.n_jobs, random_state=seed, verbose=self.verbose,
            )  # fmt: skip
            ask = make_ask(
                teachers, asked.read, rows, self.classes_, n_jobs=self.n_jobs
            )
        else:
            names = names or _numbered(asked.proba)
            teachers = teachers if is_prefit(asked.cv) else {}
            ask = make_lookup(asked.proba, rows)
        self.teachers_ = list(teachers.values())
        self.named_teachers_ = Bunch(**teachers)
        return names, ask, out_of_fold

    def _take_labeled(self, rows):
        """Return the labeled rows and their labels, None where there are none."""
        known = np.flatnonzero(rows.labeled)
        if not len(known):
            return None, None
        return take_rows(rows.X, known), self.classes_[rows.y[known]]

    def _check_something_to_learn(self, mix, rows):
        uses_labels = self.alpha < 1 and rows.labeled.any()
        if not uses_labels and not mix.row_weight.any():
            why, cure = "alpha=1 learns from the teachers only", "lower `alpha`"
            if not rows.labeled.any():
                why, cure = "y has no labeled row", "label some rows"
            raise ValueError(
                f"{why}, but the weighting gives every row a weight of zero: {cure}, "
                "or change `weighting`."
            )

    def _keep_weights(self, mix, rows, names):
        """Keep the weights that were used."""
        self.row_weight_ = np.zeros(rows.n_samples)
        self.row_weight_[rows.index] = mix.row_weight
        self.teacher_weight_ = pd.DataFrame(
            mix.teacher_weight, index=rows.index[rows.labeled], columns=names
        )
        self.teacher_accuracy_ = pd.Series(mix.teacher_accuracy, index=names)

    def _warn_of_teachers(self, cv, *, pooled_here=True):
        """Warn, once, where the accuracy on labeled rows says that something is off."""
        accuracy = self.teacher_accuracy_
        strange = accuracy < 0.5 / len(self.classes_)
        if len(self.teacher_weight_) >= FEW_LABELS and strange.any():
            self._warn(
                "Teachers are right on fewer labeled rows than by chance, "
                f"{accuracy[strange].round(3).to_dict()}: are their labels encoded "
                "like those in y?"
            )
        frozen = [holds_fitted(teacher) for teacher in self.teachers_]
        fitted = accuracy[is_prefit(cv) | np.array(frozen or [False] * len(accuracy))]
        perfect = fitted if self.teachers_ else accuracy  # who made given answers?
        perfect = perfect[perfect > ALL_BUT_PERFECT]
        if len(perfect) and pooled_here and not isinstance(self.pool_, MeanPool):
            self._warn(
                "The pool was fitted on labeled rows on which these teachers are all "
                f"but always right, {perfect.round(3).to_dict()}, as on rows that they "
                "were fitted on: they get weights and temperatures that they do not "
                "deserve. Label rows that no teacher has seen, pass unfitted teachers "
                "and cv=5, or set pooling='mean'. See `pool_`."
            )
        seen = len(fitted) and fitted.mean() > ALL_BUT_PERFECT
        if seen and self.alpha > 0 and not ignores_correctness(self.weighting):
            self._warn(
                f"The fitted teachers are right on {fitted.mean():.1%} of the labeled "
                "rows, as on rows that they were fitted on: weights by their "
                "correctness then say little. Label rows that they have not seen, or "
                "pass unfitted teachers and cv=5. See `teacher_accuracy_`."
            )

    def _warn(self, message):
        if not self._warned:
            warn(message)
        self._warned = True

    def get_params(self, deep=True):
        """Return the parameters, with those of the student and the weighting.

        Parameters
        ----------
        deep : bool, default=True
            Whether to list nested parameters. Those of a bare ensemble are not: it is
            fitted, and another fit would be another ensemble.

        Returns
        -------
        params : dict
            Parameter names mapped to their values.
        """
        params = super().get_params(deep=deep)
        return {k: v for k, v in params.items() if not k.startswith("teachers__")}

    def set_params(self, **params):
        """Set parameters, also those of the student, as ``student__lr``.

        Parameters
        ----------
        **params : dict
            Parameter names mapped to their values.

        Returns
        -------
        self : EnsembleDistiller
            The distiller.
        """
        nested = [name for name in params if name.startswith("teachers__")]
        if nested:
            raise ValueError(
                f"{nested[0]!r} would change a teacher that is fitted: set `teachers` "
                "to other ones, in a grid each of them in a FrozenEstimator."
            )
        return super().set_params(**params)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "student_")

    def __sklearn_clone__(self):
        if not is_prefit(self.cv):
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
            readers = [self.teachers]  # of X
            if isinstance(self.teachers, (list, tuple)):
                readers = list(self.teachers)
            if isinstance(self.student, Pipeline):
                readers.append(self.student[0])
            inputs = [
                get_tags(r[1] if isinstance(r, tuple) else r).input_tags
                for r in readers
            ]
            tags.input_tags.sparse = all(tag.sparse for tag in inputs)
            tags.input_tags.allow_nan = all(tag.allow_nan for tag in inputs)
        return tags

    def _sk_visual_block_(self):
        """Show the teachers side by side, and the student under them."""
        try:
            # private in scikit-learn, whose own meta-estimators draw themselves by it
            from sklearn.utils._repr_html.estimator import _VisualBlock
        except ImportError:  # the same, where scikit-learn < 1.7 has it
            from sklearn.utils._estimator_html_repr import _VisualBlock
        # what fit would refuse is shown as it is, and not warned of
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            teachers = getattr(self, "named_teachers_", None)
            if not teachers:
                teachers, _ = open_teachers(self.teachers, self.cv)
            # of a member, the model that it is
            models = {k: getattr(t, "model", t) for k, t in teachers.items()}
            shown = models
            if len(models) > MOST_SHOWN:
                shown = dict(list(models.items())[:2])
                shown["..."] = f"{len(models) - 2} more"
            student = getattr(self, "student_", self.student)
            if student is None:
                student = "built-in network"
            else:
                check_student(student)
            blocks = [
                _VisualBlock("parallel", list(part.values()), names=list(part))
                for part in (shown, {"student": student})
                if part
            ]
            return _VisualBlock("serial", blocks, dash_wrapped=False)
        name = type(self).__name__
        return _VisualBlock("single", self, names=name, name_details=str(self))


class _Asked(NamedTuple):
    """Whom or what the fit asks."""

    teachers: dict  # of str to classifier; empty where there are none
    cv: object  # how they are fitted, "prefit" where they are
    read: object  # callable, maps a block of X to what they are asked with
    proba: np.ndarray | None  # (n, t, c), given answers


def _are_honest(asked, rows):
    """Return whether no teacher saw the labeled rows that it answers."""
    fitted = any(map(holds_fitted, asked.teachers.values()))
    return rows.labeled.any() and not is_prefit(asked.cv) and not fitted


def _numbered(teacher_proba):
    return [f"teacher-{i + 1}" for i in range(teacher_proba.shape[1])]


def _check_finite_weight(weight):
    largest = np.finfo(np.float32).max  # the loss is computed in float32
    if weight.max(initial=0) > largest:
        raise ValueError(
            f"`sample_weight` must be at most {largest:.3g}, got {weight.max():.3g}: "
            "partial_fit uses weights as they are, best with a mean of one."
        )


def _hold_out(rows, fraction, alpha, seed):
    """Split off a validation part, stratified by label, known or not -> train, valid.

    Of the rows that have a part in the loss. The first of each label trains:
    scikit-learn's stratified splitters refuse a class with one row, or a part that is
    smaller than the number of classes.
    """
    if fraction is None:
        return rows, None
    label_weight = (1 - alpha) * rows.label_weight * (rows.y != UNLABELED)
    weighs = np.flatnonzero(label_weight + alpha * rows.weight > 0)
    order = check_random_state(seed).permutation(weighs)
    order = order[np.argsort(rows.y[order], kind="stable")]
    rest = order[1:][np.diff(rows.y[order]) == 0]
    n_held = min(round(fraction * len(weighs)), len(rest))
    if not n_held:
        raise ValueError(
            f"validation_fraction={fraction} holds out none of the {len(weighs)} rows "
            f"with a part in the loss, of which {len(order) - len(rest)}, the first of "
            "each label, train: raise it, label more rows, or set it to None."
        )
    spread = ((np.arange(n_held) + 0.5) * len(rest) / n_held).astype(int)
    held = np.zeros(len(rows.y), dtype=bool)
    held[rest[spread]] = True
    return tuple(
        StudentRows(
            take_rows(rows.X, np.flatnonzero(part)),
            *(column[part] for column in rows[1:]),
        )
        for part in (~held, held)
    )
