"""Pool, weigh, soften and mix the teachers: the formula of the method on one screen."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from ._compat import warn
from ._data import take_rows
from ._groups import Groups
from ._pooling import PoolOfSome
from ._progress import Stage
from ._scratch import empty, take
from ._step import Teachers
from .pooling import POOLINGS, MeanPool
from .weighting import WEIGHTINGS, Rows, UnifiedWeighting, uniform

AUTO = "stacked"  # the pool of predictions that are out of fold
MOST_UNSEEN = 0.05  # share of labels that no fold has seen, beyond which pools suffer


class Targets(NamedTuple):
    """What the student learns from, or is validated on: a value for each row."""

    y: np.ndarray  # (n,), index of the label, UNLABELED without one
    labeled: np.ndarray  # (n,), bool
    mix: np.ndarray  # (n, c), of the teachers; rows sum to one, even if nobody predicts
    label_weight: np.ndarray  # (n,), of the label term
    mix_weight: np.ndarray  # (n,), of the distillation term
    teachers: np.ndarray | None = None  # (n, t, c), softened, where the loss mixes them
    features: np.ndarray | None = None  # (n, d), of teachers, for a hint; NaN if none

    @property
    def widths(self):
        """Numbers of classes, of teachers to be mixed, and of features."""
        seen, told = self.teachers, self.features
        n_teachers = 0 if seen is None else seen.shape[1]
        return self.mix.shape[1], n_teachers, 0 if told is None else told.shape[1]

    def take(self, index):
        """Return those of the rows at these positions, or in a slice."""
        return Targets(*(None if c is None else take(c, index) for c in self))


class Record(NamedTuple):
    """How the teachers predicted, and what they weighed."""

    row_weight: np.ndarray  # (n,), of the distillation terms
    teacher_weight: np.ndarray  # (n_labeled, t)
    coverage: np.ndarray  # (t,), share of the rows that each teacher predicts
    accuracy: np.ndarray  # (t,), on the labeled rows that each teacher predicts
    pool_accuracy: float  # on the labeled rows that some teacher predicts
    seen: Teachers | None = None  # whom a dynamic weighting weighs


def make_targets(blocks, predictions, pool, weighting, temperature, sample_weight):
    """Pool, weigh, soften and mix the teachers, block by block.

    `sample_weight` (n,) weighs each row in both terms. A teacher has no part in a row
    that it does not predict, a row that nobody predicts no distillation term. For a
    dynamic weighting, the mix is that of the pool, and the teachers are kept beside it.
    Returns the Targets and a Record.
    """
    data, (n_teachers, n_classes) = predictions.data, predictions.shape
    is_mixed = find_mixed(weighting, predictions.names)  # (t,)
    _check_pool_leaves_out(pool, is_mixed, predictions.names)
    groups = kept = None
    if is_dynamic(weighting):
        of_one = predictions.of_one_ensemble
        groups = Groups(predictions.names, pool.weight_, n_classes, of_one=of_one)
        kept = empty((len(data.y), len(groups.parts), n_classes))  # (n, t, c)
    weighting = open_weighting(weighting)
    order = data.labeled.cumsum() - 1  # of a labeled row among the labeled rows
    mix = np.empty((len(data.y), n_classes), dtype=np.float32)
    row_weight = np.empty(len(data.y))
    teacher_weight = np.empty((data.labeled.sum(), n_teachers), dtype=np.float32)
    predicted = np.empty((len(data.y), n_teachers), dtype=bool)
    hits = np.zeros(n_teachers + 1)  # the last of the pool
    for index in blocks:
        X, proba = predictions.block(index)  # (b, t, c)
        y, labeled = data.y[index], data.labeled[index]
        predicted[index] = by = proba.any(axis=2)  # (b, t)
        by = by & is_mixed
        proba = pool.transform(proba)  # (b, t or more, c), the teachers first
        proba.flags.writeable = False  # a weighting looks, and changes nothing
        rows = Rows(X, y, proba[:, :n_teachers])
        weight = pool.share(_read_weight(weighting(rows), by))
        by_any = np.hstack([by, proba[:, n_teachers:].any(axis=2)])
        weight = _leave_out(weight, by_any)  # (b, t or more)
        mix[index], row_weight[index] = soft_targets(
            proba, weight, temperature, even=pool.weight_
        )
        if groups is not None:
            kept[index] = groups.merge(_soften(proba.astype(np.float64), temperature))
        teacher_weight[order[index[labeled]]] = weight[labeled, :n_teachers]
        rows = proba[labeled], predicted[index[labeled]], y[labeled]
        hits += _count_hits(*rows, pool.weight_)
    known = (predicted & is_mixed).any(axis=1)
    if hasattr(weighting, "scale_rows") and known.any():
        row_weight[known] = weighting.scale_rows(
            *(column[known] for column in (row_weight, data.y, data.weight))
        )
    weights = sample_weight, sample_weight * row_weight
    targets = Targets(data.y, data.labeled, mix, *weights, kept)
    asked = np.column_stack([predicted, known])[data.labeled].sum(axis=0)  # (t + 1,)
    with np.errstate(invalid="ignore"):  # NaN where no row is labeled
        *accuracy, pool_accuracy = hits / asked
    coverage = predicted[data.index >= 0].mean(axis=0)  # not of synthetic rows
    return targets, Record(
        row_weight,
        teacher_weight,
        coverage,
        np.array(accuracy),
        float(pool_accuracy),
        groups and groups.teachers,
    )


def name_record(record, predictions):
    """Return a Record as fitted attributes, by the caller's rows and teachers."""
    data, names = predictions.data, predictions.names
    index = data.index[data.labeled]
    row_weight = np.zeros(data.n_samples)
    real = data.index >= 0
    row_weight[data.index[real]] = record.row_weight[real]
    return {
        "row_weight_": row_weight,
        "teacher_weight_": pd.DataFrame(record.teacher_weight, index, names),
        "teacher_accuracy_": pd.Series(record.accuracy, names),
    }


