"""Draw a fitted distiller, in the style of scikit-learn's Displays."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ._report import (
    check_distiller,
    distillation_report,
    read_codes,
    read_teacher_proba,
    teachers_proba,
)
from .weighting import disagreement

# Okabe and Ito's colors, which any color vision tells apart; shapes differ besides
BLACK, GREY, ORANGE, BLUE, VERMILION = (
    "#000000", "#7F7F7F", "#E69F00", "#0072B2", "#D55E00",
)  # fmt: skip

# --- Training -------------------------------------------------------------------------

LOSSES = {  # of the training rows: name in the legend, look
    "train_loss": ("loss", {"color": BLACK, "lw": 2}),
    "label_loss": ("label term", {"color": ORANGE}),
    "distillation_loss": ("distillation term", {"color": BLUE}),
}


class TrainingDisplay:
    """The loss and its two terms, epoch by epoch.

    Make it by :meth:`from_estimator`.

    Parameters
    ----------
    history : DataFrame
        One row an epoch, like the distiller's `history_`: `train_loss`, `label_loss`
        and `distillation_loss`, and where there are validation rows `valid_loss`,
        `valid_label_loss`, `valid_distillation_loss` and `valid_acc`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The losses.
    accuracy_ax_ : matplotlib Axes or None
        The panel below, where there is an accuracy on validation rows.
    figure_ : matplotlib Figure
        The figure of both.
    lines_ : dict of str to matplotlib Line2D
        The line of each column that is drawn. A term that is zero throughout is not,
        nor then the loss, which equals the other term.

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
        """Draw the curves; those of validation rows are dashed.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; split in two if there is an accuracy to show. None makes a
            new figure.

        Returns
        -------
        display : TrainingDisplay
            The display itself.
        """
        history = self.history
        if not len(history) or "train_loss" not in history:
            raise ValueError(
                "`history` must have one row an epoch and a column 'train_loss', got "
                f"{len(history)} rows with columns {list(history)}."
            )
        self.ax_ = _axes(self, ax)
        self.figure_ = self.ax_.figure
        self.lines_, self.accuracy_ax_ = {}, None
        for column in self._drawn():
            name, look = LOSSES[column]
            self._draw(self.ax_, column, **look, label=name)
            validation = f"valid_{column.removeprefix('train_')}"
            if validation in history:
                self._draw(self.ax_, validation, **look, ls="--")
        if "valid_acc" in history:
            self.accuracy_ax_ = _split_off_below(self.ax_)
            self._draw(self.accuracy_ax_, "valid_acc", color=BLACK, ls="--")
            self.accuracy_ax_.set_ylabel("accuracy")
            _in_percent(self.accuracy_ax_.yaxis)
        self._label()
        return self

    def _drawn(self):
        """Return the columns of the training rows to draw."""
        terms = [
            term
            for term in ("label_loss", "distillation_loss")
            if term in self.history and self.history[term].any()
        ]
        return terms if len(terms) == 1 else ["train_loss", *terms]

    def _draw(self, ax, column, **look):
        epoch = self.history.get("epoch", np.arange(1, len(self.history) + 1))
        marker = "." if len(self.history) < 10 else None  # one epoch has no line
        (line,) = ax.plot(epoch, self.history[column], marker=marker, **look)
        self.lines_[column] = line

    def _label(self):
        if any(column.startswith("valid_") for column in self.lines_):
            self.ax_.plot([], [], color=GREY, ls="--", label="validation")
        _add_legend_above(self.ax_)
        self.ax_.set_ylabel("loss")
        self.ax_.set_yscale("log", nonpositive="mask")  # it falls by a decade, and more
        _set_log_ticks(self.ax_.yaxis)
        lowest = self.accuracy_ax_ or self.ax_
        lowest.set_xlabel("epoch")
        lowest.xaxis.get_major_locator().set_params(integer=True)


# --- Teachers' weights ----------------------------------------------------------------

QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]


class TeacherWeightDisplay:
    """Each teacher's share of the labeled rows' weights.

    Make it by :meth:`from_estimator`. A box holds half of the rows, its whiskers nine
    in ten, and the point is the median.

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
            Where to draw; None makes a new figure.

        Returns
        -------
        display : TeacherWeightDisplay
            The display itself.
        """
        self.ax_ = _axes(self, ax)
        self.figure_ = self.ax_.figure
        quantiles = self.share.quantile(QUANTILES).T
        quantiles = quantiles.sort_values(0.5, ascending=False, kind="stable")
        hidden = max(0, len(quantiles) - max_teachers)
        n_top = (len(quantiles) - hidden + 1) // 2
        shown = np.r_[:n_top, n_top + hidden : len(quantiles)]
        self.quantiles_ = quantiles.iloc[shown]
        y = np.arange(len(shown), dtype=float)
        y[n_top:] += hidden > 0  # one line says how many are left out
        self._draw_boxes(y)
        self._draw_even_share()
        self._label(y, n_top, hidden)
        return self

    def _draw_boxes(self, y):
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
        even = 1 / self.share.shape[1]
        self.line_ = self.ax_.axvline(even, color=VERMILION, ls="--", lw=1)
        self.ax_.annotate(
            f"even share, 1/{self.share.shape[1]}", (even, 1), (0, 2),
            xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="center", va="bottom", color=VERMILION, fontsize="small",
        )  # fmt: skip

    def _label(self, y, n_top, hidden):
        fontsize, most = _fit_text(self.ax_, len(y) + (hidden > 0), share=0.6)
        labels = [
            f"{_shorten(name, most - 6)} ({self.accuracy[name]:.0%})"
            for name in self.quantiles_.index
        ]
        if hidden:
            y, labels = [*y, n_top], [*labels, f"{hidden} in between"]
        self.ax_.set_yticks(y, labels, fontsize=fontsize)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_ylim(max(y) + 0.6, -0.6)
        self.ax_.set_xlim(left=0)
        self.ax_.set_xlabel("share of row weight")
        self.ax_.set_ylabel("teacher (accuracy)")
        _in_percent(self.ax_.xaxis)


