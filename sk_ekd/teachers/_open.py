"""Say who the teachers are: their names, what they know, whether they are fitted."""

from collections import Counter
from contextlib import suppress

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ._members import open_ensemble

RESPONSES = ("predict_proba", "decision_function", "predict")  # in order of preference


def open_teachers(teachers, cv):
    """Name the teachers; a fitted ensemble that is passed bare stands for its members.

    None means that there are no teachers, only their predictions.
    """
    if teachers is None:
        return {}
    is_bare = hasattr(teachers, "predict") and not isinstance(teachers, type)
    if not is_bare:
        return name_teachers(teachers)
    name_teachers([teachers])  # a classifier
    if not is_prefit(cv):
        raise ValueError(
            f"cv={cv!r} fits a list of teachers, got a bare "
            f"{type(teachers).__name__}: pass [{type(teachers).__name__}(...)] to "
            "have it fitted as one teacher. (A bare ensemble stands for its fitted "
            "members, with cv='prefit'.)"
        )
    return open_ensemble(teachers)


def name_teachers(teachers):
    """Give every teacher a unique name: the caller's, or that of its class.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> list(name_teachers([SVC(), SVC(), ("forest", SVC())]))
    ['svc-1', 'svc-2', 'forest']
    """
    if not isinstance(teachers, (list, tuple)):
        is_dict = isinstance(teachers, dict)
        got = "a dict: pass list(teachers.items())" if is_dict else repr(teachers)
        raise TypeError(
            "`teachers` must be a list of classifiers, of (name, classifier), or a "
            f"fitted ensemble, got {got}.{_way_in(teachers)}"
        )
    if not len(teachers):
        raise ValueError("`teachers` is empty: pass at least one classifier.")
    pairs = [t if _is_pair(t) else (_name_of(t), t) for t in teachers]
    given = {name for (name, _), t in zip(pairs, teachers, strict=True) if _is_pair(t)}
    total, seen = Counter(name for name, _ in pairs), Counter()
    named = {}
    for name, teacher in pairs:
        _check_is_classifier(name, teacher)
        seen[name] += 1
        repeated = total[name] > 1 and name not in given
        unique = f"{name}-{seen[name]}" if repeated else name
        if unique in named:
            raise ValueError(f"Teacher names must be unique, got {unique!r} twice.")
        named[unique] = teacher
    return named


def is_prefit(cv):
    """Return whether the teachers are fitted already."""
    if isinstance(cv, str) and cv != "prefit":
        raise ValueError(
            f"`cv` must be 'prefit', an int, a splitter or an iterable, got {cv!r}."
        )
    return isinstance(cv, str)


def holds_fitted(teacher):
    """Return whether a teacher, or a part of it, is a fitted classifier.

    One in a FrozenEstimator, which `cv` leaves as it is. A frozen transformer has
    learned no label.
    """
    parts = teacher.get_params().values() if hasattr(teacher, "get_params") else ()
    return any(
        isinstance(part, FrozenEstimator) and hasattr(part, "classes_")
        for part in (teacher, *parts)
    )


def known_classes(teachers):
    """Return the classes that each fitted teacher knows."""
    for name, teacher in teachers.items():
        _check_is_fitted(name, teacher)
    return {name: read_classes(name, teacher) for name, teacher in teachers.items()}


def read_classes(name, teacher):
    """Return the classes of a fitted teacher, which is one that predicts one label."""
    classes = getattr(teacher, "classes_", None)
    if classes is None:
        raise TypeError(
            f"Teacher {name!r} has no `classes_`: expected a fitted classifier, got "
            f"{type(teacher).__name__}.{_way_in(teacher)}"
        )
    if any(np.ndim(value) for value in classes):
        raise ValueError(
            f"Teacher {name!r} must predict one label a row, but its `classes_` are "
            f"those of several outputs: {classes!r}."
        )
    return np.asarray(classes)


def _check_is_classifier(name, teacher):
    if not isinstance(name, str):
        raise TypeError(f"A teacher's name must be a string, got {name!r}.")
    if isinstance(teacher, type):
        raise TypeError(
            f"Teacher {name!r} must be a classifier, got {teacher!r}, a class: pass an "
            "instance."
        )
    can_predict = any(hasattr(teacher, response) for response in RESPONSES)
    can_learn = any(hasattr(teacher, name) for name in ("fit", "classes_"))
    if can_predict and not can_learn and (way := _way_in(teacher)):
        raise TypeError(
            f"Teacher {name!r} must be a classifier, got {teacher!r}, which has no "
            f"`classes_`.{way}"
        )
    with suppress(AttributeError):  # other libraries' models have no tags
        can_predict = can_predict or is_classifier(teacher)  # once it is fitted
    if not can_predict:
        raise TypeError(
            f"Teacher {name!r} must be a classifier, got {teacher!r}, which has no "
            f"predict_proba, decision_function or predict.{_way_in(teacher)}"
        )
    with suppress(AttributeError):
        if is_regressor(teacher):
            raise TypeError(
                f"Teacher {name!r} is a regressor: expected a classifier, got "
                f"{type(teacher).__name__}."
            )


def _way_in(teacher):
    """Say how a model that is no classifier becomes one; told by its library's name."""
    if isinstance(teacher, type):
        return ""
    kinds = {
        (str(kind.__module__).split(".")[0], kind.__name__)
        for kind in type(teacher).mro()
    }
    for kind, way in _WAYS_IN.items():
        if kind in kinds:
            return f" {way}"
    return f" {_ANY_WAY_IN}" if callable(teacher) else ""


_ANY_WAY_IN = (
    "Shortest way in: pass its predictions, teachers=None and fit(X, y, "
    "teacher_proba=array of shape (n_samples, 1, n_classes)); or write a class with "
    "`classes_` and predict_proba that calls it."
)
_WAYS_IN = {
    ("torch", "Module"): (
        "Shortest way in: skorch.NeuralNetClassifier(module, "
        "criterion=torch.nn.CrossEntropyLoss, classes=[...]).initialize() of a trained "
        "module that returns logits, its classes in the order of the columns."
    ),
    ("xgboost", "Booster"): (
        "Shortest way in: save it by booster.save_model(path), then "
        "model = xgboost.XGBClassifier(); model.load_model(path)."
    ),
    ("lightgbm", "Booster"): (
        "Shortest way in: pass its predictions, teachers=None and fit(X, y, "
        "teacher_proba=booster.predict(X)[:, None]), for two classes p = "
        "booster.predict(X), teacher_proba=np.c_[1 - p, p][:, None]; or train a "
        "LGBMClassifier."
    ),
    ("transformers", "Pipeline"): _ANY_WAY_IN,
}


def _check_is_fitted(name, teacher):
    try:
        # only scikit-learn's own protocol: LightGBM, XGBoost and CatBoost pass by it
        check_is_fitted(teacher)
    except NotFittedError as error:
        raise NotFittedError(
            f"Teacher {name!r} is not fitted: fit it first, or set cv=5 to have the "
            "teachers fitted out of fold. (A search clones the teachers that stand in "
            "its grid, which unfits them: wrap those in FrozenEstimator.)"
        ) from error
    except (AttributeError, TypeError):
        # not a scikit-learn estimator; it is taken at its `classes_`
        read_classes(name, teacher)


def _name_of(teacher):
    kind = teacher if isinstance(teacher, type) else type(teacher)
    return kind.__name__.lower()


def _is_pair(teacher):
    return isinstance(teacher, tuple) and len(teacher) == 2