def _count_hits(proba, predicted, y, weight):
    """Count the rows that each teacher, and last the pool, gets right -> (t + 1,)."""
    pool = np.einsum("ntc,t->nc", proba, weight)[:, np.newaxis]
    proba = proba[:, : predicted.shape[1]]  # the pool may have more
    right = np.concatenate([proba, pool], axis=1).argmax(axis=2) == y[:, np.newaxis]
    known = predicted.any(axis=1, keepdims=True)
    return (right & np.hstack([predicted, known])).sum(axis=0)


def soft_targets(proba, weight, temperature, even=1.0):
    """Soften the teachers, mix them row by row, and weigh the rows.

    A teacher known only by probabilities is softened as ``p^(1/T)``, renormalised: the
    same as dividing its logits by T, as long as no p has underflowed to zero.

    Examples
    --------
    >>> proba = np.array([[[0.9, 0.1], [0.3, 0.7]]])
    >>> soft_targets(proba, np.array([[1.0, 1.0]]), temperature=1.0)
    (array([[0.6, 0.4]], dtype=float32), array([2.]))
    """
    weight = weight.astype(np.float64)
    row_weight = weight.sum(axis=1)  # (n,)
    share = np.where(row_weight[:, np.newaxis] > 0, weight, even)  # (n, t)
    share = _scale_to_one(share * proba.any(axis=2))
    softened = _soften(proba.astype(np.float64), temperature)  # (n, t, c)
    target = np.einsum("ntc,nt->nc", softened, share)
    target[~share.any(axis=1)] = 1 / proba.shape[2]  # nobody predicts the row
    return target.astype(np.float32), row_weight


def _soften(proba, temperature):
    if temperature == 1:
        return proba
    # relative to the largest, so that a small temperature does not underflow
    largest = proba.max(axis=2, keepdims=True)
    relative = np.divide(proba, largest, out=np.zeros_like(proba), where=largest > 0)
    return _scale_to_one(relative ** (1 / temperature))


def _scale_to_one(values):
    """Divide by the sums over the last axis, but where all are zero."""
    total = values.sum(axis=-1, keepdims=True)
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)


# --- Pool ----------------------------------------------------------------------------


def fit_pool(pooling, predictions, weighting):
    """Choose the pool, and fit a copy of it to the labeled rows -> weights of (t,).

    The mean has the weights of the ensemble whose members the teachers are. A teacher
    that the weighting leaves out of the mix has no part in the pool.
    """
    is_mixed = find_mixed(weighting, predictions.names)
    if not is_mixed.any():
        raise ValueError("The weighting leaves every teacher out: pass more of them.")
    pool = open_pool(pooling, out_of_fold=predictions.out_of_fold)
    if not isinstance(pool, MeanPool) and _must_take_mean(predictions, pooling):
        pool = MeanPool()
    if isinstance(pool, MeanPool):  # has nothing to learn from rows
        if pool.weight is None:
            pool.set_params(weight=_weigh_mixed(predictions.member_weight, is_mixed))
        return pool.fit(np.empty((0, *predictions.shape)))
    stage, name = Stage("fit pool", predictions.verbose), type(pool).__name__
    if not is_mixed.all():
        pool = PoolOfSome(pool, is_mixed)
    if predictions.member_weight is not None:
        warn(
            f"The ensemble's own `weights`, {predictions.member_weight}, are not used: "
            "the pool fits others to the labeled rows. Set pooling='mean' for them.",
            "Weights that are not used",
        )
    data = predictions.data
    y, weight = data.y[data.labeled], data.weight[data.labeled]
    pool = pool.fit(predictions.of_labeled(), y, weight)
    stage.end(name)
    return pool


