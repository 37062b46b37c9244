"""Draw how a dynamic weighting shared the rows among the teachers, epoch by epoch."""

import numpy as np

from .._estimator import check_distiller
from ._axes import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    VERMILION,
    fit_text,
    in_percent,
    prepare_axes,
    shorten,
)

PREFIX = "share_"  # of the columns of `history_`
LOOKS = [
    {"color": color, "ls": style}
    for style in ("-", "--", ":")
    for color in (BLUE, ORANGE, VERMILION, BLACK, GREY)
]
GAP = 0.06  # of the height, between two names


class TeacherShareDisplay:
    """Each teacher's mean share in the mix of an epoch, under a dynamic weighting.

    Create it with :meth:`from_estimator`. The name of a teacher stands at the end of
    its line.

    Parameters
    ----------
    share : DataFrame of shape (n_epochs, n_teachers)
        Mean shares over the rows of an epoch; rows sum to one.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : dict of str to matplotlib Line2D
        The line of each teacher that is drawn, from the largest last share down.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_ekd.inspection import TeacherShareDisplay
    >>> share = pd.DataFrame({"forest": [0.5, 0.3], "svm": [0.5, 0.7]})
    >>> [*TeacherShareDisplay(share).plot().lines_]
    ['svm', 'forest']
    """

    def __init__(self, share):
        self.share = share

    @classmethod
    def from_estimator(cls, distiller, *, max_teachers=8, ax=None):
        """Draw how a distiller's dynamic weighting shared the rows.

        Parameters
        ----------
        distiller : EnsembleDistiller
            A distiller fitted with a weighting of ``sk_ekd.dynamic``.
        max_teachers : int, default=8
            As in :meth:`plot`.
        ax : matplotlib Axes, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : TeacherShareDisplay
            The display, drawn.
        """
        check_distiller(distiller)
        share = distiller.history_.filter(regex=f"^{PREFIX}")
        if not share.size:
            raise ValueError(
                "The distiller's `history_` has no shares: they are there after a fit "
                "with a dynamic weighting, such as those of sk_ekd.dynamic, and with "
                "alpha above 0. See TeacherWeightDisplay for the others."
            )
        share = share.rename(columns=lambda name: name.removeprefix(PREFIX))
        return cls(share).plot(max_teachers=max_teachers, ax=ax)

    def plot(self, *, max_teachers=8, ax=None):
        """Draw a line for each teacher.

        Parameters
        ----------
        max_teachers : int, default=8
            How many to draw, those of the largest shares in the last epoch.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : TeacherShareDisplay
            The display itself.
        """
        if max_teachers < 1:
            raise ValueError(f"`max_teachers` must be at least 1, got {max_teachers}.")
        self.ax_ = prepare_axes(self, ax)
        self.figure_ = self.ax_.figure
        order = self.share.iloc[-1].sort_values(ascending=False, kind="stable").index
        epoch = np.arange(1, len(self.share) + 1)
        marker = "." if len(self.share) < 10 else None  # one epoch has no line
        self.lines_ = {}
        for position, name in enumerate(order[:max_teachers]):
            look = LOOKS[position % len(LOOKS)]
            (line,) = self.ax_.plot(epoch, self.share[name], marker=marker, **look)
            self.lines_[name] = line
        self._label(epoch[-1])
        return self

    def _label(self, last):
        """Write the names beside the ends of the lines, and label the axes."""
        self.ax_.set_ylim(0, None)
        self.ax_.margins(x=0.01)
        low, high = self.ax_.get_ylim()
        ends = np.array([line.get_ydata()[-1] for line in self.lines_.values()])
        fontsize, most = fit_text(self.ax_, 12, share=0.25)
        heights = spread((ends - low) / (high - low), GAP)
        lines = zip(self.lines_.items(), heights, strict=True)
        for (name, line), height in lines:
            self.ax_.annotate(
                shorten(name, most), (1.02, height), xycoords="axes fraction",
                va="center", fontsize=fontsize, color=line.get_color(),
                annotation_clip=False,
            )  # fmt: skip
        in_percent(self.ax_.yaxis)
        self.ax_.set_ylabel("share of the teachers' mix")
        self.ax_.set_xlabel("epoch")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)


def spread(heights, gap):
    """Move falling heights apart, so that names do not overlap -> (k,).

    Examples
    --------
    >>> spread([0.9, 0.5, 0.5], 0.1).round(2)
    array([0.9, 0.5, 0.4])
    >>> spread([0.1, 0.05, 0.0], 0.1).round(2)
    array([0.2, 0.1, 0. ])
    """
    heights = np.array(heights, dtype=float)
    for i in range(1, len(heights)):
        heights[i] = min(heights[i], heights[i - 1] - gap)
    heights[-1] = max(heights[-1], 0.0)
    for i in range(len(heights) - 2, -1, -1):
        heights[i] = max(heights[i], heights[i + 1] + gap)
    return heights
