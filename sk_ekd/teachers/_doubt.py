"""Say what is off with teachers, where their accuracy on labeled rows shows it."""

from ._open import holds_fitted, is_prefit

FEW_LABELS = 10  # too few labeled rows to say that a teacher is worse than chance
ALL_BUT_PERFECT = 0.99  # accuracy on labeled rows that only seen rows explain


def find_doubt(accuracy, predictions, *, calibrated, by_correctness):
    """Return what to warn of, None where nothing is off.

    `accuracy` (t,) is that on labeled rows. `calibrated` says whether a pool is fitted
    on them, `by_correctness` whether the weighting trusts the teachers' correctness.
    """
    accuracy = dict(zip(predictions.names, accuracy.tolist(), strict=True))
    teachers = predictions.teachers
    chance = 1 / len(predictions.classes)
    worse = {name: hits for name, hits in accuracy.items() if hits < 0.5 * chance}
    if predictions.data.labeled.sum() >= FEW_LABELS and worse:
        return (
            "Teachers are right on fewer labeled rows than by chance, "
            f"{_rounded(worse)}: are their labels encoded like those in y?"
        )
    fitted = {
        name: hits
        for name, hits in accuracy.items()
        if is_prefit(predictions.cv) or (teachers and holds_fitted(teachers[name]))
    }
    suspects = fitted if teachers else accuracy  # who made given predictions?
    perfect = {name: hits for name, hits in suspects.items() if hits > ALL_BUT_PERFECT}
    if perfect and calibrated:
        return (
            "The pool was fitted on labeled rows on which these teachers are all "
            f"but always right, {_rounded(perfect)}, as on rows that they "
            "were fitted on: they get weights and temperatures that they do not "
            "deserve. Label rows that no teacher has seen, pass unfitted teachers "
            "and cv=5, or set pooling='mean'. See `pool_`."
        )
    mean = sum(fitted.values()) / len(fitted) if fitted else 0.0
    if mean > ALL_BUT_PERFECT and by_correctness:
        return (
            f"The fitted teachers are right on {mean:.1%} of the labeled "
            "rows, as on rows that they were fitted on: weights by their "
            "correctness then say little. Label rows that they have not seen, or "
            "pass unfitted teachers and cv=5. See `teacher_accuracy_`."
        )
    return None


def _rounded(accuracy):
    return {name: round(hits, 3) for name, hits in accuracy.items()}
