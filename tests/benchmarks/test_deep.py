"""The benchmark of texts and images runs from files to a table and a figure."""

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import deep, deep_nets
from benchmarks.harness import Settings, append, read, run_unit

SETTINGS = {"effort": 0.01}  # one epoch each


def write_texts(folder):
    """Write a set of texts, of which the first word tells the class."""
    rng = np.random.RandomState(0)
    rows = [
        {
            "split": "test" if i % 4 == 0 else "train",
            "text": " ".join([f"c{i % 3}", *(f"w{w}" for w in rng.choice(300, 8))]),
            "category": f"class {i % 3}",
        }
        for i in range(400)
    ]
    (folder / "banking77").mkdir()
    path = folder / "banking77" / "banking77.parquet"
    pd.DataFrame(rows).to_parquet(path)


def write_images(folder):
    """Write a set of images, in which a bright row tells the class."""
    y = np.arange(300, dtype=np.uint8) % 10
    X = np.random.RandomState(0).randint(0, 60, (300, 28, 28)).astype(np.uint8)
    X[np.arange(300), 2 * y] = 255
    (folder / "fashion_mnist").mkdir()
    path = folder / "fashion_mnist" / "fashion_mnist.npz"
    np.savez(path, X_train=X[:200], y_train=y[:200], X_test=X[200:], y_test=y[200:])


@pytest.mark.parametrize(
    ("benchmark", "key", "write"),
    [
        (deep.TEXTS, ("banking77", 30, 0), write_texts),
        (deep.IMAGES, ("fashion_mnist", 0.5, 0), write_images),
    ],
    ids=["texts", "images"],
)
def test_the_whole_path(tmp_path, monkeypatch, benchmark, key, write):
    monkeypatch.setattr(deep, "N_IMAGES", 200)
    monkeypatch.setattr(deep, "CALLS", 2)
    write(tmp_path)
    n_threads = torch.get_num_threads()
    settings = Settings(str(tmp_path), **SETTINGS)
    _, rows, _, errors = run_unit(benchmark, key, list(benchmark.methods), settings)
    torch.set_num_threads(n_threads)
    assert not errors
    path = tmp_path / "results.csv"
    more = [row | {"labeled": 2 * row["labeled"]} for row in rows]  # a second panel
    append(path, rows + more, [*benchmark.keys, *benchmark.columns])
    table = read(path)
    assert set(table["method"]) == set(benchmark.methods)
    assert table.notna().all(axis=None)
    of_teachers = table[table["method"] == "pool of teachers"]
    assert (of_teachers["kb"] > table["kb"].min()).all()
    shown = deep.report(table, path)
    assert all(f"| {method} " in shown for method in benchmark.methods)
    assert path.with_suffix(".png").stat().st_size > 10_000


def test_augmented_images_are_the_images_moved():
    images = torch.zeros(50, 1, 28, 28)
    images[:, :, 14, 14] = 1
    moved = deep_nets.augment(images)
    assert moved.shape == images.shape
    assert (moved.sum(dim=(1, 2, 3)) == 1).all()
    rows, columns = (
        moved.flatten(1).argmax(dim=1) // 28,
        moved.argmax(dim=3).amax((1, 2)),
    )
    assert set(rows.tolist()) == {12, 13, 14, 15, 16}
    assert columns.min() >= 11
    assert columns.max() <= 16


def test_token_ids_are_those_of_known_words():
    ids = deep_nets.TokenIds(length=3).fit(["a b", "b c"])
    assert ids.transform(["c b a b", "d", ""]).tolist() == [
        [4, 3, 2],
        [deep_nets.UNKNOWN, 0, 0],
        [0, 0, 0],
    ]
