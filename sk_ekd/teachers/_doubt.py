"""Say what is off with teachers, where their accuracy on labeled rows shows it."""

from typing import NamedTuple

from scipy.stats import binom

from ._open import holds_fitted, is_prefit

BY_CHANCE = 1e-3  # how likely it is that one who guesses is right as seldom
ALL_BUT_PERFECT = 0.99  # accuracy on labeled rows that only seen rows explain
MOST = 0.5  # share of labeled rows beyond which what was seen is most of the targets
LITTLE = 0.5  # of an even share: a teacher that weighs less on average carries none


class Doubt(NamedTuple):
    """What to warn of, and the section on the page of troubles that says more."""

    message: str
    section: str


def find_doubt(record, predictions, *, calibrated, by_correctness, alpha):
    """Return the Doubt to warn of, None where nothing is off.

    `record` has the accuracies on labeled rows. `calibrated` says whether a pool is
    fitted on them, `by_correctness` whether the weighting trusts the teachers'
    correctness. With `alpha` of zero, nothing is learned from them.
    """
    accuracy = dict(zip(predictions.names, record.accuracy.tolist(), strict=True))
    teachers, labeled = predictions.teachers, predictions.data.labeled
    chance, n_labeled = 1 / len(predictions.classes), labeled.sum()
    worse = {
        name: hits
        for name, hits in accuracy.items()
        if hits < 0.5 * chance
        and binom.cdf(round(hits * n_labeled), n_labeled, chance) < BY_CHANCE
    }
    if worse:
        return Doubt(
            "Teachers are right on fewer labeled rows than by chance, "
            f"{_rounded(worse)}: check that their labels are encoded like those in y.",
            "Teachers worse than chance",
        )
    fitted = {
        name: hits
        for name, hits in accuracy.items()
        if is_prefit(predictions.cv) or (teachers and holds_fitted(teachers[name]))
    }
    suspects = fitted if teachers else accuracy  # who made given predictions?
    perfect = {name: hits for name, hits in suspects.items() if hits > ALL_BUT_PERFECT}
    ensemble = {}
    if len(fitted) == len(accuracy) and record.pool_accuracy > ALL_BUT_PERFECT:
        ensemble = {"their ensemble": record.pool_accuracy}
    perfect |= ensemble
    if perfect and calibrated:
        return Doubt(
            "The pool was fitted on labeled rows on which these teachers are all "
            f"but always right, {_rounded(perfect)}, as on rows that they "
            "were fitted on. Label rows that no teacher has seen, pass unfitted "
            "teachers and cv=5, or set pooling='mean'.",
            "Teachers that have seen the labels",
        )
    if alpha == 0 or not (by_correctness or labeled.mean() > MOST):
        return None
    heavy = _carry_weight(record.teacher_weight, predictions.names)
    perfect = {
        name: hits
        for name, hits in fitted.items()
        if hits > ALL_BUT_PERFECT and name in heavy
    } | ensemble
    if not perfect:
        return None
    cure = "Pass unfitted teachers and cv=5, or rows that these have not seen"
    if predictions.given is not None:
        cure = (
            "Pass predictions that are out of fold, as `ask_teachers` makes them with "
            "cv=5, and set cv=5"
        )
    return Doubt(
        "The fitted teachers are all but always right on the labeled rows, "
        f"{_rounded(perfect)}: it seems that they were fitted on these rows, and "
        f"repeat the labels there. {cure}.",
        "Teachers that have seen the labels",
    )


def _carry_weight(weight, names):
    """Return the teachers that weigh about as much as an even share, or more."""
    total = weight.sum(axis=0, dtype=float)  # (t,)
    least = LITTLE * total.mean()
    return {name for name, sum_ in zip(names, total, strict=True) if sum_ >= least}


def _rounded(accuracy):
    return {name: round(hits, 3) for name, hits in accuracy.items()}
