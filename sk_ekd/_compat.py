"""Every private or versioned name of scikit-learn, and warnings at the user's line."""

import sys
import warnings

# _fit_context checks the parameters of scikit-learn's own estimators before a fit
from sklearn.base import _fit_context as fit_context

# _safe_indexing is documented but private: the one function that takes rows of arrays,
# sparse matrices, DataFrames and lists alike
from sklearn.utils import _safe_indexing as safe_indexing

# the ranges of parameters, as scikit-learn's own estimators state them: the same
# checks, the same errors
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

# prints an estimator, in as many lines as it takes, if it knows its __repr__
from sklearn.utils._pprint import _EstimatorPrettyPrinter

try:
    # how scikit-learn's own meta-estimators draw themselves in a notebook
    from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
except ImportError:  # scikit-learn < 1.7
    from sklearn.utils._estimator_html_repr import _VisualBlock as VisualBlock

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9

    class _NoProgress:
        """A task that nobody follows."""

        def subcontext(self, **options):
            return self

        def call_on_fit_task_begin(self, **state):
            return self

        def call_on_fit_task_end(self, **state):
            return False  # do not stop

    class CallbackSupportMixin:
        """Stands in for the mixin of newer releases."""

        def _init_callback_context(self, **options):
            return _NoProgress()

    def with_callbacks(method):
        """Return the method as it is."""
        return method


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "VisualBlock",
    "fit_context",
    "print_like_estimators",
    "safe_indexing",
    "warn",
    "with_callbacks",
]


def print_like_estimators(kind):
    """Let a class with a __repr__ of its own be printed as estimators are.

    Before it is fitted, and within a Pipeline or a search.
    """
    known = _EstimatorPrettyPrinter._dispatch
    known[kind.__repr__] = _EstimatorPrettyPrinter._pprint_estimator


INSIDE = ("sk_ekd", "sklearn", "skorch", "joblib")
WORKERS = ("multiprocessing", "concurrent", "threading")  # start joblib's workers


def warn(message, section, category=UserWarning):
    """Warn at the line of the user's own code, however deep the library is called.

    `section` is the one on the page "Troubleshooting" that says more.
    """
    message = f'{message} See "Troubleshooting: {section}" in the documentation.'
    level, frame = 1, sys._getframe()
    while frame.f_back and _package(frame) in INSIDE:
        level, frame = level + 1, frame.f_back
    if _package(frame) in WORKERS:  # the user's line is in another process, or thread
        level -= 1
    warnings.warn(message, category, stacklevel=level)


def _package(frame):
    return frame.f_globals.get("__name__", "").split(".")[0]
