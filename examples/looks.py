"""One look for each model, in every figure of the benchmarks and examples.

The colors are Okabe and Ito's, which any color vision tells apart, and those of the
library's Displays; the markers differ as well.
"""

BLUE, SKY, GREEN, ORANGE, VERMILION, PURPLE, BLACK, GREY = (
    "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#000000",
    "#7F7F7F",
)  # fmt: skip

DEFAULT, MEAN, POOL = "distilled, the default", "mean of the teachers", "stacked pool"
BEST, LABELS_ONLY = "best teacher", "same network, labels only"
LOOKS = {  # color, marker
    DEFAULT: (VERMILION, "*"),
    MEAN: (BLUE, "D"),
    POOL: (SKY, "d"),
    BEST: (GREY, "s"),
    LABELS_ONLY: (ORANGE, "o"),
    "LightGBM, tuned": (GREEN, "^"),
    "logistic regression, tuned": (PURPLE, "v"),
}
TEACHERS = {  # each by itself
    "random forest": (GREY, "s"),
    "boosted trees": (GREY, "^"),
    "SVM": (GREY, "v"),
    "k-nearest neighbors": (GREY, "P"),
    "logistic regression": (GREY, "X"),
}
SIZES = {"*": 260, "d": 70, "D": 60}  # of markers that need another than the usual
USUAL_SIZE = 55


def scatter(axes, x, y, name, *, error=None, **options):
    """Draw one model as it looks everywhere, with an interval if there is one."""
    color, marker = (LOOKS | TEACHERS)[name]
    if error is not None:
        axes.errorbar(x, y, error, color=color, lw=1.3, capsize=2.5, zorder=2)
    size = SIZES.get(marker, USUAL_SIZE)
    axes.scatter(x, y, size, color=color, marker=marker, label=name, zorder=3)
