"""What a meta-estimator owes scikit-learn: labels, clone, parameters, tags, HTML."""

import contextlib
import copy
import sys
import warnings
import weakref

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from ._classes import as_column, check_one_kind, encode_labels, read_labels
from ._compat import CallbackSupportMixin, VisualBlock, warn
from ._data import as_rows, take_rows
from ._summary import (
    Summarized,
    summarize_labels,
    summarize_student,
    summarize_teachers,
)
from ._torch_rows import is_of_torch

OBJECTS = {  # whose parameters can be set, in the place of None and of names
    "student": "sk_ekd.students.default_student(X)",
    "weighting": "sk_ekd.weighting.UnifiedWeighting()",
    "pooling": "sk_ekd.pooling.CalibratedPool()",
    "hint": "sk_ekd.losses.Hint('layer')",
}
_SEARCH = {}  # the last one that was warned of
MOST_SHOWN = 8  # teachers in the HTML representation; of more, two


class Distiller(Summarized, CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """A classifier whose student alone predicts.

    The estimator has `student` and `unlabeled_label`, `classes_` and `student_` once it
    is fitted, and the methods `_ask_student` and `_parts`. One that has `teachers` has
    `cv` and `_open_teachers`, too.
    """

    def predict_proba(self, X):
        """Ask the student for the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            Rows, of the kind that `fit` saw.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to one.
        """
        return self._ask_student(self._read_again(X))

    def predict(self, X):
        """Predict the most probable class, by the student alone.

        Parameters
        ----------
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
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
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
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
        X = as_rows(X)
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
            self.predict_proba(take_rows(X, known)).argmax(axis=1),
            sample_weight=sample_weight,
        )

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
        self : Distiller
            The distiller.
        """
        nested = [name for name in params if name.startswith("teachers__")]
        if nested:
            raise ValueError(
                f"{nested[0]!r} would change a teacher that is fitted: set `teachers` "
                "to other ones, in a grid each of them in a FrozenEstimator."
            )
        for name in params:
            self._check_nested(name, params)
        return super().set_params(**params)

    def _read_again(self, X):
        """Check rows to predict: that their columns are those of the fit."""
        check_is_fitted(self)
        X = as_rows(X)
        if not self._has_same_columns(X):  # which takes longer than a small student
            self._check_columns(X)
        return X

    def _check_columns(self, X, y="no_validation", *, reset=False):
        """Check that columns are those of the fit, or with `reset` keep their names."""
        if reset or not is_of_torch(X):  # the student checks the form of these
            validate_data(self, X, y, reset=reset, skip_check_array=True)

    def _has_same_columns(self, X):
        """Return whether columns are, at a first look, those of the fit."""
        names = getattr(self, "feature_names_in_", None)
        if names is not None:
            is_frame = isinstance(X, pd.DataFrame)
            return is_frame and X.columns.tolist() == names.tolist()
        is_array = isinstance(X, np.ndarray)
        return is_array and X.shape[1:2] == (getattr(self, "n_features_in_", None),)

    def _check_nested(self, name, params):
        """Raise where a nested parameter has no object to be set on."""
        parameter, delimiter, _ = name.partition("__")
        value = params.get(parameter, getattr(self, parameter, self))
        if delimiter and not hasattr(value, "set_params"):
            raise ValueError(
                f"{name!r} would set a parameter of `{parameter}`, which is {value!r}: "
                f"pass an object first, as {parameter}="
                f"{OBJECTS.get(parameter, 'an estimator')}."
            )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "student_")

    def _summary(self):
        """Return what one would ask of a fitted distiller first, by name."""
        parts = {}
        if has_teachers(self):
            cv = self.cv if self.teachers_ else "their predictions only"
            parts["teachers"] = summarize_teachers(self.teacher_names_, cv)
            parts["pool"] = type(_pool_of_all(self.pool_)).__name__
        parts["labels"] = self._summarize_labels()
        built_in = self.student is None
        student, size = summarize_student(self.student_, built_in=built_in)
        return {**parts, "student": student, "size": size}

    def _summarize_labels(self):
        """Count the labeled rows of the last call that trained -> text."""
        n_rows = getattr(self, "_n_rows", None)  # where there are no teachers
        if n_rows is None:
            n_rows = len(self.teacher_weight_), len(self.row_weight_)
        labels = summarize_labels(*n_rows, len(self.classes_))
        if n_synthetic := getattr(self, "synthetic_", 0):
            labels += f", {n_synthetic} synthetic of each row"
        is_chunk = hasattr(self, "_loss")  # which partial_fit keeps
        return labels + ", in the last chunk" * is_chunk

    def __sklearn_clone__(self):
        if not hasattr(self, "teachers"):
            return super().__sklearn_clone__()
        if not isinstance(self.cv, str):  # the teachers are to be fitted
            try:
                return super().__sklearn_clone__()
            except (TypeError, RuntimeError):
                for name, teacher in self._open_teachers().items():
                    clone_teacher(name, teacher)  # says which, and what to do
                raise
        # scikit-learn's clone would unfit the teachers: leave them out, hand them over
        shell = copy.copy(self)
        shell.teachers = None
        twin = super(Distiller, shell).__sklearn_clone__()
        twin.teachers = self.teachers
        return twin

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        with contextlib.suppress(Exception):  # teachers of other libraries have no tags
            teachers = getattr(self, "teachers", [])
            is_list = isinstance(teachers, (list, tuple))
            readers = list(teachers) if is_list else [teachers]  # of X
            student = self.student
            first = student[0] if isinstance(student, Pipeline) else student
            if first is not None and not hasattr(first, "module"):  # of a net
                readers.append(first)
            inputs = [
                get_tags(r[1] if isinstance(r, tuple) else r).input_tags
                for r in readers
            ]
            is_mixed = getattr(self, "synthetic", 0) not in (0, "auto")
            tags.input_tags.sparse = not is_mixed and all(tag.sparse for tag in inputs)
            tags.input_tags.allow_nan = all(tag.allow_nan for tag in inputs)
        return tags

    def _sk_visual_block_(self):
        """Show the teachers side by side, and the student under them."""
        # what fit would refuse is shown as it is, and not warned of
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            teachers, student = self._parts()
            student = "built-in network" if student is None else student
            # of a member, the model that it is
            shown = {k: getattr(t, "model", t) for k, t in teachers.items()}
            if len(shown) > MOST_SHOWN:
                more = f"{len(shown) - 2} more"
                shown = {**dict(list(shown.items())[:2]), "...": more}
            parts = [shown, *self._parts_below(student)]
            blocks = [
                VisualBlock("parallel", list(part.values()), names=list(part))
                for part in parts
                if part
            ]
            return VisualBlock("serial", blocks, dash_wrapped=False)
        name = type(self).__name__
        return VisualBlock("single", self, names=name, name_details=str(self))

    def _parts_below(self, student):
        """Return what stands below the teachers, pool and labels if it is fitted."""
        try:
            summary = self._summary()
        except Exception:  # it is not fitted, or not as expected
            return [{"student": student}]
        pool = {"pool": _pool_of_all(self.pool_)} if "pool" in summary else {}
        name = ": ".join(filter(None, ["student", summary["size"]]))
        return [pool, {"labels": summary["labels"]}, {name: student}]

    def _warn_of_callers(self):
        """Warn where a caller within scikit-learn takes the unlabeled mark for a class.

        The fit alone cannot know: it sees the train part only, and maybe encoded. So
        look at who calls. Where scikit-learn changes its names, nothing is said.
        """
        if self.unlabeled_label is None:
            return
        frame = sys._getframe()
        while frame := frame.f_back:
            if not frame.f_globals.get("__name__", "").startswith("sklearn."):
                continue
            with contextlib.suppress(Exception):  # foreign objects may raise anything
                if _takes_mark_for_class(frame, self.unlabeled_label):
                    break
        else:
            return
        if _is_of_same_search(frame):
            return
        warn(
            f"scikit-learn takes {self.unlabeled_label!r}, the mark of an unknown "
            "label, for a class here, and most scores will be wrong. To a search or "
            "cross-validation pass cv=SemiSupervisedSplit(5) from "
            "sk_ekd.model_selection, to a meta-estimator labeled rows only.",
            "Unknown labels in a search",
        )


