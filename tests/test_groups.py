"""Members of a large ensemble by groups: the mix stays what it was."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sk_ekd._groups import Groups


def draw(n_teachers, n_rows=7):
    return np.random.RandomState(0).dirichlet(np.ones(3), (n_rows, n_teachers))


@pytest.mark.parametrize("n_teachers", [17, 40, 100])
def test_mix_of_the_groups_is_that_of_the_members(n_teachers):
    proba, weight = (
        draw(n_teachers),
        np.random.RandomState(1).dirichlet([1] * n_teachers),
    )
    groups = Groups([f"t{i}" for i in range(n_teachers)], weight, 3, of_one=True)
    merged = groups.merge(proba)
    assert merged.shape == (7, 16, 3)
    expected = np.einsum("ntc,t->nc", proba, weight)
    assert_allclose(np.einsum("ntc,t->nc", merged, groups.teachers.pool), expected)
    assert_allclose(merged.sum(axis=2), 1)


def test_names_say_which_members_are_in_a_group():
    names = Groups([f"t{i}" for i in range(17)], np.ones(17), 3, of_one=True).teachers[
        0
    ]
    assert names[:3] == ["t0 to t1", "t2", "t3"]


@pytest.mark.parametrize(("n_teachers", "of_one"), [(16, True), (40, False)])
def test_few_members_and_teachers_of_a_list_are_left_as_they_are(n_teachers, of_one):
    proba = draw(n_teachers)
    names = [f"t{i}" for i in range(n_teachers)]
    groups = Groups(names, np.ones(n_teachers), 3, of_one=of_one)
    assert groups.merge(proba) is proba
    assert groups.teachers.names == names


def test_stacker_stands_alone_and_is_named():
    weight = np.append(np.full(20, 0.025), 0.5)
    groups = Groups([f"t{i}" for i in range(20)], weight, 3, of_one=True)
    proba = draw(21)
    assert groups.teachers.names[-1] == "stacker"
    assert groups.teachers.pool[-1] == pytest.approx(0.5)
    assert_array_equal(groups.merge(proba)[:, -1], proba[:, -1])
    named = Groups(["a", "stacker"], np.ones(3), 3, of_one=False).teachers.names
    assert named == ["a", "stacker", "stacker (pool)"]


def test_members_that_do_not_predict_a_row_have_no_part_in_its_groups():
    proba = draw(32)
    proba[0, 0] = 0  # the other of its group stands for both
    proba[1, :2] = 0  # nobody of the first group
    merged = Groups([f"t{i}" for i in range(32)], np.ones(32), 3, of_one=True).merge(
        proba
    )
    assert_allclose(merged[0, 0], proba[0, 1])
    assert not merged[1, 0].any()


def test_group_of_members_that_weigh_nothing_is_their_mean():
    weight = np.r_[0.0, 0.0, np.ones(30)]
    groups = Groups([f"t{i}" for i in range(32)], weight, 3, of_one=True)
    proba = draw(32)
    assert groups.teachers.pool[0] == 0
    assert_allclose(groups.merge(proba)[:, 0], proba[:, :2].mean(axis=1))