def _weigh_mixed(member_weight, is_mixed):
    """Return the weights of a mean of some teachers -> (t,), or None if all alike."""
    if is_mixed.all():
        return member_weight
    return np.where(is_mixed, 1.0 if member_weight is None else member_weight, 0.0)


def open_pool(pooling, *, out_of_fold):
    """Return the pool to fit; "auto" fits one to predictions that are out of fold."""
    _check_instance("pooling", pooling)
    if isinstance(pooling, str) and pooling == "auto":
        pooling = AUTO if out_of_fold else "mean"
    return clone(POOLINGS[pooling] if isinstance(pooling, str) else pooling)


def _must_take_mean(predictions, pooling):
    """Warn of labels that no fold has seen; return whether "auto" gives up on them.

    Their rows were predicted by clones that saw no row of the class. A pool takes that
    for certainty, and softens teachers that know the class once they are refitted.
    """
    y = predictions.data.y[predictions.data.labeled]
    proba = predictions.of_labeled()
    asked = proba.any(axis=(1, 2))  # not those that nobody predicts
    y, proba = y[asked], proba[asked]
    known = proba[np.arange(len(y)), :, y].any(axis=1)  # (n_labeled,)
    unseen = np.setdiff1d(y, y[known])
    given_up = isinstance(pooling, str) and pooling == "auto"
    if not len(y):  # nobody predicts a labeled row
        return given_up
    share = float(np.isin(y, unseen).mean())
    if share <= MOST_UNSEEN:
        return False
    taken = "so that the plain mean is taken" if given_up else "and the pool suffers"
    warn(
        f"On {share:.0%} of the labeled rows, no teacher gives any probability to the "
        f"label, of class {predictions.classes[unseen].tolist()}, {taken}. Use "
        "stratified folds, label more rows of the class, or set pooling='mean'.",
        "Classes that no teacher knows",
    )
    return given_up


# --- Weigh ---------------------------------------------------------------------------


def open_weighting(weighting):
    """Return the weighting that the caller named, or passed."""
    if isinstance(weighting, str):
        return WEIGHTINGS[weighting]
    _check_instance("weighting", weighting)
    return uniform if is_dynamic(weighting) else weighting


def is_dynamic(weighting):
    """Return whether the weighting is called in training, with a Step of each batch."""
    return bool(getattr(weighting, "dynamic", False))


def _check_pool_leaves_out(pool, is_mixed, names):
    """Raise where the pool of the first chunk has teachers that are left out by now."""
    if pool.weight_[: len(names)][~is_mixed].any():
        raise ValueError(
            "The weighting leaves out teachers that the pool was fitted with, "
            f"{np.array(names)[~is_mixed].tolist()}: to start anew, call it on a clone."
        )


def find_mixed(weighting, names):
    """Return which teachers may be mixed: not those that are only looked at -> (t,)."""
    left_out = list(getattr(weighting, "left_out", ()))
    unknown = [name for name in left_out if name not in names]
    if unknown:
        raise ValueError(
            f"{weighting!r} looks at {unknown}, but must name one of the teachers, "
            f"{names}."
        )
    return ~np.isin(names, left_out)


def ignores_correctness(weighting):
    """Return whether the weighting is one that labels do not change."""
    if is_dynamic(weighting):
        return not getattr(weighting, "learns_from_labels", False)
    if isinstance(weighting, UnifiedWeighting):
        return weighting.teacher == weighting.labeled == "uniform"
    return weighting in ("uniform", WEIGHTINGS["uniform"])


def _check_instance(parameter, value):
    if isinstance(value, type):
        raise TypeError(
            f"`{parameter}` must be an instance, got the class {value.__name__}: "
            f"write {value.__name__}()."
        )


def _read_weight(weight, predicted):
    """Check what a weighting returned, where the teachers predict -> (n, t)."""
    weight = np.asarray(weight)
    if weight.shape != predicted.shape:
        raise ValueError(
            f"The weighting must return an array of shape (n_samples, n_teachers), "
            f"{predicted.shape} here, got {weight.shape}."
        )
    is_number = weight.dtype.kind in "biuf"
    if is_number:
        weight = _leave_out(weight, predicted)
    largest = np.finfo(np.float32).max  # the loss is computed in float32
    if not is_number or not ((weight >= 0) & (weight <= largest)).all():
        values = f" from {weight.min()} to {weight.max()}" if is_number else ""
        raise ValueError(
            "The weighting must return finite, non-negative numbers, got "
            f"{weight.dtype}{values}."
        )
    return weight


