"""Draw how accurate a student is on what is left, once the least sure rows are gone."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from .._data import as_rows, take_rows
from ._axes import BLACK, GREY, VERMILION, add_legend_above, in_percent, prepare_axes
from ._read import read_codes
from ._uncertainty import uncertainty

KEPT = np.linspace(1, 0.1, 91)  # shares of the rows, of which each is a point
LOOKS = {
    "student": {"color": VERMILION, "lw": 2, "label": "student (95% CI)", "zorder": 3},
    "ideal": {"color": BLACK, "lw": 1, "ls": ":", "label": "ideal"},
    "random": {"color": GREY, "lw": 1, "ls": "--", "label": "at random"},
}


class UncertaintyDisplay:
    """The accuracy of the rows that are kept, if the least sure ones are set aside.

    Create it with :meth:`from_estimator`. Read it as: hand this share of the rows to a
    human, and the student is this accurate on the others. The line at random is what
    rows drawn by chance would leave, the ideal one sets aside nothing but errors, as
    long as there are some. The closer the student is to it, the better it knows.

    Parameters
    ----------
    curve : DataFrame of shape (n_points, 6)
        One entry for each threshold, from the highest on: the `threshold` itself, the
        share of rows `set_aside` because their uncertainty is above it, the `accuracy`
        of the rows kept and its 95 % interval, from `accuracy_low` to `accuracy_high`,
        and the `ideal` accuracy at this share.
    kind : str, default="entropy"
        The kind of the uncertainty, as in :func:`uncertainty`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : dict of str to matplotlib Line2D
        The lines of "student", "random" and "ideal".
    band_ : matplotlib PolyCollection
        The interval of the student's.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_ekd.inspection import UncertaintyDisplay
    >>> curve = pd.DataFrame(
    ...     {
    ...         "threshold": [0.6, 0.3, 0.1],
    ...         "set_aside": [0.0, 0.25, 0.5],
    ...         "accuracy": [0.8, 0.9, 0.95],
    ...         "accuracy_low": [0.7, 0.8, 0.85],
    ...         "accuracy_high": [0.9, 0.95, 1.0],
    ...         "ideal": [0.8, 1.0, 1.0],
    ...     }
    ... )
    >>> display = UncertaintyDisplay(curve).plot()
    >>> display.lines_["student"].get_ydata()
    array([0.8 , 0.9 , 0.95])
    """

    def __init__(self, curve, *, kind="entropy"):
        self.curve = curve
        self.kind = kind

    @classmethod
    def from_estimator(cls, distiller, X, y, *, kind="entropy", ax=None):
        """Ask the student how sure it is of rows, and draw how often it is right.

        Parameters
        ----------
        distiller : EnsembleDistiller
            A fitted distiller. Its teachers are not asked.
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            Rows of the kind that `fit` saw, but not those that it saw.
        y : array-like of shape (n_samples,)
            Labels. Rows with an unknown label are left out.
        kind : {"entropy", "energy"}, default="entropy"
            What to sort by, as in :func:`uncertainty`.
        ax : matplotlib Axes, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : UncertaintyDisplay
            The display, drawn.
        """
        codes, labeled = read_codes(distiller, X, y)  # (n,), (n,)
        if not labeled.any():
            raise ValueError(
                "y has no labeled row to measure on: every label is unknown."
            )
        X = take_rows(as_rows(X), np.flatnonzero(labeled))
        unsure = uncertainty(distiller, X, kind=kind)  # (n,)
        right = distiller.predict_proba(X).argmax(axis=1) == codes[labeled]
        return cls(_trace(unsure, right), kind=kind).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the three lines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : UncertaintyDisplay
            The display itself.
        """
        curve = self.curve
        self.ax_ = prepare_axes(self, ax)
        self.figure_ = self.ax_.figure
        self.band_ = self.ax_.fill_between(
            curve["set_aside"], curve["accuracy_low"], curve["accuracy_high"],
            color=VERMILION, alpha=0.18, lw=0,
        )  # fmt: skip
        start = np.full(len(curve), curve["accuracy"].iloc[0])
        lines = {"student": curve["accuracy"], "ideal": curve["ideal"], "random": start}
        self.lines_ = {name: self._draw(y, **LOOKS[name]) for name, y in lines.items()}
        self._label()
        return self

    def _draw(self, accuracy, **look):
        """Draw one line over the share of rows set aside."""
        marker = "." if len(self.curve) < 10 else None  # one threshold has no line
        x = self.curve["set_aside"]
        return self.ax_.plot(x, accuracy, marker=marker, clip_on=False, **look)[0]

    def _label(self):
        """Write the legend and label the axes."""
        add_legend_above(self.ax_)
        self.ax_.set_xlim(0, max(0.1, self.curve["set_aside"].max()))
        self.ax_.set_ylim(top=1)
        self.ax_.set_xlabel(f"rows set aside, highest {self.kind} first")
        self.ax_.set_ylabel("accuracy of the rows kept")
        self.ax_.locator_params("y", nbins=6, steps=[1, 2, 5, 10])
        in_percent(self.ax_.xaxis)
        in_percent(self.ax_.yaxis)


def _trace(unsure, right):
    """Return what each threshold keeps, from the highest on -> DataFrame."""
    n_samples, n_right = len(right), int(right.sum())
    thresholds = np.unique(np.quantile(unsure, KEPT, method="inverted_cdf"))[::-1]
    n_kept = np.array([np.sum(unsure <= t) for t in thresholds])
    hits = np.array([np.sum(right[unsure <= t]) for t in thresholds])
    intervals = [
        binomtest(int(k), int(n)).proportion_ci(method="wilson")
        for k, n in zip(hits, n_kept, strict=True)
    ]
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "set_aside": 1 - n_kept / n_samples,
            "accuracy": hits / n_kept,
            "accuracy_low": [interval.low for interval in intervals],
            "accuracy_high": [interval.high for interval in intervals],
            "ideal": np.minimum(1, n_right / n_kept),
        }
    )
