"""The import rule of the design, kept true, and the promises of the docstrings."""

import ast
import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import sk_ekd

PACKAGE = Path(sk_ekd.__file__).parent
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
ROOMS = {file.parts[0].removesuffix(".py") for file in FILES}
SHELLS = {"__init__", "_distiller", "_online", "_seeds"}  # wire the stages
READERS = {"export", "inspection", "model_selection", "serving"}  # look at what came
MIX = "_targets"  # a stage, and the one that calls others: a pool and a weighting
GROUND = {room for room in ROOMS if room.startswith("_")} - SHELLS - {MIX}


def room_of(file):
    """Return the file or folder of the package that a file is in."""
    return file.parts[0].removesuffix(".py")


def imports(file):
    """Yield (source, name) of every import, by absolute names."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = ("sk_ekd", *file.parts[:-1])
            above = here[: len(here) + 1 - node.level] if node.level else ()
            source = ".".join(filter(None, [*above, node.module]))
            yield from ((source, alias.name) for alias in node.names)


def rooms_imported(file):
    """Return what a file imports from other rooms but the ground floor, in parts."""
    paths = [f"{source}.{name}".split(".") for source, name in imports(file)]
    known = {room_of(file), *GROUND}
    return [path for path in paths if path[0] == "sk_ekd" and path[1] not in known]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_room_imports_the_ground_floor_and_itself(file):
    here, others = room_of(file), rooms_imported(file)
    if here in SHELLS:
        return
    if here in READERS:  # public names as well
        assert not [path for path in others if any(p.startswith("_") for p in path)]
        return
    allowed = {"pooling", "weighting"} if here == MIX else set()
    assert {path[1] for path in others} <= allowed


@pytest.mark.parametrize("file", FILES, ids=str)
def test_torch_and_skorch_stay_with_the_student(file):
    roots = {source.split(".")[0] for source, _ in imports(file)}
    allowed = {"students", "losses", "dynamic", "_torch_rows"}
    assert room_of(file) in allowed or not roots & {"torch", "skorch"}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_private_names_of_other_libraries_come_through_one_door(file):
    private = {
        source
        for source, name in imports(file)
        if not source.startswith("sk_ekd") and f".{source}.{name}".count("._")
    }
    assert file.name == "_compat.py" or not private


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
                method = getattr(method, "fn", method)  # of available_if
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
