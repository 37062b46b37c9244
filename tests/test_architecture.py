"""The architecture of the design, kept true."""

import ast
import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import sk_ekd

PACKAGE = Path(sk_ekd.__file__).parent
MODULES = sorted(str(p.relative_to(PACKAGE)) for p in PACKAGE.rglob("*.py"))
MAY_IMPORT_TORCH = ("students/", "losses.py", "dynamic.py", "_torch_state.py")
PRIVATE_SKLEARN = {
    "_distiller.py": {
        "_fit_context", "_param_validation",
        "_VisualBlock", "_estimator_html_repr", "_repr_html",
    },
    "_rows.py": {"_safe_indexing"},
    "teachers/_predict.py": {"_safe_indexing"},
}  # fmt: skip


def imports(module):
    """Yield (module, name) of every import, siblings with a leading dot."""
    tree = ast.parse((PACKAGE / module).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield "." * node.level + (node.module or ""), alias.name


@pytest.mark.parametrize("module", MODULES)
def test_torch_and_skorch_stay_with_the_student(module):
    if module.startswith(MAY_IMPORT_TORCH):
        return
    roots = {m.split(".")[0] for m, _ in imports(module)}
    assert not roots & {"torch", "skorch"}


@pytest.mark.parametrize("module", MODULES)
def test_private_names_of_scikit_learn_are_the_known_ones(module):
    private = {
        part
        for source, name in imports(module)
        if source.startswith("sklearn")
        for part in (*source.split("."), name)
        if part.startswith("_")
    }
    assert private <= PRIVATE_SKLEARN.get(module, set())


def public_modules():
    """Return the package, and its modules and folders without an underscore."""
    names = [info.name for info in pkgutil.iter_modules([str(PACKAGE)])]
    public = [f"sk_ekd.{name}" for name in names if not name.startswith("_")]
    return [import_module(name) for name in ["sk_ekd", *public]]


def documented():
    """Yield every public function, class and method that has parameters."""
    for module in public_modules():
        for name in getattr(module, "__all__", ()):
            member = getattr(module, name)
            if not callable(member):
                continue
            yield pytest.param(member, id=f"{module.__name__}.{name}")
            for method_name, method in vars(member).items():
                if inspect.isfunction(method) and not method_name.startswith("_"):
                    label = f"{module.__name__}.{name}.{method_name}"
                    yield pytest.param(method, id=label)


def documented_defaults(docstring):
    section = re.search(r"Parameters\n-+\n(.*?)(\n\n[A-Z]\w+\n-+|\Z)", docstring, re.S)
    lines = re.findall(r"^(\w[\w, ]*) : (.*)$", section.group(1), re.M)
    for names, description in lines:
        default = re.search(r"default=(.+)$", description)
        for name in names.split(", "):
            yield name, default and default.group(1)


@pytest.mark.parametrize("member", list(documented()))
def test_documented_parameters_and_defaults_are_the_signatures(member):
    if hasattr(member, "_fields"):  # a NamedTuple has no defaults
        return
    parameters = {
        name: parameter.default
        for name, parameter in inspect.signature(member).parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    }
    if not parameters:
        return
    docstring = inspect.getdoc(member)
    assert docstring, "no docstring"
    found = dict(documented_defaults(docstring))
    assert list(found) == list(parameters)
    for name, default in parameters.items():
        expected = repr(default)
        if default is inspect.Parameter.empty:
            expected = None
        elif isinstance(default, type):
            expected = default.__name__
        shown = found[name]
        assert (shown and shown.replace('"', "'")) == expected, name


@pytest.mark.parametrize("module", public_modules(), ids=lambda m: m.__name__)
def test_public_module_lists_its_names(module):
    assert all(hasattr(module, name) for name in module.__all__)


def test_version_is_that_of_the_metadata():
    from importlib.metadata import version

    assert sk_ekd.__version__ == version("sk_ekd")


def test_constraints_pin_every_core_dependency():
    pins = (PACKAGE.parent / "constraints.txt").read_text()
    for name in ("scikit-learn", "skorch", "torch", "numpy", "scipy", "pandas"):
        assert re.search(rf"^{name}==", pins, re.M)
    assert "\ntorch==2.13.0\n" in pins
