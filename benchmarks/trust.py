"""Ask which score tells the rows on which a student should not be trusted.

Texts: the unit is clinc150 as in deep.py, but with its texts of no known intent, 1,000
of them, beside the test part. They are to be told from the others, which is measured by
the area under the ROC curve. Students are a perceptron on TF-IDF and a mean of
embeddings. Tables: the unit is one of units.py, the student is the built-in one. Rows
that the student gets wrong are to be told from the others; the area under the curve of
the error rate of the rows that are kept, over all shares of rows, is the mean error
rate if one sets aside the least sure rows.

What a student says of a row costs nothing besides its prediction; the teachers'
disagreement and the entropy of their pool need all teachers.

``python -m benchmarks.trust DATA`` runs what the results lack, texts first;
``--report`` makes the tables, ``--quick`` takes a few minutes.
"""

import sys
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from scipy.special import entr
from sklearn.metrics import roc_auc_score

from benchmarks import deep, units
from benchmarks.harness import (
    Benchmark,
    compare,
    read,
    read_options,
    results_path,
    rounded,
    run_options,
    show_differences,
)
from benchmarks.quality import distill
from sk_ekd.inspection import uncertainty
from sk_ekd.weighting import disagreement

TABLES_ASKED = "adult", "dry_bean", "german_credit", "optdigits", "wine_quality"
NOWHERE = -1  # the code of texts of no known intent


# --- Units ----------------------------------------------------------------------------


class TextUnit(deep.TextUnit):
    """clinc150, and beside its test texts those of no known intent."""

    @cached_property
    def data(self):
        """Read and draw -> texts, labels or -1, test texts, test labels or NOWHERE."""
        X, y, X_test, y_test = super().data
        path = f"{self.settings.data_dir}/{self.name}/{self.name}.parquet"
        frame = pd.read_parquet(path)
        strange = frame.loc[frame["split"] == "oos_test", "text"].tolist()
        y_test = np.append(y_test, np.full(len(strange), NOWHERE))
        return X, y, [*X_test, *strange], y_test

    @cached_property
    def perceptron(self):
        """A student that reads TF-IDF."""
        return self.distill(deep.make_tfidf(self.epochs(deep.TFIDF)))

    @cached_property
    def bag(self):
        """A student that reads token ids."""
        return self.distill(deep.make_bag(self.epochs(deep.BAG)))

    @property
    def X_test(self):
        """The texts to sort."""
        return self.data[2]

    @property
    def test_proba(self):
        """What the teachers predict for them -> (m, t, c)."""
        return self.proba[1]

    @property
    def pool(self):
        """The pool of the teachers that the students learned from."""
        return self.perceptron.pool_

    @property
    def bad(self):
        """Which texts no class fits -> (m,)."""
        return self.data[3] == NOWHERE


@dataclass
class TableUnit(units.Unit):
    """A table, and which of its test rows the student gets wrong."""

    @cached_property
    def student(self):
        """The student as it ships."""
        return distill(self)

    @property
    def X_test(self):
        """The rows to sort."""
        return self.rows.X_test

    @property
    def test_proba(self):
        """What the teachers predict for them -> (m, t, c)."""
        return self.predictions.test

    @cached_property
    def bad(self):
        """Which rows the student gets wrong -> (m,)."""
        return self.student.predict(self.X_test) != self.rows.y_test


# --- Scores: a unit -> (m,), higher where a row is less to be trusted -----------------


def ask_student(name, kind, unit):
    """Measure how unsure a student is."""
    return uncertainty(getattr(unit, name), unit.X_test, kind=kind)


def doubt_class(name, unit):
    """Take the student's highest probability, the usual baseline."""
    return -getattr(unit, name).predict_proba(unit.X_test).max(axis=1)


def ask_teachers(unit):
    """Measure how much the teachers disagree."""
    return disagreement(np.float64(unit.test_proba))


def ask_pool(unit):
    """Measure how unsure the pool of the teachers is."""
    return entr(unit.pool.predict_proba(unit.test_proba)).sum(axis=1)


def scores_of(student):
    """Return the scores that a student has by itself -> dict."""
    return {
        "entropy": partial(ask_student, student, "entropy"),
        "energy": partial(ask_student, student, "energy"),
        "highest probability": partial(doubt_class, student),
    }


