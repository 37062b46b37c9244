import pytest
from sklearn.ensemble import RandomForestClassifier

from benchmarks import service
from benchmarks.units import make_lightgbm

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")


def make_few_teachers(X):
    from catboost import CatBoostClassifier

    return {
        "forest": RandomForestClassifier(3, random_state=0),
        "LightGBM": make_lightgbm(0, n_estimators=3),
        "CatBoost": CatBoostClassifier(
            iterations=3, thread_count=1, allow_writing_files=False, verbose=0
        ),
    }


def test_the_whole_path(monkeypatch):
    monkeypatch.setattr(service, "make_teachers", make_few_teachers)
    monkeypatch.setattr(service, "MAX_ROWS", 200)
    monkeypatch.setattr(service, "SECONDS", 1e-4)
    found = service.measure("digits", None)
    students = found.loc[[name for name in found.index if "student" in name]]
    assert len(students) == 3
    # the same answers, whoever gives them
    assert students["accuracy (%)"].nunique() == 1
    compiled = found.loc["ensemble of trees, ONNX", "accuracy (%)"]
    assert compiled == pytest.approx(found.loc["ensemble of trees", "accuracy (%)"])
    assert found.notna().all(axis=None)


def test_times_are_those_of_the_calls():
    asked = []
    times = service.time_in_turn({"a": lambda: asked.append(1)}, rounds=3)
    assert times["a"] > 0
    assert len(asked) >= 5
