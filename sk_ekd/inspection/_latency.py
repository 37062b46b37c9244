"""Draw accuracy against time."""

import numpy as np

from ._axes import (
    BLUE,
    GREY,
    ORANGE,
    VERMILION,
    fit_text,
    in_percent,
    prepare_axes,
    set_log_ticks,
    shorten,
)
from ._report import distillation_report

LOOKS = {
    "student": {"marker": "*", "s": 170, "color": VERMILION, "zorder": 5},
    "ensemble": {"marker": "D", "s": 45, "color": BLUE, "zorder": 4},
    "baseline": {"marker": "o", "s": 50, "color": ORANGE, "zorder": 3},
}
TEACHER_LOOKS = [
    {"marker": marker, "s": 36, "edgecolor": GREY, "facecolor": face}
    for face in (GREY, "white")
    for marker in "s^vPXd"
]


class LatencyDisplay:
    """Accuracy against time: what the student costs, and what its teachers do.

    Create it with :meth:`from_estimator` or :meth:`from_report`.

    Parameters
    ----------
    report : DataFrame
        A table like that of :func:`distillation_report`: its entry "student", those of
        ensemble, teachers and baseline where there are any, and the columns
        `accuracy` and `us_per_row`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        Their figure.
    scatter_ : dict of str to matplotlib PathCollection
        The point of each model whose time is known. More than twelve teachers share
        one look, and are named "teachers".
    line_ : matplotlib Line2D or None
        The accuracy of an ensemble whose time is not known.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_ekd.inspection import LatencyDisplay
    >>> report = pd.DataFrame(
    ...     {"accuracy": [0.8, 0.9, 0.9], "us_per_row": [20.0, 200.0, 5.0]},
    ...     index=["forest", "ensemble", "student"],
    ... )
    >>> display = LatencyDisplay.from_report(report)
    >>> list(display.scatter_)
    ['ensemble', 'student', 'forest']
    """

    def __init__(self, report):
        self.report = report

    @classmethod
    def from_estimator(
        cls, distiller, X, y, *, baseline=None, teacher_proba=None, ax=None
    ):
        """Measure the models, and draw them.

        Parameters
        ----------
        distiller : EnsembleDistiller
            A fitted distiller.
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            As in :func:`distillation_report`.
        y : array-like of shape (n_samples,)
            As in :func:`distillation_report`.
        baseline : classifier, default=None
            As in :func:`distillation_report`.
        teacher_proba : array of shape (n_samples, n_teachers, n_classes), default=None
            As in :func:`distillation_report`.
        ax : matplotlib Axes, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : LatencyDisplay
            The display, drawn. Its `report` holds all that was measured.
        """
        report = distillation_report(
            distiller, X, y, baseline=baseline, teacher_proba=teacher_proba
        )
        return cls(report).plot(ax=ax)

    @classmethod
    def from_report(cls, report, *, ax=None):
        """Draw what was measured already, or the mean of several reports.

        Parameters
        ----------
        report : DataFrame
            As in :class:`LatencyDisplay`.
        ax : matplotlib Axes, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : LatencyDisplay
            The display, drawn.
        """
        return cls(report).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw a point for each model.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. The legend is on the right of the axes, where a figure of
            ``layout="constrained"`` makes room for it. None makes a new figure.

        Returns
        -------
        display : LatencyDisplay
            The display itself.
        """
        report = self._check_report()
        self.ax_ = prepare_axes(self, ax)
        self.figure_ = self.ax_.figure
        self.scatter_, self.line_ = {}, None
        timed = report[report["us_per_row"].notna()]
        for name, (models, look) in self._groups(timed).items():
            self.scatter_[name] = self.ax_.scatter(
                models["us_per_row"], models["accuracy"], **look,
                label=name if len(models) == 1 else f"{len(models)} {name}",
            )  # fmt: skip
        if "ensemble" in report.index and "ensemble" not in timed.index:
            self.line_ = self.ax_.axhline(
                report.loc["ensemble", "accuracy"], color=BLUE, ls="--", lw=1,
                label="ensemble, not timed",
            )  # fmt: skip
        self._label()
        return self

    def _check_report(self):
        """Return the report, its most accurate entry first."""
        missing = {"accuracy", "us_per_row"} - set(self.report)
        missing |= {"student"} - set(self.report.index)
        if missing:
            raise ValueError(
                "`report` must have the columns 'accuracy' and 'us_per_row', and the "
                "entry 'student', as `distillation_report` returns it; missing: "
                f"{sorted(missing)}."
            )
        return self.report.sort_values("accuracy", ascending=False, kind="stable")

    def _groups(self, timed):
        """Return what each name in the legend stands for, and its look."""
        is_teacher = ~timed.index.isin(list(LOOKS))
        if is_teacher.sum() > len(TEACHER_LOOKS):
            others = timed[~is_teacher]
            groups = {name: (others.loc[[name]], LOOKS[name]) for name in others.index}
            return {**groups, "teachers": (timed[is_teacher], TEACHER_LOOKS[0])}
        looks = iter(TEACHER_LOOKS)
        return {
            name: (timed.loc[[name]], LOOKS.get(name) or next(looks))
            for name in timed.index
        }

    def _label(self):
        """Scale and label the axes, and write the legend beside them."""
        ax = self.ax_
        ax.set_xscale("log")
        ax.margins(0.1)
        ax.set_xlim(10 ** _widen(np.log10(ax.get_xlim()), 1.0))  # at least a decade
        ax.set_ylim(_widen(ax.get_ylim(), 0.02))
        set_log_ticks(ax.xaxis)
        ax.set_xlabel("time per row (µs)")
        ax.set_ylabel("accuracy")
        in_percent(ax.yaxis)
        ax.grid(alpha=0.25)
        handles, names = ax.get_legend_handles_labels()
        fontsize, most = fit_text(ax, len(names), share=0.45)
        ax.legend(
            handles, [shorten(name, most) for name in names], fontsize=fontsize,
            loc="upper left", bbox_to_anchor=(1, 1), frameon=False, borderaxespad=0,
            handlelength=1.5, handletextpad=0.5, labelspacing=0.3, markerscale=0.8,
        )  # fmt: skip


def _widen(limits, least):
    """Let the limits be so far apart, at least -> (2,)."""
    low, high = limits
    lack = max(0, least - (high - low)) / 2
    return np.array([low - lack, high + lack])