OF_TEACHERS = {"disagreement of teachers": ask_teachers, "entropy of pool": ask_pool}
NAMES = {"perceptron": "TF-IDF + MLP", "bag": "bag"}
TEXT_METHODS = {
    f"{NAMES[student]}, {name}": score
    for student in NAMES
    for name, score in scores_of(student).items()
} | OF_TEACHERS
TABLE_METHODS = {
    **scores_of("student"),
    **OF_TEACHERS,
    "at random": lambda unit: np.zeros(len(unit.bad)),
    "ideal": lambda unit: unit.bad,
}


# --- Measures -------------------------------------------------------------------------


def measure_text(unit, score):
    """Measure how well a score tells texts of no known intent from the others."""
    return rounded({"auroc": roc_auc_score(unit.bad, score(unit))})


def measure_table(unit, score):
    """Measure how well a score tells the rows that the student gets wrong."""
    bad, unsure = unit.bad, score(unit)
    measures = {
        "error": bad.mean(),
        "kept_error": risk_area(bad, unsure),
        "auroc": roc_auc_score(bad, unsure),
    }
    return rounded(measures)


def risk_area(bad, unsure):
    """Return the mean error rate of the k surest rows, over k = 1 to m.

    >>> bad = np.array([False, False, True, True])
    >>> rates = [0, 0, 1 / 3, 1 / 2]  # of 1, 2, 3 and 4 rows
    >>> bool(np.isclose(risk_area(bad, np.array([0.1, 0.2, 0.3, 0.4])), np.mean(rates)))
    True
    >>> risk_area(bad, unsure=np.zeros(4))  # rows that it does not tell apart
    0.5
    """
    rate = pd.Series(bad, dtype=float).groupby(unsure).transform("mean").to_numpy()
    rate = rate[np.argsort(unsure, kind="stable")]
    return float((np.cumsum(rate) / np.arange(1, len(rate) + 1)).mean())


# --- Report ---------------------------------------------------------------------------


def report(table, path, *, measure, references):
    """Write means over seeds by set, and paired differences -> the text."""
    table = table.rename(columns={"labeled": "budget"})
    table["set"] = table["set"] + ", " + table["budget"].map("{:g}".format)
    order = table["method"].drop_duplicates()
    mean = table.groupby(["method", "set"])[measure].mean().unstack()
    shown = (100 * mean).loc[order].map("{:.1f}".format)
    lines = [f"{path}, {table['seed'].nunique()} seeds: {measure}, times 100\n"]
    lines.append(shown.to_markdown(disable_numparse=True))
    for reference in references:
        pairs = [(name, reference) for name in order if name != reference]
        found = compare(table, pairs, measure)
        found.insert(2, "difference x100", show_differences(found, scale=100))
        kept = ["method", "against", "difference x100", "higher", "lower", "sets"]
        lines.append("\n" + found[[*kept, "pairs"]].to_markdown(index=False))
    return "\n".join(lines)


TEXTS = Benchmark(
    name="trust_texts",
    keys=deep.KEYS,
    columns=("auroc",),
    methods=TEXT_METHODS,
    unit=TextUnit,
    measure=measure_text,
    report=partial(
        report,
        measure="auroc",
        references=["entropy of pool", "disagreement of teachers"],
    ),
    sets=("clinc150",),
    budgets=(20,),
)
TABLES = Benchmark(
    name="trust_tables",
    keys=units.KEYS,
    columns=("error", "kept_error", "auroc"),
    methods=TABLE_METHODS,
    unit=TableUnit,
    measure=measure_table,
    report=partial(
        report,
        measure="kept_error",
        references=["entropy", "disagreement of teachers"],
    ),
    sets=TABLES_ASKED,
    budgets=(0.1,),
)


def main(args=None):
    """Run or report on the texts, then on the tables."""
    failed = 0
    for benchmark in (TEXTS, TABLES):
        options = read_options(benchmark, __doc__, args)
        if options.sets and not set(options.sets) <= set(benchmark.sets):
            continue  # it is the other that is asked for
        if options.quick:
            options.sets, options.budgets = benchmark.sets[:1], benchmark.budgets[-1:]
            options.seeds = 1
        path = results_path(benchmark, options)
        if not options.report:
            failed += run_options(benchmark, path, options)
        print(benchmark.report(read(path), path), flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    from benchmarks import trust  # by its name, as in quality.py

    trust.main()
