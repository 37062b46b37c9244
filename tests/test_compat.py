"""A warning points at the line of the user's own code, and at a page that says more."""

import ast
import re
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

import sk_ekd
from sk_ekd import EnsembleDistiller
from sk_ekd.students import default_student


def perfect_distiller():
    """Warns: its teacher is right on all rows, which it was fitted on."""
    X, y = load_iris(return_X_y=True)
    teacher = DecisionTreeClassifier(random_state=0).fit(X, y)
    student = default_student(X).set_params(net__max_epochs=1)
    return EnsembleDistiller([teacher], student), X, y


def files_of(record):
    return {w.filename for w in record if "fitted on" in str(w.message)}


def test_warning_points_at_the_callers_line():
    distiller, X, y = perfect_distiller()
    with pytest.warns(UserWarning, match="fitted on") as record:
        distiller.fit(X, y)
    assert files_of(record) == {__file__}


def test_warning_of_a_fit_in_a_search_points_at_the_callers_line():
    distiller, X, y = perfect_distiller()
    with pytest.warns(UserWarning, match="fitted on") as record:
        GridSearchCV(distiller, {"alpha": [0.5]}, cv=3).fit(X, y)
    assert files_of(record) == {__file__}


# --- The page that says more ----------------------------------------------------------

PACKAGE = Path(sk_ekd.__file__).parent
PAGE = PACKAGE.parent / "docs" / "guide" / "troubleshooting.md"
LINK = re.compile(r' See "Troubleshooting: ([^"]*)" in the documentation\.$')
MOST_SENTENCES = 2  # what happened, and what to do


def name_of(call):
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else function.id


def texts_of(node):
    """Return the constant parts of a text, the values in it as "..."."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(getattr(part, "value", "") or "" if isinstance(part, ast.Constant)
                   else "..." for part in parts)  # fmt: skip


def calls_that_warn():
    """Yield the file and line of each call that warns, its text and its section."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or file.name == "_compat.py":
                continue
            if not isinstance(node.func, (ast.Name, ast.Attribute)):
                continue
            where = f"{file.name}:{node.lineno}"
            if name_of(node) in ("warn", "Doubt"):
                if isinstance(node.args[0], ast.Starred):  # what makes it is a Doubt
                    continue
                text = texts_of(node.args[0])
                if isinstance(node.func, ast.Attribute):  # warnings.warn, its own link
                    link = LINK.search(text)
                    yield where, LINK.sub("", text), link and link[1]
                else:
                    section = node.args[1] if len(node.args) > 1 else None
                    yield where, text, getattr(section, "value", None)


WARNINGS = {where: (text, section) for where, text, section in calls_that_warn()}


def sections():
    """Return the sections of the page on warnings."""
    warnings = PAGE.read_text().split("\n## Warnings\n")[1].split("\n## ")[0]
    return re.findall("^### (.*)$", warnings, re.M)


def test_all_warnings_are_found():
    assert len(WARNINGS) >= 12
    files = {where.split(":")[0] for where in WARNINGS}
    assert {"_estimator.py", "serving.py", "_doubt.py", "_net.py"} <= files


@pytest.mark.parametrize("where", WARNINGS)
def test_warning_has_a_section_of_its_own(where):
    assert WARNINGS[where][1] in sections()


@pytest.mark.parametrize("where", WARNINGS)
def test_warning_is_short(where):
    text = WARNINGS[where][0]
    assert text.endswith((".", "..."))
    assert len(re.findall(r"[.?!](?= [A-Z]|$)", text.replace("...", ""))) <= (
        MOST_SENTENCES
    )


def test_no_section_is_about_a_warning_that_is_gone():
    assert set(sections()) == {section for _, section in WARNINGS.values()}


@pytest.mark.parametrize("where", WARNINGS)
def test_section_quotes_the_warning(where):
    text, section = WARNINGS[where]
    quoted = PAGE.read_text().split(f"\n### {section}\n")[1].split("\n###")[0]
    quoted = " ".join(re.sub("^> ", "", quoted, flags=re.M).split())
    assert re.search(re.escape(text).replace(re.escape("..."), ".*"), quoted)


def test_only_the_door_warns_by_itself():
    free = [
        file.name
        for file in sorted(PACKAGE.rglob("*.py"))
        if "warnings.warn(" in file.read_text()
    ]
    assert free == ["_compat.py", "serving.py"]  # which needs NumPy alone


def test_warning_ends_in_the_name_of_its_section():
    distiller, X, y = perfect_distiller()
    with pytest.warns(UserWarning, match="fitted on") as record:
        distiller.fit(X, y)
    (message,) = (str(w.message) for w in record if "fitted on" in str(w.message))
    assert LINK.search(message)[1] == "Teachers that have seen the labels"
