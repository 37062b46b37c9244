"""Compare the neighboring systems with the default, on the same rows and teachers.

A unit is one of units.py: a set, a share of labeled rows and a seed, with raw tables
in. Its teachers are the six kinds of pools.py, which are cheaper than the eight of
quality.py. All methods that have teachers learn from the same predictions, labeled rows
out of fold; all students are the built-in one. The features of the hint are those of
one more teacher, a large network. Students without teachers have the same labels.

``python -m benchmarks.systems DATA --cache DIR`` computes what the results lack,
``--report`` prints a table of them. Groups are a matter of ``benchmarks.groups``, seeds
and self-distillation of ``benchmarks.seeds``.
"""

from benchmarks import harness, pools, units
from sk_ekd import EnsembleDistiller, OnlineDistiller
from sk_ekd.dynamic import AgreeToDisagree, LearnedGate
from sk_ekd.losses import Hint
from sk_ekd.students import layer_output

KEYS = units.KEYS
MEASURES = "accuracy", "log_loss"
BUDGETS = (0.1,)
REFERENCE, ALONE = "default", "one"
LAST_HIDDEN = "4"  # layer of the built-in student's module, after its activation
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

    def distill(self, features=None, **params):
        """Distill what the teachers predicted out of fold."""
        X, y, *_ = self.rows
        params = {"cv": 5, "random_state": self.seed, **params}
        distiller = EnsembleDistiller(None, self.student, **params)
        proba = self.predictions.out_of_fold
        return distiller.fit(X, y, teacher_proba=proba, teacher_features=features)

    def train(self, **params):
        """Train students without teachers."""
        X, y, *_ = self.rows
        distiller = OnlineDistiller(self.student, random_state=self.seed, **params)
        return distiller.fit(X, y)

    @property
    def student(self):
        """The built-in student, not fitted."""
        return units.make_student(self.rows.X, self.settings)


class Pool:
    """What the default distills, as a classifier of the test rows."""

    def __init__(self, unit):
        self.unit = unit

    def predict_proba(self, X):
        """Pool what the teachers predicted for the test rows."""
        return self.unit.pool.predict_proba(self.unit.predictions.test)


def distill_with_hint(unit):
    """Let the student's last hidden layer learn what that of a large network says."""
    X, y = unit.known
    large = units.on_table(X, units.LabelsOnly(units.make_large_net, unit.seed))
    large.fit(X, y)
    net = large[-1].distiller_
    features = layer_output(net, large[:-1].transform(unit.rows.X), LAST_HIDDEN)
    return unit.distill(features, hint=Hint(LAST_HIDDEN, strength=0.1))


METHODS = {
    "pool": Pool,
    "default": Unit.distill,
    "uniform": lambda unit: unit.distill(weighting="uniform"),
    "agree": lambda unit: unit.distill(weighting=AgreeToDisagree()),
    "gate": lambda unit: unit.distill(weighting=LearnedGate()),
    "gate_of_student": lambda unit: unit.distill(
        weighting=LearnedGate(trained_by="student")
    ),
    "hint": distill_with_hint,
    "one": lambda unit: unit.train(n_students=1),
    "independent": lambda unit: unit.train(alpha=0),
    "online": Unit.train,
    "online_trunk": lambda unit: unit.train(share="trunk"),
}
NAMES = {
    "pool": "the pool of the teachers, no student",
    "default": "the default",
    "uniform": 'weighting="uniform"',
    "agree": "AgreeToDisagree()",
    "gate": "LearnedGate()",
    "gate_of_student": 'LearnedGate(trained_by="student")',
    "hint": 'hint=Hint("4", strength=0.1)',
    "one": "one network, labels only",
    "independent": "OnlineDistiller(alpha=0), labels only",
    "online": "OnlineDistiller()",
    "online_trunk": 'OnlineDistiller(share="trunk")',
}


def measure(unit, method):
    """Fit, and measure on the test rows."""
    rows = unit.rows
    proba = method(unit).predict_proba(rows.X_test)
    values = units.measure_proba(proba, rows.y_test)
    return harness.rounded({name: values[name] for name in MEASURES})


def report(table, path):
    """Return tables of differences, to the default and to one network, in Markdown."""
    lines = [TITLE, ""]
    without = list(METHODS)[list(METHODS).index(ALONE) :]
    for budget, of_budget in table.groupby("budget"):
        done = of_budget.groupby(["set", "seed"]).ngroups
        lines += [f"{budget:.0%} labeled, {done} units:", ""]
        lines += compare_table(of_budget, list(METHODS), REFERENCE, NAMES)
        lines += ["Without teachers, against one network:", ""]
        lines += compare_table(of_budget, without, ALONE, NAMES)
    return "\n".join(lines)


def compare_table(table, methods, reference, names):
    """Return a Markdown table of methods and their differences to one -> lines."""
    means = table.groupby(["method", "set"])[list(MEASURES)].mean()
    means = means.groupby("method").mean()
    pairs = [(name, reference) for name in methods if name != reference]
    found = {
        measure: harness.compare(table, pairs, measure).set_index("method")
        for measure in MEASURES
    }
    heads = (
        "| method | accuracy, % | difference | p | +/- | log-loss | difference | p |"
    )
    lines = [heads, "|---" * 8 + "|"]
    for name in methods:
        if name not in means.index:
            continue
        cells = []
        for measure in MEASURES:
            mean = means.loc[name, measure]
            is_accuracy = measure == "accuracy"
            cells.append(f"{100 * mean:.1f}" if is_accuracy else f"{mean:.3f}")
            cells += _difference(found[measure], name, measure)
        lines.append(f"| {names[name]} | {' | '.join(cells)} |")
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