# --- Disagreement ---------------------------------------------------------------------


class DisagreementDisplay:
    """How much the teachers disagree, and how often the student errs where they do.

    Make it by :meth:`from_estimator`.

    Parameters
    ----------
    disagreement : ndarray of shape (n_shown,)
        :func:`sk_ekd.weighting.disagreement` of the rows in the histogram, in nats.
    error_rate : DataFrame of shape (n_bins, 6)
        One row for each bin of labeled rows: their median `disagreement`, `n_samples`,
        the shares that `student` and `ensemble` get wrong, and the 95 % interval of the
        former, `student_low` to `student_high`. Empty where no row is labeled.
    rows : str, default="rows"
        What the histogram counts.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The error rates; the histogram where there are none.
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
        """Ask teachers and student, and draw disagreement and errors.

        Parameters
        ----------
        distiller : EnsembleDistiller
            A fitted distiller of at least two teachers.
        X : array-like, sparse matrix, DataFrame or list of length n_samples
            Rows, of the kind that `fit` saw. Errors on rows that the teachers were
            fitted on say little.
        y : array-like of shape (n_samples,)
            Labels, some or all of them unknown. The histogram is that of the rows
            without a label, or of all rows where all are labeled.
        teacher_proba : array of shape (n_samples, n_teachers, n_classes), default=None
            The teachers' answers to `X`, for teachers that cannot be called here.
        n_bins : int, default=10
            Number of bins of labeled rows, as equal in size as ties allow.
        ax : matplotlib Axes, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : DisagreementDisplay
            The display, drawn.
        """
        y = read_codes(distiller, X, y)  # (n,)
        if len(distiller.teacher_accuracy_) < 2:
            raise ValueError("Disagreement needs two teachers, the distiller has one.")
        if teacher_proba is not None:
            teacher_proba = read_teacher_proba(distiller, X, teacher_proba)
        proba = teachers_proba(distiller, X, teacher_proba)  # (n, t, c)
        student = distiller.predict_proba(X).argmax(axis=1)  # (n,)
        ensemble = proba.mean(axis=1, dtype=np.float64).argmax(axis=1)  # (n,)
        table = pd.DataFrame(
            {
                "disagreement": disagreement(proba.astype(np.float64)),
                "student": student != y,
                "ensemble": ensemble != y,
            }
        )
        labeled = y >= 0
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
            Where to draw; split in two where there are error rates. None makes a new
            figure.

        Returns
        -------
        display : DisagreementDisplay
            The display itself.
        """
        self.ax_ = self.histogram_ax_ = _axes(self, ax)
        self.figure_ = self.ax_.figure
        self.errorbar_ = self.line_ = None
        if len(self.error_rate):
            self.histogram_ax_ = _split_off_below(self.ax_)
            self._draw_error_rate()
        self._draw_histogram()
        self.histogram_ax_.set_ylabel(self.rows.replace(" ", "\n"))
        self.histogram_ax_.set_xlabel("teachers' disagreement (nats)")
        self.figure_.align_ylabels([self.ax_, self.histogram_ax_])
        return self

    def _draw_histogram(self):
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
        _add_legend_above(self.ax_, handles=[self.errorbar_, self.line_])
        self.ax_.set_ylabel("error rate")
        self.ax_.set_ylim(bottom=0)
        _in_percent(self.ax_.yaxis)


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


