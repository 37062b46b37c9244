"""Draw how the student was trained."""

import numpy as np

from .._estimator import check_distiller
from ._axes import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    add_legend_above,
    in_percent,
    prepare_axes,
    set_log_ticks,
    split_off_below,
)

LOSSES = {  # on the training rows: name in the legend, look
    "train_loss": ("loss", {"color": BLACK, "lw": 2}),
    "label_loss": ("label term", {"color": ORANGE}),
    "distillation_loss": ("distillation term", {"color": BLUE}),
}


class TrainingDisplay:
    """The loss and its two terms, epoch by epoch.

    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    history : DataFrame
        One entry per epoch, like the distiller's `history_`. The columns are
        `train_loss`, `label_loss` and `distillation_loss`, and where there are
        validation rows also `valid_loss`, `valid_label_loss`,
        `valid_distillation_loss` and `valid_acc`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The losses.
    accuracy_ax_ : matplotlib Axes or None
        The panel below, where there is an accuracy on validation rows.
    figure_ : matplotlib Figure
        The figure of both.
    lines_ : dict of str to matplotlib Line2D
        The line of each column that is drawn. A term that is zero throughout is left
        out, and so is the loss then, since it equals the other term.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_ekd.inspection import TrainingDisplay
    >>> columns = ["train_loss", "label_loss", "distillation_loss"]
    >>> history = pd.DataFrame([[1.5, 0.5, 1.0], [0.6, 0.2, 0.4]], columns=columns)
    >>> display = TrainingDisplay(history).plot()
    >>> display.lines_["label_loss"].get_ydata()
    array([0.5, 0.2])
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, distiller, *, ax=None):
        """Draw how a distiller's student was trained.

        Parameters
        ----------
        distiller : EnsembleDistiller
            A fitted distiller.
        ax : matplotlib Axes, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : TrainingDisplay
            The display, drawn.
        """
        check_distiller(distiller)
        return cls(distiller.history_).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the curves. Those of validation rows are dashed.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. The axes are split in two if there is an accuracy to show.
            None makes a new figure.

        Returns
        -------
        display : TrainingDisplay
            The display itself.
        """
        history = self.history
        if not len(history) or "train_loss" not in history:
            raise ValueError(
                "`history` must have one entry per epoch and a column 'train_loss', "
                f"got {len(history)} entries with columns {list(history)}. (A student "
                "that is no network has no epochs to draw.)"
            )
        self.ax_ = prepare_axes(self, ax)
        self.figure_ = self.ax_.figure
        self.lines_, self.accuracy_ax_ = {}, None
        for column in self._drawn():
            name, look = LOSSES[column]
            self._draw(self.ax_, column, **look, label=name)
            validation = f"valid_{column.removeprefix('train_')}"
            if validation in history:
                self._draw(self.ax_, validation, **look, ls="--")
        if "valid_acc" in history:
            self.accuracy_ax_ = split_off_below(self.ax_)
            self._draw(self.accuracy_ax_, "valid_acc", color=BLACK, ls="--")
            self.accuracy_ax_.set_ylabel("accuracy")
            in_percent(self.accuracy_ax_.yaxis)
        self._label()
        return self

    def _drawn(self):
        """Return the columns to draw of those on the training rows."""
        terms = [
            term
            for term in ("label_loss", "distillation_loss")
            if term in self.history and self.history[term].any()
        ]
        return terms if len(terms) == 1 else ["train_loss", *terms]

    def _draw(self, ax, column, **look):
        """Draw one column over the epochs."""
        epoch = self.history.get("epoch", np.arange(1, len(self.history) + 1))
        marker = "." if len(self.history) < 10 else None  # one epoch has no line
        (line,) = ax.plot(epoch, self.history[column], marker=marker, **look)
        self.lines_[column] = line

    def _label(self):
        """Write the legend and label the axes."""
        if any(column.startswith("valid_") for column in self.lines_):
            self.ax_.plot([], [], color=GREY, ls="--", label="validation")
        add_legend_above(self.ax_)
        self.ax_.set_ylabel("loss")
        self.ax_.set_yscale("log", nonpositive="mask")  # it falls by a decade, and more
        set_log_ticks(self.ax_.yaxis)
        lowest = self.accuracy_ax_ or self.ax_
        lowest.set_xlabel("epoch")
        lowest.xaxis.get_major_locator().set_params(integer=True)
