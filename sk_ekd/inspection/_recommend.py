"""Say in a sentence or two which model of a report to ship."""

import pandas as pd

ENSEMBLES = ("ensemble", "pool")
OTHERS = (*ENSEMBLES, "student", "baseline")  # entries that are not teachers
INTERVAL = ["difference", "difference_low", "difference_high"]  # of the accuracy
MUCH = 0.01  # one point of accuracy
ALL_BUT_PERFECT = 0.99  # accuracy, as on rows that a model was fitted on


def recommend(report):
    """Say which model of a report to ship.

    A model is *ahead* of the student if the whole 95 % interval of the difference in
    accuracy is on its side, and *level* with it if zero is in the interval: the rows do
    not tell the two apart. The best teacher is the most accurate one on these rows,
    among those that predict all of them. The rule is:

    1. If the best teacher or the baseline is ahead of the student, ship it.
    2. Otherwise, if the ensemble or the pool is ahead of the student, accuracy stands
       against time, and the choice is yours.
    3. Otherwise, if the best teacher is level with the student and takes no more time
       per row, ship the teacher: nothing is gained by distilling.
    4. Otherwise ship the student.

    Level is not equal: where what is to be shipped may, by the interval, cost more than
    a point of accuracy, the advice says so. It also says so where a model that is ahead
    is right on more than 99 % of the rows, as on rows that it was fitted on.

    Parameters
    ----------
    report : DataFrame
        What :func:`distillation_report` returned.

    Returns
    -------
    advice : str
        One to three sentences.

    Notes
    -----
    The best of several teachers on these rows was a bit lucky on them, so that the rule
    leans towards the teacher. Only accuracy and the time of batches count here. See the
    other columns for what matters to you besides, and :func:`compare` for the log-loss.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_ekd.inspection import recommend
    >>> report = pd.DataFrame(
    ...     {
    ...         "accuracy": [0.88, 0.91, 0.908],
    ...         "difference": [0.028, -0.002, 0.0],
    ...         "difference_low": [0.019, -0.006, 0.0],
    ...         "difference_high": [0.037, 0.002, 0.0],
    ...         "us_per_row": [40.0, 290.0, 5.0],
    ...     },
    ...     index=["forest", "ensemble", "student"],
    ... )
    >>> recommend(report)
    'Ship the student: it is level with the ensemble (-0.2 points of accuracy
    [-0.6, +0.2]), 58 times faster per row.'
    """
    report = _check_report(report)
    base = report.loc["ensemble" if "ensemble" in report.index else "baseline"]
    if base[INTERVAL].isna().any():
        return "Measure on more rows: these are too few to tell the models apart."
    student, teacher = report.loc["student"], _best(report, _teachers(report))
    singles = [name for name in (teacher, "baseline") if name in report.index]
    ensembles = [name for name in ENSEMBLES if name in report.index]
    ahead = report["difference_high"] < 0
    if ahead[singles].any():
        model = report.loc[_best(report[ahead], singles)]
        return (
            f"Ship {_the(model)}: it is ahead of the student by {_lead(model)}"
            f"{_at_time(model, student)}.{_suspicion(model)}"
        )
    if ahead[ensembles].any():
        model = report.loc[_best(report[ahead], ensembles)]
        return (
            f"Ship {_the(model)} if it is worth it, else the student: it is ahead by "
            f"{_lead(model)}{_at_time(model, student)}.{_suspicion(model)}"
        )
    level = teacher is not None and report.loc[teacher, "difference_low"] <= 0
    if level and report.loc[teacher, "us_per_row"] <= student["us_per_row"]:
        model = report.loc[teacher]
        return (
            f"Ship {teacher}: the student is {_stands(model)}"
            f"{_at_time(student, model)}.{_doubt(model['difference_high'])}"
        )
    advice = f"Ship the student: it is {_stands(base)}{_at_time(student, base)}."
    if level:
        model = report.loc[teacher]
        advice += f" It is {_stands(model)}{_at_time(student, model)}."
    rivals = report.loc[[*singles, *ensembles], "difference_low"]
    return advice + _doubt(-rivals.min())


def _check_report(report):
    """Return the report with a time for each entry, NaN where there is none."""
    if not isinstance(report, pd.DataFrame):
        raise TypeError(
            "`report` must be what `distillation_report` returned, a DataFrame, got "
            f"{type(report).__name__}."
        )
    missing = {"accuracy", *INTERVAL} - set(report)
    missing |= {"student"} - set(report.index)
    if {"ensemble", "baseline"}.isdisjoint(report.index):
        missing.add("ensemble")
    if missing:
        raise ValueError(
            "`report` must be what `distillation_report` returned, with the columns "
            f"{['accuracy', *INTERVAL]} and the entries 'ensemble' and 'student', or "
            "without teachers 'student' and 'baseline', for which to pass `baseline`; "
            f"missing: {sorted(missing)}."
        )
    return report.reindex(columns=["accuracy", *INTERVAL, "us_per_row", "coverage"])


def _teachers(report):
    """Return the names of the teachers that predict every row."""
    names = [name for name in report.index if name not in OTHERS]
    return [name for name in names if not report.loc[name, "coverage"] < 1]


def _best(report, names):
    """Return the most accurate of the models that the report has, None without any."""
    accuracy = report["accuracy"].reindex(names).dropna()
    return accuracy.idxmax() if len(accuracy) else None


# --- Words ---------------------------------------------------------------------------


def _the(model):
    """Name a model; a teacher has a name of its own."""
    return f"the {model.name}" if model.name in OTHERS else model.name


def _stands(model):
    """Say where the student stands, which is not behind this model."""
    where = "ahead of" if model["difference_low"] > 0 else "level with"
    value, low, high = (f"{100 * v:+.1f}" for v in model[INTERVAL])
    return f"{where} {_the(model)} ({value} points of accuracy [{low}, {high}])"


def _lead(model):
    """Say how far this model is ahead of the student."""
    value, high, low = (f"{-100 * v:.1f}" for v in model[INTERVAL])
    return f"{value} points of accuracy [{low}, {high}]"


def _at_time(model, other):
    """Compare the times per row, where both are known."""
    ratio = model["us_per_row"] / other["us_per_row"]
    if not ratio > 0:
        return ""
    if 0.95 < ratio < 1.05:
        return ", at the same time per row"
    word, ratio = ("slower", ratio) if ratio > 1 else ("faster", 1 / ratio)
    return f", {ratio:.{1 if ratio < 10 else 0}f} times {word} per row"


def _suspicion(model):
    """Say so where a model is right as often as on rows that it was fitted on."""
    if not model["accuracy"] > ALL_BUT_PERFECT:
        return ""
    return (
        f" It is right on {100 * model['accuracy']:.1f} % of these rows: make sure "
        "that it was not fitted on them."
    )


def _doubt(loss):
    """Say so where the model to ship may cost much accuracy."""
    if loss <= MUCH:
        return ""
    return (
        f" These rows do not rule out that it costs {100 * loss:.1f} points: measure "
        "on more of them."
    )
