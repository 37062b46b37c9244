"""Leave the teachers behind."""

import copy

from sklearn.utils import Bunch

from .._estimator import check_distiller, has_teachers


def compact(distiller):
    """Copy a fitted distiller without its teachers.

    The copy predicts labels and checks columns as before, and is what a distiller is
    whose `teachers` are None and whose `teacher_proba` were given: to train it further,
    or to report on it, pass the teachers' predictions. Pickle it to go on in Python.

    Parameters
    ----------
    distiller : EnsembleDistiller
        A fitted distiller, which stays as it is; an OnlineDistiller is copied.

    Returns
    -------
    compacted : EnsembleDistiller
        A copy; `teachers` is None, `teachers_` is empty, and `row_weight_` and
        `teacher_weight_` have no rows.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sk_ekd import EnsembleDistiller
    >>> from sk_ekd.export import compact
    >>> X, y = load_iris(return_X_y=True)
    >>> teachers = [RandomForestClassifier(random_state=0)]
    >>> distiller = EnsembleDistiller(teachers, cv=5, random_state=0).fit(X, y)
    >>> len(pickle.dumps(compact(distiller))) < len(pickle.dumps(distiller))
    True
    """
    check_distiller(distiller)
    if not has_teachers(distiller):
        return copy.deepcopy(distiller)
    light = copy.copy(distiller)
    light.teachers = None
    light.teachers_, light.named_teachers_ = [], Bunch()
    light.row_weight_ = distiller.row_weight_[:0]
    light.teacher_weight_ = distiller.teacher_weight_[:0]
    return copy.deepcopy(light)  # lest partial_fit train the student of both
