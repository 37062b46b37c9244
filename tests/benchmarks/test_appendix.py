"""The page of all tables is what its command writes from the results files."""

import re

import numpy as np
import pandas as pd
import pytest

from benchmarks import appendix, names, quality, students

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
PAGE = appendix.PAGE.read_text(encoding="utf-8")
SUMMARY = (appendix.DOCS / "does_it_help.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n(?s:(.*?))(?=^## |\Z)", PAGE, re.M))


def numbers(text):
    """Return the numbers of a text, and how far each may be off: its last digit."""
    found = NUMBER.findall(text)
    values = [float(number.replace(",", "")) for number in found]
    digits = [len(number.partition(".")[2]) for number in found]
    return np.array(values), [1.01 * 10.0**-n if n else 1e-9 for n in digits]


@pytest.mark.parametrize("place", range(len(appendix.SECTIONS)))
def test_the_page_is_what_the_command_writes(place):
    title, *lines = appendix.SECTIONS[place]()
    written, committed = "\n".join(lines).strip(), SECTIONS[title[3:]].strip()
    assert NUMBER.sub("0", written) == NUMBER.sub("0", committed)
    values, most = numbers(written)  # elsewhere, sums may be rounded otherwise
    assert (np.abs(values - numbers(committed)[0]) < most).all()


def test_the_page_has_no_other_section():
    assert len(SECTIONS) == len(appendix.SECTIONS)
    assert PAGE.startswith(appendix.INTRODUCTION)


@pytest.mark.parametrize(
    "page", ["does_it_help.md", "index.md", "guide/compress.md", "../README.md"]
)
def test_differences_of_a_page_stand_in_the_appendix(page):
    text = (appendix.DOCS / page).read_text(encoding="utf-8")
    differences = re.findall(r"[-+]\d+\.\d+ \[[-+.\d]+, [-+.\d]+\]", text)
    assert differences
    assert [shown for shown in differences if shown not in PAGE] == []


def test_the_summary_has_what_to_expect_of_a_quick_run():
    table = appendix.load("quality")
    quick = quality.BENCHMARK.quick
    of_units = table["set"].isin(quick.sets) & table["budget"].isin(quick.budgets)
    expected = (
        100
        * table[of_units & (table["seed"] < quick.seeds)]
        .groupby("method")[["accuracy", "log_loss"]]
        .mean()
    )
    for method in quick.methods:
        accuracy, loss = expected.loc[method]
        line = f"| {appendix.spell_in_table(method)} | {accuracy:.1f} | {loss:.1f} |"
        assert line in SUMMARY


def test_every_variant_of_the_student_has_words():
    shown = pd.unique(appendix.load("students")["method"])
    assert {*shown} == {*names.VARIANTS, "ensemble", "pool"}
    assert {*students.VARIANTS} <= {*names.VARIANTS}


def test_a_table_has_no_name_of_the_code():
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    shown = {line.split("|")[1].strip() for line in lines}
    of_code = {*names.NAMES, *names.POOLS, *names.SHIFTS, *names.VARIANTS}
    assert shown.isdisjoint({name for name in of_code if "_" in name})
