"""OnlineDistiller: its parameters, and the stages of a fit without teachers."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from ._classes import encode_labels, find_classes, scale_weight
from ._compat import Interval, StrOptions, fit_context, with_callbacks
from ._data import as_rows, read_data, take_labeled
from ._estimator import Distiller
from ._progress import Epochs
from ._targets import Targets, hold_out
from ._torch_state import draw_seed
from .losses import DistillationLoss, OnlineLoss
from .pooling import CalibratedPool
from .students import _online, _predict, default_student


class OnlineDistiller(Distiller):
    """Train several networks that teach each other, and keep one of them.

    There are no teachers: `n_students` copies of one network, with different initial
    weights, are trained together. Each learns from the labels, and from the mean of all
    of them, on labeled and unlabeled rows alike. This is after online ensemble
    compression [1]_, whose students differ in size, too, and share their first layers:
    the loss of student ``j`` is the mean over all rows of ::

        s · [ (1 - alpha) · 1[labeled] / l · CE(y, student_j)
              + alpha · r · T² · KL(m^(T) ‖ student_j^(T)) ]

    and the mean of these losses is minimized. ``s`` is the sample weight, scaled to a
    mean of one, ``l`` the share of the labeled rows (without it, the fewer they are the
    less they would say against the students' own opinion), ``m^(T)`` the mean of the
    students at the `temperature` ``T``, a constant, and ``r`` a ramp: ``exp(-5 (1 -
    t)²)``, where ``t`` rises from 0 to 1 over the first 30 % of the epochs.

    Parameters
    ----------
    student : skorch net, Pipeline that ends in one, or None, default=None
        None is the built-in network, :func:`sk_ekd.students.default_student`. Another
        is a :class:`skorch.NeuralNetClassifier` with `CrossEntropyLoss` (the module
        returns logits) or `NLLLoss` (probabilities), or a
        :class:`skorch.NeuralNetBinaryClassifier`; its `module` is a class. Everything
        else is as with :class:`EnsembleDistiller`.
    n_students : int, default=4
        How many networks are trained together. One learns from the labels only.
    share : {"trunk", "nothing"}, default="nothing"
        What the networks have in common in training. The trunk is the first half,
        rounded down, of the layers that have parameters, in the order in which the
        module registers them. It saves time, and leaves less to learn from each other.
    alpha : float, default=0.5
        Share of the distillation term, from 0 (labels only) to less than 1.
    temperature : float, default=2.0
        Softens the students in the distillation term; 0.001 to 1000.
    class_weight : "balanced", dict or None, default=None
        Weights of the classes, which multiply the sample weights of labeled rows.
        "balanced" is inversely proportional to the number of labeled rows of a class.
    classes : array-like of shape (n_classes,), default=None
        All classes, sorted, where `y` does not show them all. None: the labels in `y`.
    unlabeled_label : scalar or None, default=-1
        The mark of an unknown label in `y`; missing values (None, NaN, ``pd.NA``) are
        unknown labels too. None: there is no mark, as for true labels {-1, 1}.
    validation_fraction : float, default=None
        Share of the rows with a part in the loss to hold out, stratified by label,
        known or not; a class with one labeled row keeps it for training. Training stops
        when the loss on the held-out rows has not fallen for 10 epochs, and the best
        weights are restored. The labeled rows among them choose the student that is
        kept, by its log-loss, and the temperature that its logits are divided by. None:
        every row trains, for all epochs, the first student is kept, and its
        probabilities stay as they are, which may be far too sure.
    random_state : int, RandomState instance or None, default=None
        Seeds the students. The same int gives the same student, on one kind of CPU to
        the bit. torch has one generator per process: to fit several distillers at a
        time, use processes, not threads.
    verbose : int, default=0
        1 prints a line with the time of the training, after a bar in a terminal or a
        notebook; 2 also a line per epoch of the built-in student. From scikit-learn 1.9
        on, ``set_callbacks(sklearn.callback.ProgressBar())`` shows a whole search.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        `classes`, or the labels in `y`, sorted.
    student_ : skorch net or Pipeline
        The student that is kept, as if it had been trained alone; by itself it predicts
        indices into `classes_`. Nothing of the others is in it.
    temperature_ : float
        What the student's logits are divided by, in its last linear layer, where the
        labels that were held out want it less sure, at least 1. It is 1 without such
        labels, or where the layer is not the last thing that the module computes.
    history_ : DataFrame
        One line per epoch: `train_loss`, its terms `label_loss` and
        `distillation_loss`, and what the student's callbacks record (none of this with
        ``callbacks="disable"``). With `validation_fraction` also `valid_loss`, its
        terms, and `valid_acc`, the students' mean accuracy on the labeled rows that
        were held out.
    n_features_in_ : int
        Number of columns of `X`, where it has columns; `feature_names_in_` are their
        names, where they are all strings.

    References
    ----------
    .. [1] D. Walawalkar, Z. Shen, M. Savvides, "Online Ensemble Model Compression using
       Knowledge Distillation", arXiv:2011.07449, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_ekd import OnlineDistiller
    >>> X, y = load_iris(return_X_y=True)
    >>> y[::2] = -1  # unknown
    >>> distiller = OnlineDistiller(random_state=0).fit(X, y)
    >>> distiller.predict(X[:3])
    array([0, 0, 0])
    """

    _parameter_constraints = {
        "n_students": [Interval(Integral, 1, None, closed="left")],
        "share": [StrOptions(set(_online.SHARES))],
        "alpha": [Interval(Real, 0, 1, closed="left")],
        "temperature": [Interval(Real, 1e-3, 1e3, closed="both")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "classes": ["array-like", None],
        "unlabeled_label": [str, Real, np.bool_, None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        student=None,
        *,
        n_students=4,
        share="nothing",
        alpha=0.5,
        temperature=2.0,
        class_weight=None,
        classes=None,
        unlabeled_label=-1,
        validation_fraction=None,
        random_state=None,
        verbose=0,
    ):
        self.student = student
        self.n_students = n_students
        self.share = share
        self.alpha = alpha
        self.temperature = temperature
        self.class_weight = class_weight
        self.classes = classes
        self.unlabeled_label = unlabeled_label
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    _fit_students = staticmethod(_online.fit_online)

    @fit_context(prefer_skip_nested_validation=False)
    @with_callbacks
    def fit(self, X, y, *, sample_weight=None):
        """Train the students together, and keep one.

        Parameters
        ----------
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            Labeled and unlabeled rows, in any order; a Dataset is torch's, without y.
        y : array-like of shape (n_samples,)
            Labels; `unlabeled_label` or a missing value where unknown.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss; a row of weight 0 counts as removed.

        Returns
        -------
        self : OnlineDistiller
            The fitted distiller.
        """
        for stale in ("student_", "n_features_in_"):  # of an earlier fit
            vars(self).pop(stale, None)
        task = self._init_callback_context(max_subtasks=1)
        task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        seed = draw_seed(check_random_state(self.random_state))

        data = self._read(X, y, sample_weight)  # (n,)
        self._n_rows = int(data.labeled.sum()), data.n_samples
        student = self._choose_student(data)
        self._warn_of_callers()
        targets = self._make_targets(data)  # (n,)
        split = self.validation_fraction, self.alpha, seed
        train, valid = hold_out(data, targets, *split)
        epochs = Epochs(task, self, lambda: take_labeled(data, self.classes_))
        how = {"loss": self._make_loss(), "seed": seed, "epochs": epochs}
        how |= {"n_students": self.n_students, "share": self.share}
        self.student_, self.history_ = self._fit_students(student, train, valid, **how)
        self.temperature_ = self._calibrate(valid)
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _read(self, X, y, sample_weight):
        """Check the input, and find all classes -> Data."""
        X = as_rows(X)
        self._check_columns(X, y, reset=True)
        labels, data = read_data(X, y, sample_weight, self.unlabeled_label)
        if not len(labels):
            raise ValueError(
                "y has no labeled row, and no teacher stands in for labels: label some "
                "rows, or distill teachers that are fitted by EnsembleDistiller."
            )
        self.classes_ = find_classes(
            labels, {}, self.classes, self.unlabeled_label, None
        )
        return data._replace(y=encode_labels(labels, data.labeled, self.classes_))

    def _choose_student(self, data):
        student = self.student
        if student is None:
            student = default_student(data.X, verbose=max(0, self.verbose - 1))
        _online.check_student(student)
        return student

    def _make_targets(self, data):
        """Weigh the rows -> Targets without a mix, which comes from the students."""
        weight = scale_weight(data, self.classes_, self.class_weight)  # (n,)
        total = weight[data.labeled].sum()
        if not total:
            raise ValueError(
                "Every labeled row weighs zero: give some class a `class_weight` above "
                f"zero, got {self.class_weight!r}."
            )
        label_weight = weight / total * weight.sum()
        mix = np.zeros((len(data.y), len(self.classes_)), dtype=np.float32)
        has_mates = float(self.n_students > 1)
        return Targets(data.y, data.labeled, mix, label_weight, weight * has_mates)

    def _make_loss(self):
        alpha, temperature = float(self.alpha), float(self.temperature)
        if self.n_students == 1:
            return DistillationLoss(alpha, temperature)
        return OnlineLoss(alpha, temperature, self.n_students)

    def _calibrate(self, valid):
        """Give the student the temperature that held-out labels want -> it."""
        known = _online.take_known(valid)
        if known is None:
            return 1.0
        X, y, weight = known
        proba = self._ask_student(X)[:, np.newaxis]  # of one teacher
        (temperature,) = CalibratedPool().fit(proba, y, weight).temperature_
        if temperature <= 1:  # a few labels that are all right would make it too sure
            return 1.0
        return _online.soften(self.student_, float(temperature), X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        is_built_in = self.student is None  # which reads and imputes any table
        tags.input_tags.allow_nan = tags.input_tags.string = is_built_in
        return tags

    def _ask_student(self, X):
        return _predict.student_proba(self.student_, X)

    def _parts(self):
        """Return no teachers by name, and the student or None; fitted if it is."""
        student = getattr(self, "student_", self.student)
        if student is not None:
            _online.check_student(student)
        return {}, student
