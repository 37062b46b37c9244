"""Make the axes of all Displays look alike: colors, panels, ticks and long names."""

import numpy as np

# Okabe and Ito's colors, which any color vision tells apart; shapes differ besides
BLACK, GREY, ORANGE, BLUE, VERMILION = (
    "#000000", "#7F7F7F", "#E69F00", "#0072B2", "#D55E00",
)  # fmt: skip


def prepare_axes(display, ax):
    """Return the axes, or those of a new figure that makes room for their labels."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__} needs matplotlib: pip install 'sk_ekd[plot]'"
        ) from error
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def split_off_below(ax):
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


def in_percent(axis):
    """Label an axis of shares in percent, up to 100 %."""
    axis.set_major_formatter(
        lambda value, _: f"{100 * value:g}%" if value < 1 + 1e-9 else ""
    )


def add_legend_above(ax, handles=None):
    """Put the legend where no curve can be, in as many columns as there is room for."""
    wide = ax.get_window_extent().width > 4 * ax.figure.dpi  # inches
    ax.legend(
        handles=handles, ncols=4 if wide else 2, loc="lower left",
        bbox_to_anchor=(0, 1), borderpad=0.2, borderaxespad=0.2, frameon=False,
        fontsize="small", handlelength=1.6, handletextpad=0.5, columnspacing=1,
    )  # fmt: skip


def set_log_ticks(axis):
    """Label a log axis in plain numbers, whether it spans five decades or none."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    locator = LogLocator(subs=(1, 3) if high / low < 100 else (1,))
    if high / low < 10:
        locator = MaxNLocator(4)
    axis.set_major_locator(locator)
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def fit_text(ax, n_lines, *, share):
    """Fit lines of text beside the axes into a share of the width -> size, length."""
    points = 72 / ax.figure.dpi
    box = ax.get_window_extent()
    fontsize = np.clip(box.height * points / n_lines / 1.3, 4, 8)
    n_chars = share * box.width * points / (0.55 * fontsize)
    return fontsize, int(np.clip(n_chars, 12, 36))


def shorten(name, most):
    """Shorten a long name in the middle: its ends tell more. No $ starts a formula."""
    if len(name) > most:
        name = f"{name[: most // 2]}…{name[-(most // 2 - 1) :]}"
    return name.replace("$", r"\$")