def check_distiller(distiller):
    """Raise an error unless this is a fitted distiller."""
    if not hasattr(distiller, "unlabeled_label"):
        raise TypeError(
            f"`distiller` must be a fitted EnsembleDistiller, got {distiller!r}. (Of a "
            "search, pass its `best_estimator_`; of a Pipeline, its last step.)"
        )
    check_is_fitted(distiller, "student_")


def has_teachers(distiller):
    """Return whether a fitted distiller learned from teachers, here or not."""
    return hasattr(distiller, "teacher_names_")


def check_has_teachers(distiller):
    """Raise an error for a fitted distiller whose students taught each other."""
    if not has_teachers(distiller):
        raise ValueError(
            f"An {type(distiller).__name__} has no teachers to look at: compare its "
            "student with a baseline, by distillation_report(..., baseline=...), or "
            "with another model, by compare."
        )


def _pool_of_all(pool):
    """Return the pool in one of some teachers, or the pool."""
    return getattr(pool, "pool", pool)


def _is_of_same_search(frame):
    """Return whether the last frame asked about had this y, called at this line.

    A search fits once a candidate and split, all with one y.
    """
    y = frame.f_locals.get("y")
    while frame.f_back and frame.f_globals["__name__"].startswith(
        ("sklearn", "joblib")
    ):
        frame = frame.f_back
    before, line = _SEARCH.get("y"), (frame.f_code, frame.f_lineno)
    is_same = before is not None and before() is y and _SEARCH["line"] == line
    if frame.f_globals["__name__"].startswith("multiprocessing"):
        is_same = _SEARCH.get("line") == line  # a worker gets a copy of y for each fit
    with contextlib.suppress(TypeError):  # a list has no weak references
        _SEARCH.update(y=weakref.ref(y), line=line)
    return is_same


def clone_teacher(name, teacher):
    """Clone a teacher, or say which one cannot be cloned."""
    try:
        return clone(teacher)
    except RuntimeError as error:  # its constructor changes what it is given
        raise ValueError(
            f"Teacher {name!r} cannot be cloned, and so not fitted out of fold: "
            f"{error}. Where the parameter is a list, pass a tuple: CatBoost copies "
            "lists such as `cat_features`. Or fit it yourself, and set cv='prefit'."
        ) from error
    except TypeError as error:
        raise TypeError(
            f"Teacher {name!r} cannot be cloned, and so not fitted out of fold: "
            f"{error} Fit it yourself, and set cv='prefit'."
        ) from error


def _takes_mark_for_class(frame, unlabeled_label):
    """Return whether a frame of scikit-learn tests or encodes unlabeled rows."""
    names, caller = frame.f_locals, frame.f_code.co_name
    if caller in ("_fit_and_score", "_fit_and_predict", "_permutation_test_score"):
        y = names["y"]
        y = as_column(np.ravel(y) if np.ndim(y) > 1 else y)  # without its warning
        return not read_labels(y[names["test"]], unlabeled_label)[1].all()
    if caller == "cross_val_predict":
        return unlabeled_label in names["le"].classes_.tolist()
    meta = names["self"]
    return not isinstance(meta, Distiller) and (
        unlabeled_label in np.asarray(meta.classes_).tolist()
    )
