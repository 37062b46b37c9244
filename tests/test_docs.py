"""What stands in the README, the pages, the examples and the notebooks runs."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from PIL import Image

import sk_ekd
from sk_ekd import serving

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NEED_DATA = {"04_forest_to_network", "05_text", "08_seeds_and_self_distillation"}
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "guide").glob("*.md")),
]


def python_blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.S)


def stages(text):
    """Return the lines of `verbose=1` without their times."""
    return re.findall(r"^(\w+ \w+) +[\d.]+ s   (.+)$", text, re.M)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if python_blocks(p)], ids=lambda page: page.stem
)
def test_every_python_block_of_a_page_runs(page, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a page writes its files
    namespace = {}
    for block in python_blocks(page):
        exec(block, namespace)
    printed = capsys.readouterr().out
    shown = stages(page.read_text())
    assert set(shown) <= set(stages(printed))
    if page.stem == "README":
        assert len(shown) == 4
        assert float(printed.splitlines()[-1]) > 0.9  # the accuracy


def test_links_of_the_pages_lead_somewhere():
    for page in PAGES:
        text = page.read_text()
        links = re.findall(r"\]\(([^)#]+)", text)
        for link in [*links, *re.findall(r'src(?:set)?="([^"]+)"', text)]:
            assert link.startswith("https://") or (page.parent / link).exists(), link


def test_versions_that_are_written_twice_agree():
    assert f"\nversion: {sk_ekd.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    pinned = re.search(r"^ruff==(.*)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert f"rev: v{pinned[1]}\n" in (ROOT / ".pre-commit-config.yaml").read_text()


def run_example(example, *options, cwd):
    """Run an example -> what it prints."""
    command = [sys.executable, ROOT / "examples" / example, *options]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd)
    return run.stdout


def first_column(printed):
    """Return the mean in the first column of each row of the tables."""
    return {
        name.strip(): float(value)
        for name, value in re.findall(r"^(\S.*?) {2,}([\d.]+) ±", printed, re.M)
    }


def test_quickstart_tells_the_whole_story(tmp_path):
    printed = run_example("quickstart.py", cwd=tmp_path)
    assert re.search(r"^student: the network +9\d\.\d ", printed, re.M)
    assert re.search(r"\[[+-][\d.]+, [+-][\d.]+\]", printed)  # an interval
    assert "\nShip " in printed
    gap = re.search(r"those of the network, to (\S+)", printed)[1]
    assert float(gap) < 1e-5  # the file predicts what was measured
    assert re.search(r"one row takes \d+ µs, where the five .* [\d,]+\n", printed)
    assert serving.load(tmp_path / "student.npz").classes_.tolist() == list(range(10))
    assert (tmp_path / "quickstart.png").stat().st_size > 10_000


def test_digits_prints_its_table_and_saves_its_figure(tmp_path):
    figure = tmp_path / "figure.png"
    printed = run_example("digits.py", "--seeds", "2", "--figure", figure, cwd=tmp_path)
    accuracy = first_column(printed)
    assert len(accuracy) == 9
    assert accuracy["network, distilled"] > accuracy["network, labels only"]
    assert figure.stat().st_size > 10_000


def test_grid_search_reports_too_little_and_too_much(tmp_path):
    reported = first_column(run_example("grid_search.py", "--seeds", "1", cwd=tmp_path))
    assert reported["default splitter"] < 13  # % of the rows are labeled
    assert 80 < reported["ours"] < reported["ours, asked once"]
    assert reported["0.0"] == 0 < reported["0.9"]  # the leak, by alpha


def test_quick_benchmark_prints_its_table(tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "speed.py", "--quick"]
    run = subprocess.run(
        [*command, "--goals", "4", "8", "14", "--csv", tmp_path / "speed.csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.count("| predict_proba, ") == 3
    table = pd.read_csv(tmp_path / "speed.csv")
    assert set(table["goal"]) == {4, 8, 14}
    assert (table["ratio"] > 0).all()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_afresh(path):
    if path.stem in NEED_DATA and "SK_EKD_DATA" not in os.environ:
        pytest.skip("SK_EKD_DATA names no folder with real data sets")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_has_its_picture_in_the_gallery(path):
    saved = ROOT / "docs" / "thumbnails" / f"{path.stem}.png"
    assert f"thumbnails/{saved.name}" in (ROOT / "docs" / "notebooks.md").read_text()
    assert saved.stat().st_size < 60_000
    thumbnail = runpy.run_path(str(ROOT / "docs" / "thumbnails.py"))["thumbnail"]
    drawn, committed = thumbnail(path).convert("L"), Image.open(saved).convert("L")
    apart = np.abs(np.subtract(drawn, committed, dtype=float)).mean()
    assert apart < 2, "run `python docs/thumbnails.py`"  # of 255


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_says_first_what_one_will_have(path):
    first = nbformat.read(path, as_version=4).cells[0].source
    assert re.match(r"# .*\n\n\*\*At the end, you have\*\* ", first)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_with_outputs_and_imports_public_names(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.source]
    assert any(c.outputs for c in cells if c.cell_type == "code")
    assert not re.search(r"sk_ekd\.\S*\b_|import _", "\n".join(c.source for c in cells))
