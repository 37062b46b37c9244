"""Say in a few lines what was fitted: what one would ask of it first."""

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._compat import print_like_estimators

MOST_LETTERS = 60  # of the names of all teachers; of more, two are named


# teachers go on in a second row, and what is wider than a phone can be scrolled
COLUMN = (
    '<div class="sk_ekd" style="max-width: 100%; overflow-x: auto">'
    "<style>.sk_ekd div.sk-parallel {{ flex-wrap: wrap }}</style>{}</div>"
)


class Summarized:
    """Mixin of an estimator whose repr says, once it is fitted, what was fitted.

    The estimator has a method `_summary`, which returns lines by their names. Until it
    is fitted, and wherever a line cannot be had, its repr is scikit-learn's.
    """

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        print_like_estimators(cls)

    def __repr__(self, N_CHAR_MAX=700):
        """Return the lines of the summary, or scikit-learn's repr."""
        try:
            check_is_fitted(self)
            parts = {name: part for name, part in self._summary().items() if part}
        except Exception:  # whatever attributes are missing, or were set by hand
            return super().__repr__(N_CHAR_MAX)
        width = max(map(len, parts)) + 1
        lines = [f"  {name + ':':<{width}} {part}" for name, part in parts.items()]
        return "\n".join([f"{type(self).__name__}, fitted", *lines])

    def _repr_html_inner(self):
        return COLUMN.format(super()._repr_html_inner())

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = COLUMN.format(bundle["text/html"])
        return bundle


def summarize_teachers(names, cv):
    """Name the teachers, and say how they were fitted -> text."""
    names = list(names)
    listed = ", ".join(names)
    if len(listed) > MOST_LETTERS:
        shown = [name[: MOST_LETTERS // 2] for name in names[:2]]
        more = [f"... ({len(names) - 2} more)"] if len(names) > 2 else []
        listed = ", ".join([*shown, *more])
    if isinstance(cv, str):
        return f"{listed} ({cv})"
    folds = f"cv={cv}" if isinstance(cv, int) else type(cv).__name__
    return f"{listed} (out of fold, {folds})"


def summarize_labels(n_labeled, n_rows, n_classes):
    """Count the labels, if that is known, and the classes -> text."""
    classes = f"{n_classes} classes" if n_classes > 1 else "1 class"
    return f"{n_labeled:,} of {n_rows:,} rows, {classes}" if n_rows else classes


def summarize_student(student, *, built_in):
    """Name what was trained, and count what is in it if that is cheap -> two texts."""
    model = student[-1] if isinstance(student, Pipeline) else student
    module = getattr(model, "module_", None)
    model = getattr(model, "model", model)  # what speaks codes of its classes
    kind = type(model).__name__
    if module is not None:
        module = getattr(module, "_orig_mod", module)  # of torch.compile
        kind = f"{kind}({type(module).__name__})"
    if isinstance(student, Pipeline):
        kind = f"Pipeline that ends in {kind}"
    return "built-in network" if built_in else kind, _count(model, module)


def _count(model, module):
    """Say how large a net or a tree is -> text, empty for others."""
    if module is not None:
        parameters = list(module.parameters())
        n_bytes = sum(part.numel() * part.element_size() for part in parameters)
        n_parameters = sum(part.numel() for part in parameters)
        return f"{n_parameters:,} parameters, {n_bytes / 1000:,.1f} kB"
    tree = getattr(model, "tree_", None)
    return "" if tree is None else f"{tree.node_count:,} nodes"
