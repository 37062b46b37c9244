"""Draw how the teachers were weighted."""

import numpy as np

from .._estimator import check_distiller, check_has_teachers
from ._axes import BLUE, VERMILION, fit_text, in_percent, prepare_axes, shorten

QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]


class TeacherWeightDisplay:
    """Each teacher's share of the weights of the labeled rows.

    Create it with :meth:`from_estimator`. A box holds the middle half of the rows, its
    whiskers hold nine in ten, and the point is the median.

    Parameters
    ----------
    share : DataFrame of shape (n_labeled, n_teachers)
        Each teacher's share of the weight of each row; rows sum to one.
    accuracy : Series of shape (n_teachers,)
        The teachers' accuracy on the labeled rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        Their figure.
    quantiles_ : DataFrame of shape (n_shown, 5)
        What is drawn, from the highest to the lowest median.
    bars_ : matplotlib BarContainer
        The boxes.
    whiskers_ : matplotlib LineCollection
        The whiskers.
    scatter_ : matplotlib PathCollection
        The medians.
    line_ : matplotlib Line2D
        The even share.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_ekd.inspection import TeacherWeightDisplay
    >>> share = pd.DataFrame({"forest": [0.5, 0.25, 0.25], "svm": [0.5, 0.75, 0.75]})
    >>> accuracy = pd.Series({"forest": 0.8, "svm": 0.9})
    >>> TeacherWeightDisplay(share, accuracy).plot().quantiles_[0.5]
    svm       0.75
    forest    0.25
    Name: 0.5, dtype: float64
    """

    def __init__(self, share, accuracy):
        self.share = share
        self.accuracy = accuracy

    @classmethod
    def from_estimator(cls, distiller, *, max_teachers=12, ax=None):
        """Draw how a distiller weighted its teachers.

        Parameters
        ----------
        distiller : EnsembleDistiller
            A fitted distiller. Labeled rows of weight zero are left out.
        max_teachers : int, default=12
            As in :meth:`plot`.
        ax : matplotlib Axes, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : TeacherWeightDisplay
            The display, drawn.
        """
        check_distiller(distiller)
        check_has_teachers(distiller)
        weight = distiller.teacher_weight_.astype(np.float64)
        total = weight.sum(axis=1)
        if not total.any():
            raise ValueError(
                "The distiller was fitted on no labeled row with a weight: its "
                f"`teacher_weight_` has shape {weight.shape}, and no value above zero."
            )
        share = weight[total > 0].div(total[total > 0], axis=0)
        display = cls(share, distiller.teacher_accuracy_)
        return display.plot(max_teachers=max_teachers, ax=ax)

    def plot(self, *, max_teachers=12, ax=None):
        """Draw the boxes, the highest median on top.

        Parameters
        ----------
        max_teachers : int, default=12
            Where there are more, those with the highest and lowest medians are shown.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : TeacherWeightDisplay
            The display itself.
        """
        self.ax_ = prepare_axes(self, ax)
        self.figure_ = self.ax_.figure
        quantiles = self.share.quantile(QUANTILES).T
        quantiles = quantiles.sort_values(0.5, ascending=False, kind="stable")
        hidden = max(0, len(quantiles) - max_teachers)
        n_top = (len(quantiles) - hidden + 1) // 2
        shown = np.r_[:n_top, n_top + hidden : len(quantiles)]
        self.quantiles_ = quantiles.iloc[shown]
        y = np.arange(len(shown), dtype=float)
        y[n_top:] += hidden > 0  # one place says how many are left out
        self._draw_boxes(y)
        self._draw_even_share()
        self._label(y, n_top, hidden)
        return self

    def _draw_boxes(self, y):
        """Draw a box, its whiskers and its median at each height."""
        low, first, median, third, high = self.quantiles_.to_numpy().T
        self.whiskers_ = self.ax_.hlines(y, low, high, color=BLUE, lw=1)
        self.bars_ = self.ax_.barh(
            y,
            third - first,
            left=first,
            height=0.6 * min(1, len(y) / 4),
            facecolor="#B3D4E8",
            edgecolor=BLUE,
        )
        self.scatter_ = self.ax_.scatter(median, y, s=14, color=BLUE, zorder=3)

    def _draw_even_share(self):
        """Draw the share that each teacher would have if all were weighted alike."""
        even = 1 / self.share.shape[1]
        self.line_ = self.ax_.axvline(even, color=VERMILION, ls="--", lw=1)
        self.ax_.annotate(
            f"even share, 1/{self.share.shape[1]}", (even, 1), (0, 2),
            xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="center", va="bottom", color=VERMILION, fontsize="small",
        )  # fmt: skip

    def _label(self, y, n_top, hidden):
        """Label the boxes with names and accuracies, and the axes."""
        fontsize, most = fit_text(self.ax_, len(y) + (hidden > 0), share=0.6)
        labels = [self._describe(name, most) for name in self.quantiles_.index]
        if hidden:
            y, labels = [*y, n_top], [*labels, f"{hidden} in between"]
        self.ax_.set_yticks(y, labels, fontsize=fontsize)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_ylim(max(y) + 0.6, -0.6)
        self.ax_.set_xlim(left=0)
        self.ax_.set_xlabel("share of row weight")
        self.ax_.set_ylabel("teacher (accuracy)")
        in_percent(self.ax_.xaxis)

    def _describe(self, name, most):
        """Return a teacher's name, and its accuracy if it predicts a labeled row."""
        shown, accuracy = shorten(name, most - 6), self.accuracy[name]
        return shown if np.isnan(accuracy) else f"{shown} ({accuracy:.0%})"
