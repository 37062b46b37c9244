"""Draw where the teachers disagree, and where the student errs."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ..weighting import disagreement
from ._axes import (
    BLUE,
    VERMILION,
    add_legend_above,
    in_percent,
    prepare_axes,
    split_off_below,
)
from ._read import (
    ensemble_proba,
    read_codes,
    read_teacher_proba,
    teacher_names,
    teachers_proba,
)


class DisagreementDisplay:
    """How much the teachers disagree, and how often the student errs where they do.

    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    disagreement : ndarray of shape (n_shown,)
        :func:`sk_ekd.weighting.disagreement` of the rows in the histogram, in nats.
    error_rate : DataFrame of shape (n_bins, 6)
        One entry for each bin of labeled rows: their median `disagreement`, their
        number `n_samples`, the shares of them that `student` and `ensemble` get wrong,
        and the 95 % interval of the student's, from `student_low` to `student_high`.
        It is empty where no row is labeled.
    rows : str, default="rows"
        What the histogram counts, as its axis is labeled.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The error rates, or the histogram where there are none.
    histogram_ax_ : matplotlib Axes
        The histogram.
    figure_ : matplotlib Figure
        The figure of both.
    bars_ : matplotlib BarContainer
        The histogram.
    errorbar_ : matplotlib ErrorbarContainer or None
        The student's error rates.
    line_ : matplotlib Line2D or None
        The ensemble's error rates.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sk_ekd.inspection import DisagreementDisplay
    >>> columns = ["disagreement", "student", "student_low", "student_high", "ensemble"]
    >>> bins = [[0.1, 0.1, 0.0, 0.3, 0.0], [0.5, 0.3, 0.1, 0.5, 0.2]]
    >>> error_rate = pd.DataFrame(bins, columns=columns)
    >>> display = DisagreementDisplay(np.array([0.0, 0.1, 0.5]), error_rate).plot()
    >>> display.line_.get_ydata()
    array([0. , 0.2])
    """

    def __init__(self, disagreement, error_rate, *, rows="rows"):
        self.disagreement = disagreement
        self.error_rate = error_rate
        self.rows = rows

    @classmethod
    def from_estimator(cls, distiller, X, y, *, teacher_proba=None, n_bins=10, ax=None):
        """Query the teachers and the student, and draw disagreement and errors.

        Parameters
        ----------
        distiller : EnsembleDistiller
            A fitted distiller of at least two teachers.
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            Rows of the kind that `fit` saw. Errors on rows that the teachers were
            fitted on say little. Those that no teacher predicts are left out.
        y : array-like of shape (n_samples,)
            Labels, of which some or all may be unknown. The histogram is that of the
            unlabeled rows, or of all rows where all are labeled.
        teacher_proba : array of shape (n_samples, n_teachers, n_classes), default=None
            The teachers' predictions for `X`, where the teachers cannot be queried
            here.
        n_bins : int, default=10
            Number of bins of labeled rows, as equal in size as ties allow.
        ax : matplotlib Axes, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : DisagreementDisplay
            The display, drawn.
        """
        codes, labeled = read_codes(distiller, X, y)  # (n,), (n,)
        if len(teacher_names(distiller)) < 2:
            raise ValueError("Disagreement needs two teachers, the distiller has one.")
        if teacher_proba is not None:
            teacher_proba = read_teacher_proba(distiller, X, teacher_proba)
        proba = teachers_proba(distiller, X, teacher_proba)  # (n, t, c)
        student = distiller.predict_proba(X).argmax(axis=1)  # (n,)
        ensemble = ensemble_proba(distiller, proba).argmax(axis=1)  # (n,)
        table = pd.DataFrame(
            {
                "disagreement": disagreement(proba.astype(np.float64)),
                "student": student != codes,
                "ensemble": ensemble != codes,
            }
        )
        known = proba.any(axis=(1, 2))  # by some teacher
        table, labeled = table[known], labeled[known]
        shown, rows = table, "rows"
        if not labeled.all():
            shown, rows = table[~labeled], "unlabeled rows"
        nats, error_rate = shown["disagreement"], _error_rate(table[labeled], n_bins)
        return cls(nats.to_numpy(), error_rate, rows=rows).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the error rates, and the histogram below them.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. The axes are split in two where there are error rates. None
            makes a new figure.

        Returns
        -------
        display : DisagreementDisplay
            The display itself.
        """
        self.ax_ = self.histogram_ax_ = prepare_axes(self, ax)
        self.figure_ = self.ax_.figure
        self.errorbar_ = self.line_ = None
        if len(self.error_rate):
            self.histogram_ax_ = split_off_below(self.ax_)
            self._draw_error_rate()
        self._draw_histogram()
        self.histogram_ax_.set_ylabel(self.rows.replace(" ", "\n"))
        self.histogram_ax_.set_xlabel("teachers' disagreement (nats)")
        self.figure_.align_ylabels([self.ax_, self.histogram_ax_])
        return self

    def _draw_histogram(self):
        """Count the rows by their disagreement."""
        # a square root leaves room to the many rows of little disagreement; squared
        # edges make the bars equally wide on it
        low, high = self.disagreement.min(), self.disagreement.max()
        if low == high:
            low, high = 0.0, high or 1.0
        edges = np.linspace(np.sqrt(low), np.sqrt(high), 26) ** 2
        edges[[0, -1]] = low, high  # squares of roots may leave the last row out
        ax = self.histogram_ax_
        _, _, self.bars_ = ax.hist(
            self.disagreement, edges, color="#BBBBBB", edgecolor="white", lw=0.5
        )
        ax.set_xscale(
            "function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square)
        )
        ax.set_xlim(left=0.95 * min([low, *self.error_rate.get("disagreement", [])]))
        _set_sqrt_ticks(ax.xaxis)

    def _draw_error_rate(self):
        """Draw how often student and ensemble are wrong in each bin."""
        rate = self.error_rate
        nats, student = rate["disagreement"], rate["student"]
        below, above = student - rate["student_low"], rate["student_high"] - student
        self.errorbar_ = self.ax_.errorbar(
            nats, student, [below, above], color=VERMILION, marker="*", ms=9, lw=1,
            elinewidth=1, capsize=2, label="student (95% CI)", clip_on=False,
        )  # fmt: skip
        (self.line_,) = self.ax_.plot(
            nats, rate["ensemble"], color=BLUE, marker="D", ms=8, mfc="none", lw=1,
            ls="--", label="ensemble", clip_on=False, zorder=3,
        )  # fmt: skip
        add_legend_above(self.ax_, handles=[self.errorbar_, self.line_])
        self.ax_.set_ylabel("error rate")
        self.ax_.set_ylim(bottom=0)
        in_percent(self.ax_.yaxis)


def _error_rate(rows, n_bins):
    """Return the error rates by bins of disagreement, as equal as ties allow."""
    nats = rows["disagreement"].to_numpy()
    rank = np.sort(nats).searchsorted(nats)  # of ties that of the first: one bin
    bins = rows.groupby(rank * n_bins // max(len(rows), 1))
    table = bins.mean()
    table["disagreement"] = bins["disagreement"].median()
    table["n_samples"] = bins.size()
    intervals = [
        binomtest(n_wrong, n_samples).proportion_ci(method="wilson")
        for n_wrong, n_samples in zip(bins["student"].sum(), bins.size(), strict=True)
    ]
    table["student_low"] = [interval.low for interval in intervals]
    table["student_high"] = [interval.high for interval in intervals]
    return table.reset_index(drop=True)


def _set_sqrt_ticks(axis):
    """Label a square root axis: where it starts near zero, in steps that grow."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator

    low, high = axis.get_view_interval()
    locator = MaxNLocator(5)
    if high > 10 * low:
        ticks = LogLocator(subs=(1, 2, 5)).tick_values(high / 20, high)
        locator = FixedLocator(ticks[ticks > high / 20])
    axis.set_major_locator(locator)
    axis.set_major_formatter("{x:g}")
