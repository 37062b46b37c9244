import numpy as np
import pytest

from benchmarks import quality, units
from benchmarks.harness import Settings
from sk_ekd.students import default_student

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")


def test_every_class_keeps_five_labels_and_all_keep_twenty():
    y = np.repeat([0, 1, 2], [1000, 100, 20])
    labeled = units.choose_labeled(y, 0.1, seed=0)
    assert np.bincount(y[labeled]).tolist() == [100, 10, 7]
    assert np.bincount(units.choose_labeled(np.arange(30) % 2, 0.1, seed=0))[1] == 20
    assert (labeled == units.choose_labeled(y, 0.1, seed=0)).all()
    assert (labeled != units.choose_labeled(y, 0.1, seed=1)).any()


def test_the_student_is_the_default_unless_the_run_is_quick():
    X = np.zeros((1000, 2))
    assert units.make_student(X, Settings()) is None
    quick = units.make_student(X, Settings(effort=0.1))
    epochs = default_student(X)["net"].max_epochs
    assert quick["net"].max_epochs == pytest.approx(0.1 * epochs, abs=0.5)


def test_measures_of_perfect_and_of_ignorant_predictions():
    y = np.array([0, 0, 0, 1])
    perfect = units.measure_proba(np.eye(2)[y], y)
    assert perfect == pytest.approx(
        {"accuracy": 1, "balanced_accuracy": 1, "roc_auc": 1, "log_loss": 0, "ece": 0}
    )
    ignorant = units.measure_proba(np.full((4, 2), 0.5), y)
    assert ignorant == pytest.approx(
        {"accuracy": 0.75, "balanced_accuracy": 0.5, "roc_auc": 0.5,
         "log_loss": np.log(2), "ece": 0.25}
    )  # fmt: skip


def test_predictions_are_out_of_fold_for_labeled_rows_only(few_teachers):
    unit = units.Unit("breast_cancer", 0.1, 0, Settings(effort=0.01))
    rows, predictions = unit.rows, unit.predictions
    assert (rows.y[unit.labeled] >= 0).all()
    unlabeled = rows.y < 0
    np.testing.assert_array_equal(
        predictions.out_of_fold[unlabeled], predictions.in_sample[unlabeled]
    )
    assert (
        predictions.out_of_fold[~unlabeled] != predictions.in_sample[~unlabeled]
    ).any()
    assert predictions.test.shape == (len(rows.y_test), 2, 2)
    ensemble = quality.METHODS["ensemble"](unit).predict_proba(rows.X_test)
    np.testing.assert_allclose(ensemble, predictions.test.mean(axis=1), atol=1e-7)
