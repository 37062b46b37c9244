"""EnsembleDistiller: its parameters, and the stages of a fit."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state

from ._chunks import (
    check_chunkwise,
    check_classes_are_named,
    check_same_classes,
    check_same_teachers,
    teachers_by_now,
)
from ._classes import encode_labels, scale_weight, weigh_classes
from ._compat import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    warn,
    with_callbacks,
)
from ._data import as_rows, read_data, take_labeled
from ._estimator import Distiller
from ._progress import Epochs, followed, followed_blocks, subtask
from ._synthetic import add_rows, choose_times
from ._targets import (
    add_features,
    check_every_teacher_predicts,
    check_labels_to_learn,
    check_something_to_learn,
    find_mixed,
    fit_pool,
    hold_out,
    ignores_correctness,
    is_dynamic,
    make_targets,
    name_record,
)
from ._torch_state import draw_seed, seeded
from .losses import DistillationLoss, DynamicLoss, Hint
from .pooling import POOLINGS, MeanPool
from .students import _kinds, default_student
from .teachers._doubt import find_doubt
from .teachers._open import open_teachers
from .teachers._predictions import Predictions
from .weighting import WEIGHTINGS


class EnsembleDistiller(Distiller):
    """Distill an ensemble of classifiers into one small, fast model.

    The student learns the class probabilities of the teachers' ensemble, from labeled
    and unlabeled rows alike, and predicts without the teachers. The method is unified
    ensemble knowledge distillation [1]_: the loss is the mean over all rows of ::

        s · [ (1 - alpha) · 1[labeled] · CE(y, student)
              + alpha · λ · T² · KL(q^(T) ‖ student^(T)) ]

    with the sample weight ``s``, scaled to a mean of one, the row weight ``λ`` and the
    mix of the teachers ``q`` that `weighting` gives, and the `temperature` ``T``.

    Parameters
    ----------
    teachers : list of classifiers, of (str, classifier), a fitted ensemble, or None
        Classifiers of any library, with `predict_proba`, `decision_function` or
        `predict`, and `classes_`. They see `X` exactly as it is given (sparse as CSR).
        A fitted forest, Bagging, Voting, Stacking or CalibratedClassifierCV that is
        passed bare, not in a list, stands for its members. None: `fit` gets
        predictions, `teacher_proba`.
    student : classifier, Pipeline that ends in one, or None, default=None
        None is the built-in network, :func:`sk_ekd.students.default_student`. Another
        network is a :class:`skorch.NeuralNetClassifier` with `CrossEntropyLoss` (the
        module returns logits) or `NLLLoss` (probabilities), or a
        :class:`skorch.NeuralNetBinaryClassifier`. It gets float32 rows, and the widths
        `in_features` and `out_features` where its module takes them. Any other
        classifier whose `fit` takes `sample_weight`, such as a tree or LightGBM, is
        fitted to each row once for each class of its target, with ``temperature=1``.
        The student is cloned, never fitted in place. A Pipeline gets what `fit` gets.
    cv : "prefit", int, splitter or iterable, default="prefit"
        "prefit": the teachers are fitted, and used as they are. Otherwise clones are
        fitted on the labeled rows. Predictions for a labeled row then come from clones
        that were not fitted on it, and those for an unlabeled row from clones fitted on
        all labeled rows. Prefer this where you can: how often a teacher is right on
        rows that it was fitted on says nothing. The positions of an iterable are those
        of rows in `X`.
    pooling : {"auto", "mean", "calibrated", "stacked"} or pool, default="auto"
        Which ensemble the teachers form. "mean" takes all of them as they are. Others
        are fitted on the labeled rows: "calibrated" gives each teacher one weight and
        one temperature (:class:`~sk_ekd.pooling.CalibratedPool`), "stacked" is the mean
        of this and a stacker (:class:`~sk_ekd.pooling.StackedPool`). The predictions
        for these rows must be out of fold, or come from teachers fitted on other rows.
        "auto" is "stacked" where `cv` fits every teacher, and the folds have seen
        the classes of nearly all labeled rows; otherwise "mean". With `teacher_proba`,
        `cv` says how it was made: pass ``cv=5`` if out of fold, also with no teachers.
    weighting : {"correctness", "unified", "uniform"} or callable, \
            default="correctness"
        How teachers and rows are weighted. "unified" is
        :class:`~sk_ekd.weighting.UnifiedWeighting`, the three weights of the method;
        "correctness" has its two weights of labeled rows, and every unlabeled row
        weighs one; "uniform" leaves the pool as it is, and all rows weigh one. A
        callable maps :class:`~sk_ekd.weighting.Rows`, a block of rows, to a
        non-negative array of shape (n_samples, n_teachers). A dynamic weighting, as
        those of ``sk_ekd.dynamic``, weighs each batch by what the student, a
        network, says of it by then.
    alpha : float, default=0.5
        Share of the distillation term, from 0 (labels only) to 1 (teachers only).
    temperature : float, default=1.0
        Softens the teachers and the student in the distillation term; 0.001 to 1000.
    hint : str, Hint or None, default=None
        A hidden layer of the student, a network, that is to tell what the teachers'
        hidden layers say, `teacher_features` in `fit`, as one more term of the loss: a
        layer's name, or a :class:`~sk_ekd.losses.Hint` with a strength.
    class_weight : "balanced", dict or None, default=None
        Weights of the classes, which multiply the sample weights of labeled rows.
        "balanced" is inversely proportional to the number of labeled rows of a class.
    classes : array-like of shape (n_classes,), default=None
        All classes, sorted, where `y` and the teachers do not show them all. None: the
        labels in `y` and the teachers' classes.
    unlabeled_label : scalar or None, default=-1
        The mark of an unknown label in `y`; missing values (None, NaN, ``pd.NA``) are
        unknown labels too. None: there is no mark, as for true labels {-1, 1}.
    synthetic : int or "auto", default="auto"
        How many synthetic rows to make of each row of a dense table, where too little
        is unlabeled. Each mixes the row with one of its five nearest neighbors: about
        half of the columns are the neighbor's, the numbers among them jittered. It has
        no label, the teachers are asked about it, also beside `teacher_proba`, and the
        label term weighs less in the mean. The built-in student trains 2.5 times the
        steps, another its epochs. "auto" is 5 in a `fit` of the built-in student where
        `cv` fits every teacher, and more than half of at most 20,000 rows are labeled;
        else 0, as for more than 2**24 values, or where a teacher fails on such a row.
    validation_fraction : float, default=None
        Share of the rows with a part in the loss to hold out, stratified by label,
        known or not. Training stops when the loss on these has not fallen for 10
        epochs, and the best weights are restored; an EarlyStopping among the net's own
        callbacks replaces this rule. None: every row trains, for all epochs.
    n_jobs : int, default=None
        Number of teachers fitted (in processes) or asked (in threads) at a time.
    random_state : int, RandomState instance or None, default=None
        Seeds the student, and with `cv` the teachers and the splitter whose own is
        None. The same int gives the same student, on one kind of CPU to the bit. To fit
        several distillers at a time, use processes: torch has one generator in each.
    verbose : int, default=0
        1 prints a line with the time of each stage, after a bar in a terminal or a
        notebook; 2 also a line per epoch of the built-in student. From scikit-learn 1.9
        on, ``set_callbacks(sklearn.callback.ProgressBar())`` shows a whole search.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        `classes`, or the labels in `y` and the teachers' classes, sorted. With neither,
        the numbers of the columns of `teacher_proba`.
    teachers_ : list of classifiers
        The fitted teachers; with ``cv="prefit"`` the very objects that were passed.
        Empty where `teacher_proba` replaced teachers that are not fitted.
    named_teachers_ : Bunch
        The same by name.
    teacher_names_ : list of str
        The teachers' names, also where `teacher_proba` replaced them.
    student_ : classifier or Pipeline
        The fitted student; by itself it predicts indices into `classes_`. A bare net
        takes float32 rows only; a Pipeline is given a step that casts to them.
    history_ : DataFrame
        One line per epoch of a network: `train_loss`, its terms `label_loss` and
        `distillation_loss`, and what the student's callbacks record (none of this with
        ``callbacks="disable"``). With `validation_fraction` also `valid_loss`, its
        terms, and `valid_acc`, the accuracy on the labeled rows that were held out;
        with a dynamic weighting ``share_<teacher>``, mean shares in the mix.
    synthetic_ : int
        How many synthetic rows were made of each row.
    pool_ : MeanPool, CalibratedPool or StackedPool
        The fitted pool, or one of some teachers, with their `weight_`, `temperature_`.
    teacher_accuracy_ : Series of shape (n_teachers,)
        Accuracy on the labeled rows that it predicts, out of fold with `cv`, else NaN.
    teacher_weight_ : DataFrame of shape (n_labeled, n_teachers)
        The teachers' weights on labeled rows, those of `weighting` times the pool's (a
        stacker has half of them); the index is the positions of the rows in `X`. Those
        of the pool alone where a dynamic weighting weighs anew in every batch.
    row_weight_ : ndarray of shape (n_samples,)
        The weight ``λ`` of each row's distillation term; 0 without any prediction.
    n_features_in_ : int
        Number of columns of `X`, where it has columns; `feature_names_in_` are their
        names, where they are all strings.

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
        "weighting": [StrOptions(set(WEIGHTINGS)), callable, HasMethods(["open"])],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 1e-3, 1e3, closed="both")],
        "hint": [str, Hint, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "classes": ["array-like", None],
        "unlabeled_label": [str, Real, np.bool_, None],
        "synthetic": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
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
        hint=None,
        class_weight=None,
        classes=None,
        unlabeled_label=-1,
        synthetic="auto",
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
        self.hint = hint
        self.class_weight = class_weight
        self.classes = classes
        self.unlabeled_label = unlabeled_label
        self.synthetic = synthetic
        self.validation_fraction = validation_fraction
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    @with_callbacks
    def fit(
        self, X, y, *, sample_weight=None, teacher_proba=None, teacher_features=None
    ):
        """Distill the teachers into a fresh student.

        Parameters
        ----------
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            Labeled and unlabeled rows, in any order; a Dataset is torch's, without y.
        y : array-like of shape (n_samples,)
            Labels; `unlabeled_label` or a missing value where unknown.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss, and with `cv` in the fits of the teachers
            whose `fit` names it (a Pipeline's does not); a row of weight 0 counts as
            removed.
        teacher_proba : array-like of shape (n_samples, n_teachers, n_classes), \
default=None
            The teachers' predictions, columns in the order of `classes_`; all NaN or
            zero where a teacher has none. The teachers are then neither fitted nor
            asked. :func:`ask_teachers` makes it, as once for all fits of a search.
        teacher_features : array-like of shape (n_samples, n_features), default=None
            What hidden layers of teachers say of each row, for a `hint`; NaN where they
            say nothing. :func:`~sk_ekd.students.layer_output` asks a layer.

        Returns
        -------
        self : EnsembleDistiller
            The fitted distiller.
        """
        for stale in ("student_", "n_features_in_", "_loss"):  # of an earlier fit
            vars(self).pop(stale, None)
        task = self._init_callback_context(max_subtasks=3)
        task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        self._rng = check_random_state(self.random_state)  # partial_fit draws on
        self._warned = False
        teacher_seed, student_seed = draw_seed(self._rng), draw_seed(self._rng)

        predictions, data = self._read(X, y, sample_weight, teacher_proba)  # (n,)
        check_labels_to_learn(data, self.alpha)
        auto = self.student is None and self.alpha > 0
        self.synthetic_ = choose_times(self.synthetic, data, predictions, auto=auto)
        student = self._choose_student(data)
        real, data = data, add_rows(data, self.synthetic_, self._rng, self.verbose)
        self._warn_of_callers()
        with seeded(teacher_seed):  # for teachers that are torch nets
            self._fit_teachers(predictions, data, teacher_seed, task)  # (n, t, c)
            self.pool_ = fit_pool(self.pooling, predictions, self.weighting)  # (t,)
            if self.synthetic == "auto" and not predictions.can_ask_synthetic():
                self.synthetic_, predictions.data, data = 0, real, real
                student = self._choose_student(data)
            weight = scale_weight(data, self.classes_, self.class_weight)  # (n,)
            targets, record = self._mix(predictions, weight, task)  # (n, c), (n,)
        check_every_teacher_predicts(predictions.names, record.coverage)
        check_something_to_learn(targets, self.alpha)
        targets = add_features(targets, data, teacher_features, self.hint)
        split = self.validation_fraction, self.alpha, student_seed
        train, valid = hold_out(data, targets, *split)
        how = self._training(task, data, student_seed, record.seen)
        self.student_, self.history_ = _kinds.fit_student(student, train, valid, **how)
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    @_kinds.needs_chunks
    @fit_context(prefer_skip_nested_validation=False)
    @with_callbacks
    def partial_fit(
        self, X, y, classes=None, *,
        sample_weight=None, teacher_proba=None, teacher_features=None,
    ):  # fmt: skip
        """Train the student for one epoch on a chunk of rows.

        For more rows than fit into memory, or rows that arrive over time. The first
        call makes the student, unless `fit` did. Each asks the teachers about its own
        rows and trains one epoch on them. For more epochs, pass the chunks again, with
        `teacher_proba` where asking again costs too much, and with `cv`.

        Parameters
        ----------
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            Labeled and unlabeled rows; best in random order, thousands in a chunk.
        y : array-like of shape (n_samples,)
            Labels; `unlabeled_label` or a missing value where unknown. A chunk may have
            none, unless `cv` fits the teachers on it.
        classes : array-like of shape (n_classes,), default=None
            All classes, sorted; later calls may leave it out. None in the first call:
            the parameter `classes`, else the labels in `y` and the teachers' classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss, as it is: `fit` scales them to a mean of 1.
        teacher_proba : array-like of shape (n_samples, n_teachers, n_classes), \
default=None
            The teachers' predictions for these rows, see `fit`.
        teacher_features : array-like of shape (n_samples, n_features), default=None
            What their hidden layers say of these rows, see `fit`.

        Returns
        -------
        self : EnsembleDistiller
            The distiller, trained a bit more.

        Notes
        -----
        What `fit` computes over all rows, such as the mean disagreement or synthetic
        rows, is computed over a chunk here. The student's preprocessing and the pool
        are fitted on the first chunk (if it has no labels, "auto" is the mean for
        good), and so are the teachers with `cv`.

        `alpha`, `temperature` and `weighting` are read anew in each call; teachers,
        pool and student remain those of the first (for another learning rate, call
        ``set_params(lr=...)`` on the net of `student_`). An interrupted call leaves the
        student where it had got to. Weights and accuracies are those of the last chunk.
        """
        check_chunkwise(self.validation_fraction, self.class_weight)
        first = not hasattr(self, "student_")
        if first:
            self._rng = check_random_state(self.random_state)
            self._warned = False
        task = self._init_callback_context(task_name="partial_fit", max_subtasks=3)
        task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        teacher_seed, student_seed = draw_seed(self._rng), draw_seed(self._rng)

        given = sample_weight, teacher_proba
        predictions, data = self._read(X, y, *given, classes, first=first)  # (n,)
        self.synthetic_ = choose_times(self.synthetic, data, predictions, auto=False)
        if first:
            check_classes_are_named(predictions, data, (classes, self.classes))
            student = self._choose_student(data, decay=False)
        data = add_rows(data, self.synthetic_, self._rng, self.verbose)
        weight = weigh_classes(data, self.classes_, self.class_weight)  # (n,)
        with seeded(teacher_seed):
            self._fit_teachers(predictions, data, teacher_seed, task)  # (n, t, c)
            if first:
                self.pool_ = fit_pool(self.pooling, predictions, self.weighting)
            targets, record = self._mix(predictions, weight, task, pooled=first)
        targets = add_features(targets, data, teacher_features, self.hint)
        before = None if first else getattr(self, "_loss", None)
        how = self._training(task, data, student_seed, record.seen, before)
        part = data.X, targets
        if first:
            fitted = _kinds.fit_student(student, part, None, **how, n_epochs=1)
            self.student_, self.history_ = fitted
        else:
            self.history_ = _kinds.update_student(self.student_, part, **how)
        if isinstance(how["loss"], DistillationLoss):
            self._loss = how["loss"]  # what it owns goes on in the next chunk
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _ask_student(self, X):
        return _kinds.student_proba(self.student_, X, len(self.classes_))

    def _read(self, X, y, sample_weight, teacher_proba, classes=None, *, first=True):
        """Check the input, and find all classes -> Predictions to fit, Data."""
        X = as_rows(X)
        self._check_columns(X, y, reset=first)
        teachers, cv = self.teachers, self.cv
        if first:
            classes = self.classes if classes is None else classes
        else:
            check_same_classes(classes, self.classes_)
            classes = self.classes_
            fitted = self.named_teachers_
            teachers, cv = teachers_by_now(teachers, cv, fitted, teacher_proba)
        predictions = Predictions(teachers, cv, X, teacher_proba)
        find_mixed(self.weighting, predictions.names)  # before any of them is fitted
        labels, data = read_data(X, y, sample_weight, self.unlabeled_label)
        self.classes_ = predictions.find_classes(labels, classes, self.unlabeled_label)
        if not first:
            check_same_teachers(predictions, self.teacher_names_)
        y = encode_labels(labels, data.labeled, self.classes_)
        return predictions, data._replace(y=y)

    def _fit_teachers(self, predictions, data, seed, task):
        """Fit the teachers, unless they are, or their predictions are given."""
        with subtask(task, "fit teachers", self):
            predictions.fit(
                data, self.classes_, n_jobs=self.n_jobs, seed=seed, verbose=self.verbose
            )
        self.teachers_ = list(predictions.teachers.values())
        self.named_teachers_ = Bunch(**predictions.teachers)
        self.teacher_names_ = predictions.names

    def _mix(self, predictions, weight, task, *, pooled=True):
        """Ask the teachers, and mix them -> Targets, Record; keep what they weighed."""
        blocks = predictions.blocks()
        with subtask(task, "ask teachers", self, max_subtasks=len(blocks)) as asking:
            shown = followed_blocks(blocks, self.verbose, "rows in all")
            shown = followed(shown, asking, estimator=self, name="block of rows")
            # small NumPy integers would overflow
            how = self.pool_, self.weighting, float(self.temperature)
            targets, record = make_targets(shown, predictions, *how, weight)
        vars(self).update(name_record(record, predictions))
        doubt = find_doubt(
            record,
            predictions,
            calibrated=pooled and not isinstance(self.pool_, MeanPool),
            by_correctness=not ignores_correctness(self.weighting),
            alpha=self.alpha,
        )
        if doubt and not self._warned:
            warn(*doubt)
            self._warned = True
        return targets, record

    def _training(self, task, data, seed, seen, before=None):
        """Return how the student is trained, and let its loss know the teachers."""
        epochs = Epochs(task, self, lambda: take_labeled(data, self.classes_))
        loss = self._make_loss()
        if isinstance(loss, DistillationLoss):
            with seeded(seed):  # a gate draws random numbers
                loss.open(seen, before)
        return {"loss": loss, "seed": seed, "epochs": epochs}

    def _make_loss(self):
        how = float(self.alpha), float(self.temperature)
        if is_dynamic(self.weighting):
            return DynamicLoss(*how, self.weighting, self.hint)
        return DistillationLoss(*how, self.hint)

    def _choose_student(self, data, *, decay=True):
        student = self.student
        if student is None:
            how = {"decay": decay, "verbose": max(0, self.verbose - 1)}
            student = default_student(data.X, synthetic=self.synthetic_, **how)
        _kinds.check_student(student, self._make_loss, self.validation_fraction)
        return student

    def _parts(self):
        """Return the teachers by name, and the student or None; fitted if they are."""
        teachers = getattr(self, "named_teachers_", None)
        student = getattr(self, "student_", self.student)
        if student is not None:
            _kinds.check_student(student)
        return teachers or self._open_teachers(), student

    def _open_teachers(self):
        return open_teachers(self.teachers, self.cv)
