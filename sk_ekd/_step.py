"""What a dynamic weighting sees: the teachers of a fit, and a step of its training."""

from typing import NamedTuple


class Teachers(NamedTuple):
    """Whom a dynamic weighting weighs in one fit.

    Parameters
    ----------
    names : list of str
        The teachers that `Step.proba` holds, in its order: those of the distiller, the
        members of a large ensemble in groups, and last the stacker of a stacked pool.
    pool : ndarray of shape (n_teachers,)
        The pool's weights; they sum to one, 0 for a teacher that is left out of it.
    n_classes : int
        Number of classes.
    """

    names: list
    pool: object
    n_classes: int


class Step(NamedTuple):
    """A batch of rows, as a dynamic weighting sees it; all but `epoch` torch tensors.

    Parameters
    ----------
    y : Tensor of shape (batch_size,), dtype int64
        Index of the label in the distiller's `classes_`, -1 where it is unknown.
    labeled : Tensor of shape (batch_size,), dtype bool
        Whether each row has a label.
    proba : Tensor of shape (batch_size, n_teachers, n_classes)
        Probabilities of each teacher, calibrated by the pool, and softened by the
        distiller's `temperature`; all zero where a teacher does not predict the row.
    pool : Tensor of shape (n_teachers,)
        The pool's weights; they sum to one, 0 for a teacher that is left out of it.
    student : Tensor of shape (batch_size, n_classes)
        Probabilities of the student, softened alike, detached: no gradient flows back.
    epoch : int
        How many epochs this call of `fit` or `partial_fit` has trained before.
    """

    y: object
    labeled: object
    proba: object
    pool: object
    student: object
    epoch: int