# --- Latency --------------------------------------------------------------------------

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

    Make it by :meth:`from_estimator` or :meth:`from_report`.

    Parameters
    ----------
    report : DataFrame
        Like that of :func:`distillation_report`, with its rows and the columns
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
        X : array-like, sparse matrix, DataFrame or list of length n_samples
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
            The display, drawn; its `report` has all figures.
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
            Where to draw; the legend is on its right, where a figure of
            ``layout="constrained"`` makes room for it. None makes a new figure.

        Returns
        -------
        display : LatencyDisplay
            The display itself.
        """
        report = self._check_report()
        self.ax_ = _axes(self, ax)
        self.figure_ = self.ax_.figure
        self.scatter_, self.line_ = {}, None
        timed = report[report["us_per_row"].notna()]
        for name, (models, look) in self._groups(timed).items():
            self.scatter_[name] = self.ax_.scatter(
                models["us_per_row"], models["accuracy"], **look,
                label=name if len(models) == 1 else f"{len(models)} {name}",
            )  # fmt: skip
        if "ensemble" not in timed.index:
            self.line_ = self.ax_.axhline(
                report.loc["ensemble", "accuracy"], color=BLUE, ls="--", lw=1,
                label="ensemble, not timed",
            )  # fmt: skip
        self._label()
        return self

    def _check_report(self):
        missing = {"accuracy", "us_per_row"} - set(self.report)
        missing |= {"ensemble", "student"} - set(self.report.index)
        if missing:
            raise ValueError(
                "`report` must have the columns 'accuracy' and 'us_per_row', and the "
                "rows 'ensemble' and 'student', as `distillation_report` returns it; "
                f"missing: {sorted(missing)}."
            )
        return self.report.sort_values("accuracy", ascending=False, kind="stable")

    def _groups(self, timed):
        """Return rows and look of each entry of the legend, by its name."""
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
        ax = self.ax_
        ax.set_xscale("log")
        ax.margins(0.1)
        ax.set_xlim(10 ** _widen(np.log10(ax.get_xlim()), 1.0))  # at least a decade
        ax.set_ylim(_widen(ax.get_ylim(), 0.02))
        _set_log_ticks(ax.xaxis)
        ax.set_xlabel("time per row (µs)")
        ax.set_ylabel("accuracy")
        _in_percent(ax.yaxis)
        ax.grid(alpha=0.25)
        handles, names = ax.get_legend_handles_labels()
        fontsize, most = _fit_text(ax, len(names), share=0.45)
        ax.legend(
            handles, [_shorten(name, most) for name in names], fontsize=fontsize,
            loc="upper left", bbox_to_anchor=(1, 1), frameon=False, borderaxespad=0,
            handlelength=1.5, handletextpad=0.5, labelspacing=0.3, markerscale=0.8,
        )  # fmt: skip


# --- Axes -----------------------------------------------------------------------------


def _axes(display, ax):
    """Return the axes, or those of a new figure, which makes room for labels."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__} needs matplotlib: pip install sk_ekd[plot]"
        ) from error
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _split_off_below(ax):
    """Give the lower third to new axes with the same x axis."""
    spec = ax.get_subplotspec()
    if spec is None:  # axes that were placed by hand
        left, bottom, width, height = ax.get_position().bounds
        ax.set_position((left, bottom + 0.4 * height, width, 0.6 * height))
        below = ax.figure.add_axes((left, bottom, width, 0.33 * height), sharex=ax)
    else:
        upper, lower = spec.subgridspec(2, 1, height_ratios=(2, 1))
        ax.set_subplotspec(upper)
        below = ax.figure.add_subplot(lower, sharex=ax)
    ax.tick_params(labelbottom=False)
    below.spines[["top", "right"]].set_visible(False)
    return below


def _in_percent(axis):
    axis.set_major_formatter(
        lambda value, _: f"{100 * value:g}%" if value < 1 + 1e-9 else ""
    )


def _add_legend_above(ax, handles=None):
    """Put the legend where no curve can be, in as many columns as there is room for."""
    wide = ax.get_window_extent().width > 4 * ax.figure.dpi  # inches
    ax.legend(
        handles=handles, ncols=4 if wide else 2, loc="lower left",
        bbox_to_anchor=(0, 1), borderpad=0.2, borderaxespad=0.2, frameon=False,
        fontsize="small", handlelength=1.6, handletextpad=0.5, columnspacing=1,
    )  # fmt: skip


def _set_log_ticks(axis):
    """Label a log axis in plain numbers, whether it spans five decades or none."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    locator = LogLocator(subs=(1, 3) if high / low < 100 else (1,))
    if high / low < 10:
        locator = MaxNLocator(4)
    axis.set_major_locator(locator)
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


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


def _widen(limits, least):
    """Let the limits be so far apart, at least -> (2,)."""
    low, high = limits
    lack = max(0, least - (high - low)) / 2
    return np.array([low - lack, high + lack])


def _fit_text(ax, n_lines, *, share):
    """Return the font size for lines beside the axes, and how long they may be.

    So that they take no more than a share of the width.
    """
    points = 72 / ax.figure.dpi
    box = ax.get_window_extent()
    fontsize = np.clip(box.height * points / n_lines / 1.3, 4, 8)
    n_chars = share * box.width * points / (0.55 * fontsize)
    return fontsize, int(np.clip(n_chars, 12, 36))


def _shorten(name, most):
    """Shorten a long name in the middle: its ends tell more."""
    if len(name) <= most:
        return name
    return f"{name[: most // 2]}…{name[-(most // 2 - 1) :]}"
