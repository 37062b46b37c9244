"""Compare the neighboring systems with the default, on the same rows and teachers.

A unit is one of units.py: a set, a share of labeled rows and a seed, with raw tables
in. Its teachers are the six kinds of pools.py, which are cheaper than the eight of
quality.py. All methods that have teachers learn from the same predictions, labeled rows
out of fold; all students are the built-in one.

``python -m benchmarks.systems DATA --cache DIR`` computes what the results lack,
``--report`` prints a table of them. Groups are a matter of ``benchmarks.groups``, seeds
and self-distillation of ``benchmarks.seeds``.
"""

from benchmarks import harness, pools, units
from sk_ekd import EnsembleDistiller
from sk_ekd.dynamic import AgreeToDisagree, LearnedGate

KEYS = units.KEYS
MEASURES = "accuracy", "log_loss"
BUDGETS = (0.1,)
REFERENCE = "default"
TITLE = (
    "Difference to the default, mean over sets [95 % bootstrap interval over sets, and "
    "seeds within them]; p: Wilcoxon's signed-rank test over sets, Holm's correction "
    "over the methods; sets on which the mean is higher and lower."
)


class Unit(units.Unit):
    """A unit with the six teachers of pools.py."""

    def make_teachers(self, X):
        """Return the teachers, each with the student's preprocessing before it."""
        teachers = pools.make_teachers(self.seed)
        return {name: units.on_table(X, teacher) for name, teacher in teachers}

    def distill(self, **params):
        """Distill what the teachers predicted out of fold."""
        X, y, *_ = self.rows
        student = units.make_student(X, self.settings)
        params = {"cv": 5, "random_state": self.seed, **params}
        distiller = EnsembleDistiller(None, student, **params)
        return distiller.fit(X, y, teacher_proba=self.predictions.out_of_fold)


class Pool:
    """What the default distills, as a classifier of the test rows."""

    def __init__(self, unit):
        self.unit = unit

    def predict_proba(self, X):
        """Pool what the teachers predicted for the test rows."""
        return self.unit.pool.predict_proba(self.unit.predictions.test)


METHODS = {
    "pool": Pool,
    "default": Unit.distill,
    "uniform": lambda unit: unit.distill(weighting="uniform"),
    "agree": lambda unit: unit.distill(weighting=AgreeToDisagree()),
    "gate": lambda unit: unit.distill(weighting=LearnedGate()),
    "gate_of_student": lambda unit: unit.distill(
        weighting=LearnedGate(trained_by="student")
    ),
}
NAMES = {
    "pool": "the pool of the teachers, no student",
    "default": "the default",
    "uniform": 'weighting="uniform"',
    "agree": "AgreeToDisagree()",
    "gate": "LearnedGate()",
    "gate_of_student": 'LearnedGate(trained_by="student")',
}


def measure(unit, method):
    """Fit, and measure on the test rows."""
    rows = unit.rows
    proba = method(unit).predict_proba(rows.X_test)
    values = units.measure_proba(proba, rows.y_test)
    return harness.rounded({name: values[name] for name in MEASURES})


def report(table, path):
    """Return a table of differences to the default, in Markdown."""
    lines = [TITLE, ""]
    for budget, of_budget in table.groupby("budget"):
        done = of_budget.groupby(["set", "seed"]).ngroups
        lines += [f"{budget:.0%} labeled, {done} units:", ""]
        lines += _table(of_budget)
    return "\n".join(lines)


def _table(table):
    means = table.groupby(["method", "set"])[list(MEASURES)].mean()
    means = means.groupby("method").mean()
    pairs = [(name, REFERENCE) for name in METHODS if name != REFERENCE]
    found = {
        measure: harness.compare(table, pairs, measure).set_index("method")
        for measure in MEASURES
    }
    heads = (
        "| method | accuracy, % | difference | p | +/- | log-loss | difference | p |"
    )
    lines = [heads, "|---" * 8 + "|"]
    for name in METHODS:
        if name not in means.index:
            continue
        cells = []
        for measure in MEASURES:
            mean = 100 * means.loc[name, measure]
            cells.append(
                f"{mean:.1f}" if measure == "accuracy" else f"{mean / 100:.3f}"
            )
            cells += _difference(found[measure], name, measure)
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    return [*lines, ""]


def _difference(found, name, measure):
    """Return the cells of a comparison: a difference, its p, the sets of each sign."""
    is_accuracy = measure == "accuracy"
    if name not in found.index:
        return [""] * (3 if is_accuracy else 2)
    line = found.loc[name]
    scale, digits = (100, 2) if is_accuracy else (1, 3)
    values = [scale * line[key] for key in ("difference", "low", "high")]
    shown = "{:+.{d}f} [{:+.{d}f}, {:+.{d}f}]".format(*values, d=digits)
    sets_ = [f"{line['higher']}/{line['lower']}"] if is_accuracy else []
    return [shown, f"{line['p_holm']:.3f}", *sets_]


BENCHMARK = harness.Benchmark(
    name="systems",
    keys=KEYS,
    columns=MEASURES,
    methods=METHODS,
    unit=Unit,
    measure=measure,
    report=report,
    budgets=BUDGETS,
)

if __name__ == "__main__":
    harness.main(BENCHMARK, __doc__)
