import numpy as np
import pytest

from benchmarks import figures, names, quality, quality_report
from examples import looks
from sk_ekd.inspection import _latency


@pytest.mark.parametrize(
    ("n_methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)]
)
def test_critical_difference_is_that_of_demsars_table(n_methods, q):
    expected = q * np.sqrt(n_methods * (n_methods + 1) / (6 * 20))
    assert figures.critical_difference(n_methods, 20) == pytest.approx(
        expected, rel=1e-3
    )


def test_cliques_are_maximal():
    assert figures.cliques([1, 2, 3, 4], 10) == [(0, 3)]
    assert figures.cliques([1, 2, 3, 4], 0.5) == []
    assert figures.cliques([1, 1.2, 1.4, 3, 3.1], 0.5) == [(0, 2), (3, 4)]


def test_every_method_has_words_and_those_of_the_figures_a_look():
    assert {*quality.METHODS} <= {*names.NAMES}
    assert len(set(names.NAMES.values())) == len(names.NAMES)
    assert {names.NAMES[method] for method in quality_report.COSTLY} == {*looks.LOOKS}


def test_looks_differ_and_are_those_of_the_displays():
    assert len(set(looks.LOOKS.values())) == len(looks.LOOKS)
    assert len(set(looks.TEACHERS.values())) == len(looks.TEACHERS)
    for name, shown in ((looks.DEFAULT, "student"), (looks.MEAN, "ensemble"),
                        (looks.LABELS_ONLY, "baseline")):  # fmt: skip
        look = _latency.LOOKS[shown]
        assert looks.LOOKS[name] == (look["color"], look["marker"])