def _leave_out(weight, predicted):
    """Give the share of teachers that do not predict a row to the others -> (n, t)."""
    if predicted.all():
        return weight
    # of such a teacher a weighting may make anything
    weight = np.where(predicted | np.isfinite(weight), weight, 0.0)
    total = weight.sum(axis=1, keepdims=True)
    return total * _scale_to_one(np.where(predicted, weight, 0.0))


# --- Learn ---------------------------------------------------------------------------


def check_labels_to_learn(data, alpha):
    """Raise where only labels are to be learned, and there are none."""
    if alpha == 0 and not data.labeled.any():
        raise ValueError(
            "alpha=0 learns from labels only, but y has no labeled row: raise "
            "`alpha`, or label some rows."
        )


def check_every_teacher_predicts(names, coverage):
    """Raise for teachers that predict no row at all."""
    silent = [name for name, share in zip(names, coverage, strict=True) if not share]
    if silent:
        raise ValueError(
            f"Teachers {silent} predict none of the rows: all their probabilities are "
            "NaN or zero, which means no prediction. Fix them, or leave them out."
        )


def check_something_to_learn(targets, alpha):
    """Raise where no row has a part in the loss."""
    labeled = targets.labeled.any()
    if (alpha < 1 and labeled) or targets.mix_weight.any():
        return
    why, cure = "alpha=1 learns from the teachers only", "lower `alpha`"
    if not labeled:
        why, cure = "y has no labeled row", "label some rows"
    raise ValueError(
        f"{why}, but the weighting gives every row a weight of zero: {cure}, "
        "or change `weighting`."
    )


def add_features(targets, data, features, hint):
    """Add the teachers' features, standardized; none of synthetic rows -> Targets."""
    if features is None and hint is None:
        return targets
    if features is None or hint is None:
        raise ValueError(
            "A hint needs both, the name of the student's layer and what it is to "
            f"learn there, but hint={hint!r} came "
            f"{'with' if hint is None else 'without'} `teacher_features`: see "
            "sk_ekd.students.layer_output."
        )
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2 or len(features) != data.n_samples or not features.size:
        raise ValueError(
            "`teacher_features` must have shape (n_samples, n_features), with "
            f"{data.n_samples} rows here, got {features.shape}."
        )
    told = np.full((len(data.y), features.shape[1]), np.nan, dtype=np.float32)
    real = data.index >= 0
    told[real] = features[data.index[real]]
    known = np.isfinite(told).all(axis=1)
    if not known.any():
        raise ValueError("`teacher_features` has no row without NaN or infinity.")
    told[known] = StandardScaler().fit_transform(told[known].astype(np.float64))
    return targets._replace(features=told)


def hold_out(data, targets, fraction, alpha, seed):
    """Split off a validation part -> two pairs of rows and Targets, or one and None.

    Of the rows that have a part in the loss, stratified by label, known or not. The
    first of each label trains: scikit-learn's stratified splitters refuse a class with
    one row, or a part that is smaller than the number of classes. Synthetic rows only
    train, and not where a row that they were made of is held out.
    """
    if fraction is None:
        return (data.X, targets), None
    label_weight = (1 - alpha) * targets.label_weight * targets.labeled
    counts = label_weight + alpha * targets.mix_weight > 0
    weighs = np.flatnonzero(counts & (data.index >= 0))
    order = check_random_state(seed).permutation(weighs)
    order = order[np.argsort(targets.y[order], kind="stable")]
    rest = order[1:][np.diff(targets.y[order]) == 0]
    n_held = min(round(fraction * len(weighs)), len(rest))
    if not n_held:
        raise ValueError(
            f"validation_fraction={fraction} holds out none of the {len(weighs)} rows "
            f"with a part in the loss, of which {len(order) - len(rest)}, the first of "
            "each label, train: raise it, label more rows, or set it to None."
        )
    spread = ((np.arange(n_held) + 0.5) * len(rest) / n_held).astype(int)
    held = np.zeros(len(targets.y), dtype=bool)
    held[rest[spread]] = True
    seen = held.copy()
    if data.parents is not None:
        seen[data.index < 0] = held[data.parents].any(axis=1)
    parts = np.flatnonzero(~seen), np.flatnonzero(held)
    return tuple((take_rows(data.X, part), targets.take(part)) for part in parts)
