"""Token ids, Mappings, Datasets and files reach a net as it takes them."""

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch import NeuralNetBinaryClassifier
from skorch.dataset import Dataset as SkorchDataset
from skorch.helper import SliceDict
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.inspection import agreement_report, distillation_report
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.students import MLP, default_student
from tests.students.tokens import (
    BATCH,
    CODE,
    IDS,
    PARTLY,
    PROBA,
    VOCABULARY,
    Bag,
    MaskedBag,
    N,
    NamedBag,
    distill,
    net,
)

EXPECTED = {}  # probabilities of students of the ids, by module


def expected(module=Bag):
    """Return what a student of arrays says."""
    if module not in EXPECTED:
        X = BATCH if module is MaskedBag else IDS
        EXPECTED[module] = distill(X, net(module)).predict_proba(X)
    return EXPECTED[module]


class Files(Dataset):
    """Read each row from a file when it is asked for."""

    def __init__(self, X, y=None):
        self.X = X
        self.y = y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        y = 0 if self.y is None else self.y[index]
        return torch.from_numpy(np.load(self.X[index])), y


class Batches(Dataset):
    """Rows that are Mappings, without a label."""

    def __len__(self):
        return N

    def __getitem__(self, index):
        return {key: torch.from_numpy(part)[index] for key, part in BATCH.items()}


# --- Arrays of integers -----------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "uint16"])
def test_integers_of_any_width_reach_an_embedding(dtype):
    X = IDS.astype(dtype)
    distiller = distill(X)
    assert distiller.student_.inputs_ == "int64"
    assert_array_equal(distiller.predict_proba(X), expected())
    assert (distiller.predict(X) == CODE).mean() > 0.9


@pytest.mark.parametrize(
    "X",
    [
        IDS.tolist(),
        torch.from_numpy(IDS),
        [*torch.from_numpy(IDS)],
        np.asfortranarray(IDS),
        pd.DataFrame(IDS),
        pd.DataFrame(IDS).astype("Int64"),
    ],
    ids=["list", "tensor", "tensors", "Fortran", "DataFrame", "nullable"],
)
def test_ids_in_any_table_are_those_of_an_array(X):
    assert_array_equal(distill(X).predict_proba(X), expected())


def test_memmap_of_ids_is_read_by_batch(tmp_path):
    X = np.memmap(tmp_path / "ids", dtype=np.int32, mode="w+", shape=IDS.shape)
    X[:] = IDS
    assert_array_equal(distill(X).predict_proba(X), expected())
    rows = {"input_ids": X, "attention_mask": BATCH["attention_mask"]}
    distiller = distill(rows, net(MaskedBag))
    assert_array_equal(distiller.predict_proba(rows), expected(MaskedBag))


def test_integer_table_goes_on_as_float32_where_the_module_takes_no_integers():
    X = IDS * 100_003  # beyond what float32 has exactly
    student = make_pipeline(StandardScaler(), net(nn.Sequential(nn.LazyLinear(3))))
    assert distill(X, student).student_[-1].inputs_ == "float32"
    bare = distill(IDS, net(nn.Sequential(nn.LazyLinear(3))))
    assert bare.student_.inputs_ == "float32"
    floats = distill(IDS.astype(float), net(nn.Sequential(nn.LazyLinear(3))))
    assert_array_equal(bare.predict_proba(IDS), floats.predict_proba(IDS))


def test_large_ids_survive_a_step_and_mixed_precision():
    class Halves(nn.Module):
        """Which half of the table an id is from."""

        def __init__(self, out_features=2):
            super().__init__()
            self.embed = nn.Embedding(2, 4)
            self.layer = nn.Linear(4, out_features)

        def forward(self, ids):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.layer(self.embed(ids[:, 0] - 2**24)).float()

    X = 2**24 + np.arange(N)[:, np.newaxis] % 2  # float32 has the even ones only
    y = X[:, 0] % 2
    student = make_pipeline(FunctionTransformer(), net(Halves))
    distiller = distill(X, student, y=y, teacher_proba=np.eye(2)[y][:, np.newaxis])
    assert [name for name, _ in distiller.student_.steps][-2] == "int64"
    assert distiller.score(X, y) == 1
    assert_array_equal(distiller.student_.predict(X), y)


# --- Mappings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        dict,
        lambda X: SliceDict(**X),
        lambda X: {key: torch.from_numpy(part) for key, part in X.items()},
        lambda X: {key: part.tolist() for key, part in X.items()},
        lambda X: {key: part.astype(np.int32) for key, part in X.items()},
    ],
    ids=["arrays", "SliceDict", "tensors", "lists", "int32"],
)
def test_mapping_reaches_forward_by_name(form):
    distiller = distill(form(BATCH), net(MaskedBag))
    assert distiller.student_.inputs_ == dict.fromkeys(BATCH, "int64")
    assert_array_equal(distiller.predict_proba(form(BATCH)), expected(MaskedBag))
    assert (distiller.predict(form(BATCH)) == CODE).mean() > 0.9


def test_step_may_return_a_mapping():
    def read(X):
        return {"input_ids": X, "attention_mask": (X > 0).astype(np.int64)}

    student = make_pipeline(FunctionTransformer(read), net(MaskedBag))
    distiller = distill(IDS, student)
    assert_array_equal(distiller.predict_proba(IDS), expected(MaskedBag))
    assert_allclose(
        distiller.student_.predict_proba(IDS), expected(MaskedBag), atol=1e-6
    )


def test_mapping_is_validated_updated_scored_and_reported_on():
    distiller = distill(BATCH, net(MaskedBag), validation_fraction=0.3)
    assert np.isfinite(distiller.history_["valid_loss"]).all()
    distiller = distill(BATCH, net(MaskedBag))
    before = distiller.predict_proba(BATCH)
    distiller.partial_fit(BATCH, PARTLY, teacher_proba=PROBA)
    assert not np.array_equal(distiller.predict_proba(BATCH), before)
    assert distiller.score(BATCH, PARTLY) > 0.9
    report = distillation_report(distiller, BATCH, CODE, teacher_proba=PROBA)
    assert report.loc["student", "accuracy"] > 0.9
    agreement = agreement_report(distiller, BATCH, teacher_proba=PROBA)
    assert agreement.loc["all", "n_samples"] == N


@pytest.mark.parametrize("routing", [False, True])
def test_search_slices_a_mapping(routing):
    model = EnsembleDistiller(None, net(MaskedBag), random_state=0)
    with config_context(enable_metadata_routing=routing):
        if routing:
            model.set_fit_request(teacher_proba=True)
        search = GridSearchCV(
            model, {"student__lr": [1e-4, 0.05]}, cv=SemiSupervisedSplit(2), n_jobs=2
        )
        search.fit(SliceDict(**BATCH), PARTLY, teacher_proba=PROBA)
    assert search.best_params_ == {"student__lr": 0.05}
    assert search.best_estimator_.predict(BATCH).shape == (N,)


def test_teachers_read_a_view_of_the_rows():
    view = make_pipeline(
        FunctionTransformer(lambda X: np.eye(VOCABULARY)[X["input_ids"][:, 0]]),
        LogisticRegression(),
    )
    model = EnsembleDistiller([view], net(MaskedBag), cv=3, random_state=0)
    model.fit(BATCH, PARTLY)
    assert model.teacher_accuracy_["pipeline"] > 0.5
    proba = ask_teachers([view], BATCH, PARTLY, cv=3, random_state=0)
    given = clone(model).fit(BATCH, PARTLY, teacher_proba=proba)
    assert_array_equal(given.predict_proba(BATCH), model.predict_proba(BATCH))


# --- Datasets and files -----------------------------------------------------------


@pytest.mark.parametrize("n_workers", [0, 1])
def test_dataset_is_read_row_by_row(n_workers):
    rows = TensorDataset(torch.from_numpy(IDS), torch.zeros(N))
    student = net(iterator_train__num_workers=n_workers)
    distiller = distill(rows, student)
    assert distiller.student_.inputs_ == "as given"
    assert (distiller.predict(rows) == CODE).mean() > 0.9
    # what it was trained on, arrays are as well
    assert_allclose(
        distiller.predict_proba(rows), distiller.student_.predict_proba(IDS), atol=1e-6
    )


def test_dataset_of_mappings_reaches_forward_by_name():
    distiller = distill(Batches(), net(MaskedBag), validation_fraction=0.3)
    assert "valid_loss" in distiller.history_
    distiller.set_params(validation_fraction=None)
    distiller.partial_fit(Batches(), PARTLY, teacher_proba=PROBA)
    assert_allclose(distiller.predict_proba(Batches()).sum(axis=1), 1)


@pytest.mark.parametrize("form", [list, np.array, lambda paths: map(Path, paths)])
def test_files_are_loaded_by_the_students_own_dataset(tmp_path, form):
    paths = [str(tmp_path / f"{i}.npy") for i in range(N)]
    for path, row in zip(paths, IDS, strict=True):
        np.save(path, row)
    X = form(paths)
    X = X if isinstance(X, np.ndarray) else list(X)
    distiller = distill(X, net(dataset=Files))
    assert (distiller.predict(X) == CODE).mean() > 0.9
    assert_array_equal(distiller.predict(X), distiller.student_.predict(X))


def mix_rows(batch):
    """Mix each row of a batch with another: inputs and packed targets alike."""
    parts = zip(*batch, strict=True)
    X, target = (torch.stack([*map(torch.as_tensor, part)]) for part in parts)
    share = torch.rand(len(X), 1)
    order = torch.randperm(len(X))
    return tuple(share * part + (1 - share) * part[order] for part in (X, target))


def test_mixup_by_collate_fn_learns_soft_labels():
    onehot = np.eye(VOCABULARY, dtype=np.float32)[IDS[:, 0]]
    student = net(nn.Sequential(nn.LazyLinear(3)), iterator_train__collate_fn=mix_rows)
    distiller = distill(onehot, student)
    assert (distiller.predict(onehot) == CODE).mean() > 0.9
    again = distill(onehot, student)
    assert_array_equal(again.predict_proba(onehot), distiller.predict_proba(onehot))


class Noisy(Bag):
    """Forgets words in training, and only then."""

    def forward(self, ids):
        if self.training:
            ids = ids * (torch.rand(ids.shape) < 0.8)
        return super().forward(ids)


def test_augmentation_in_forward_is_seeded_and_off_at_prediction():
    first, again = distill(IDS, net(Noisy)), distill(IDS, net(Noisy))
    proba = first.predict_proba(IDS)
    assert_array_equal(again.predict_proba(IDS), proba)
    assert_array_equal(first.predict_proba(IDS), proba)
    assert not np.array_equal(proba, expected())


# --- What a module returns --------------------------------------------------------


class TupleBag(Bag):
    def forward(self, ids):
        return super().forward(ids), ids


@pytest.mark.parametrize("module", [NamedBag, TupleBag])
def test_logits_among_other_outputs_are_found(module):
    distiller = distill(IDS, net(module))
    assert_array_equal(distiller.predict_proba(IDS), expected())
    again = pickle.loads(pickle.dumps(distiller))
    assert_allclose(again.student_.predict_proba(IDS), expected(), atol=1e-6)
    again.partial_fit(IDS, PARTLY, teacher_proba=PROBA)
    assert_allclose(
        again.student_.predict_proba(IDS), again.predict_proba(IDS), atol=1e-6
    )


def as_shares(output):
    return output["logits"].double().softmax(dim=1)


def test_users_own_way_to_read_the_output_is_kept():
    distiller = distill(IDS, net(NamedBag, predict_nonlinearity=as_shares))
    assert distiller.student_.predict_nonlinearity is as_shares
    assert_allclose(distiller.predict_proba(IDS), expected(), atol=1e-6)


# --- clone, pickle ----------------------------------------------------------------


@pytest.mark.parametrize("module", [Bag, MaskedBag])
def test_clone_and_pickle_carry_what_was_decided(module):
    X = BATCH if module is MaskedBag else IDS
    distiller = distill(X, net(module))
    again = pickle.loads(pickle.dumps(distiller))
    assert_array_equal(again.predict_proba(X), expected(module))
    assert not hasattr(clone(distiller).student, "inputs_")
    single = {key: part[:1] for key, part in X.items()} if X is BATCH else X[:1]
    assert_allclose(again.predict_proba(single), expected(module)[:1], atol=1e-6)


# --- Errors -----------------------------------------------------------------------


def misfit(module=Bag, **params):
    return lambda X: distill(X, net(module, **params))


def predict(module=Bag):
    fitted = distill(BATCH if module is MaskedBag else IDS, net(module, max_epochs=1))
    return fitted.predict


class NoLogits(Bag):
    def forward(self, ids):
        return {"hidden": self.embed(ids)}


class Empty(Bag):
    def forward(self, ids):
        return ()


class OneNamed(NamedBag):
    def __init__(self):
        super().__init__(out_features=1)


class Hidden(Bag):
    def forward(self, ids):
        return self.embed(ids), self.layer(self.embed(ids).mean(dim=1))


def with_key(**parts):
    return {**BATCH, **parts}


@pytest.mark.parametrize(
    ("do", "X", "culprit", "cure"),
    [
        (misfit(), IDS + 5, "X has integers from 5 to 34", "a `num_embeddings`"),
        (misfit(), -IDS, "X has integers from -29 to 0", "map ids that it does not"),
        (misfit(), IDS.astype(float), "float32 rows of shape (5,)", "X.astype(np.int"),
        (misfit(), [[1, 2], [3]] * 30, "rows of unequal length, 2 values", "pad token"),
        (misfit(), BATCH, "input_ids, int64 (5,)", "names of arguments of the module"),
        (misfit(MaskedBag), IDS, "missing 1 required", "If it expects"),
        (
            misfit(MaskedBag),
            {"ids": IDS, "attention_mask": IDS},
            "unexpected keyword argument 'ids'",
            "The keys must be names of arguments of the module's forward",
        ),
        (
            misfit(MaskedBag),
            with_key(input_ids=IDS.astype(float)),
            "input_ids, float32 (5,)",
            "token ids integers",
        ),
        (
            misfit(MaskedBag),
            with_key(input_ids=IDS + 5),
            "input_ids has integers from 5 to 34",
            "a `num_embeddings` that is larger",
        ),
        (
            misfit(MaskedBag),
            with_key(input_ids=IDS.astype(str)),
            "X['input_ids'] must be an array of numbers",
            "a net takes dense numbers only",
        ),
        (
            misfit(MaskedBag),
            with_key(attention_mask=np.full(IDS.shape, np.nan)),
            "X['attention_mask'] has NaN",
            "impute, clip or scale it",
        ),
        (
            misfit(MaskedBag),
            with_key(attention_mask=IDS[:5]),
            "'attention_mask': 5",
            "one entry for each row",
        ),
        (misfit(NoLogits), IDS, "keys ['hidden']", "one of them must be 'logits'"),
        (misfit(Empty), IDS, "got tuple", "a tuple that begins with one"),
        (
            lambda X: distill(
                X,
                NeuralNetBinaryClassifier(OneNamed, train_split=None, verbose=0),
                y=CODE % 2,
                teacher_proba=PROBA[..., :2]
                / PROBA[..., :2].sum(axis=2, keepdims=True),
            ),
            IDS,
            "NeuralNetBinaryClassifier reads no output that is an object",
            "use NeuralNetClassifier",
        ),
        (
            misfit(MaskedBag),
            with_key(attention_mask=sparse.csr_matrix(IDS)),
            "X['attention_mask'] must be an array of numbers, got a csr_matrix",
            "dense numbers only",
        ),
        (misfit(Hidden), IDS, "got (9, 5, 8)", "`num_labels` of its config"),
        (
            lambda X: distill(X, net(dataset=Files)),
            ["no file"] * N,
            "rows of a list: [Errno 2]",
            "Its Dataset must make them so",
        ),
        (
            lambda X: distill(X, default_student(IDS)),
            BATCH,
            "student=None takes tables, got a SliceDict",
            "pass a net that reads it",
        ),
        (
            lambda X: distill(IDS, net(max_epochs=1)).partial_fit(
                X, PARTLY, teacher_proba=PROBA
            ),
            BATCH,
            "fitted on an array, got SliceDict",
            "the same form",
        ),
        (predict(), IDS + 5, "X has integers from 5 to 34", "a `num_embeddings`"),
        (predict(), IDS.astype(float), "fitted on integers", "X.astype(np.int64)"),
        (predict(), BATCH, "fitted on an array, got SliceDict", "the same form"),
        (
            predict(),
            TensorDataset(torch.from_numpy(IDS)),
            "got a Dataset",
            "pass its rows as an array",
        ),
        (predict(MaskedBag), IDS, "keys ['input_ids', 'attention_mask']", "same form"),
        (
            predict(MaskedBag),
            {"input_ids": IDS},
            "with the keys ['input_ids', 'attention_mask'], got ['input_ids']",
            "",
        ),
        (
            predict(MaskedBag),
            with_key(input_ids=IDS.astype(float)),
            "X['input_ids'] had int64 values",
            "pass input_ids.astype(np.int64)",
        ),
    ],
)
def test_error_names_culprit_and_cure(do, X, culprit, cure):
    with pytest.raises(ValueError, match=re.escape(culprit)) as caught:
        do(X)
    assert cure in str(caught.value)


def test_teacher_that_cannot_read_a_mapping_says_what_to_do():
    with pytest.raises(Exception, match="SliceDict") as caught:
        EnsembleDistiller([LogisticRegression()], net(MaskedBag), cv=3).fit(
            BATCH, PARTLY
        )
    assert "teacher_proba" in "\n".join(caught.value.__notes__)


def test_logits_as_predictions_are_told_how_to_become_probabilities():
    with pytest.raises(ValueError, match=r"scipy.special.softmax\(logits, axis=-1\)"):
        distill(IDS, teacher_proba=np.log(PROBA))


def test_options_of_the_users_loader_reach_ids():
    distiller = distill(IDS, net(iterator_train__num_workers=0))
    assert distiller.student_.inputs_ == "int64"
    assert_allclose(distiller.predict_proba(IDS).sum(axis=1), 1)


# --- What a stranger broke --------------------------------------------------------


class Scaled(nn.Module):
    """Computes with its rows before the first layer, and changes them in training."""

    def __init__(self, out_features=3):
        super().__init__()
        self.layer = nn.LazyLinear(out_features)

    def forward(self, X):
        Z = torch.empty_like(X)
        Z[:] = X / 16
        if self.training:
            Z = Z + 0.01 * torch.randn_like(X)
        return self.layer(Z * 1.0)


def test_bytes_are_numbers_to_a_module_that_takes_floats():
    X = IDS.astype(np.uint8)
    bytes_, floats = (distill(rows, net(Scaled)) for rows in (X, X.astype(np.float32)))
    assert bytes_.student_.inputs_ == "float32"
    assert_array_equal(bytes_.predict_proba(X), floats.predict_proba(X))


class Plain(SkorchDataset):
    """A Dataset of the user's that changes nothing."""


@pytest.mark.parametrize("form", [pd.DataFrame, lambda X: X.astype(object)])
def test_tables_of_numbers_are_float32_to_a_users_dataset(form):
    X = IDS / 7
    student = net(nn.Sequential(nn.LazyLinear(3)), dataset=Plain)
    expected = distill(X, student).predict_proba(X)
    assert_array_equal(distill(form(X), student).predict_proba(form(X)), expected)


def test_series_of_paths_is_taken_by_position(tmp_path):
    paths = [str(tmp_path / f"{i}.npy") for i in range(N)]
    for path, row in zip(paths, IDS, strict=True):
        np.save(path, row)
    X = pd.Series(paths, index=np.arange(N)[::-1])
    student = net(dataset=Files, max_epochs=2)
    listed = distill(paths, student, validation_fraction=0.2)
    distiller = distill(X, student, validation_fraction=0.2)
    assert_array_equal(distiller.predict_proba(X), listed.predict_proba(paths))


def test_fractions_are_never_cut_off_to_ids():
    distiller = distill(IDS, make_pipeline(FunctionTransformer(), net(max_epochs=1)))
    with pytest.raises(ValueError, match="fitted on integers"):
        distiller.predict(IDS + 0.7)
    with pytest.raises(RuntimeError, match=r"FloatTensor|DoubleTensor"):
        distiller.student_.predict(IDS + 0.7)


class Wrong(Bag):
    def __init__(self, out_features=3):
        super().__init__(out_features)
        self.layer = nn.Linear(9, out_features)


def test_true_reason_of_a_net_of_ids_is_given():
    with pytest.raises(ValueError, match="shapes cannot be multiplied"):
        distill(IDS, net(Wrong))


class Plainly:
    """An output that is no Mapping."""

    def __init__(self, logits):
        self.logits = logits


class ObjectBag(Bag):
    def forward(self, ids):
        return Plainly(super().forward(ids))


def test_logits_of_any_object_are_found():
    distiller = distill(IDS, net(ObjectBag))
    assert_array_equal(distiller.predict_proba(IDS), expected())


class SummedBag(Bag):
    """An EmbeddingBag, which says in other words what it lacks."""

    def __init__(self, out_features=3):
        super().__init__(out_features)
        self.embed = nn.EmbeddingBag(VOCABULARY, 8, padding_idx=0)

    def forward(self, ids):
        return self.layer(self.embed(ids))


@pytest.mark.parametrize("module", [Bag, MaskedBag, SummedBag])
def test_ids_beyond_the_vocabulary_are_named_while_training(module):
    def make(ids):
        return with_key(input_ids=ids) if module is MaskedBag else ids

    late = IDS.copy()
    late[-1, 0] = 99
    distiller = distill(make(IDS), net(module, max_epochs=1))
    with pytest.raises(ValueError, match="integers from 0 to 99"):
        distiller.partial_fit(make(late), PARTLY, teacher_proba=PROBA)
    with pytest.raises(ValueError, match="`num_embeddings` that is larger"):
        distiller.predict(make(late))
    for row in range(0, N, 7):  # some of them are held out
        odd = IDS.copy()
        odd[row, 0] = 99
        with pytest.raises(ValueError, match="to 99"):
            distill(make(odd), net(module, max_epochs=1), validation_fraction=0.3)


@pytest.mark.parametrize("cv", ["prefit", 3])
def test_parts_of_a_mapping_are_cast_for_a_teacher_that_is_a_net(cv):
    class Both(MaskedBag):
        def forward(self, input_ids, attention_mask):
            return super().forward(input_ids, attention_mask > 0.5) + 0 * (
                self.layer.weight[0, 0] * attention_mask.sum()
            )

    rows = with_key(attention_mask=(IDS > 0).astype(float))
    narrow = rows | {"input_ids": IDS.astype(np.int16)}
    teacher = net(Both, max_epochs=2)
    if cv == "prefit":
        fitted = {"input_ids": IDS, "attention_mask": rows["attention_mask"]}
        fitted["attention_mask"] = fitted["attention_mask"].astype(np.float32)
        teacher.fit(fitted, CODE)
    model = EnsembleDistiller([teacher], net(Both), cv=cv, random_state=0)
    assert model.fit(narrow, PARTLY).predict(narrow).shape == (N,)


def test_missing_numbers_of_a_memmap_or_under_a_mask_are_refused(tmp_path):
    mapped = np.memmap(tmp_path / "mask", dtype=np.float64, mode="w+", shape=IDS.shape)
    mapped[:] = 1
    mapped[5, 2] = np.nan
    masked = np.ma.array(np.ones(IDS.shape), mask=np.isnan(mapped))
    for part in (mapped, masked):
        with pytest.raises(ValueError, match=r"X\['attention_mask'\] has NaN"):
            distill(with_key(attention_mask=part), net(MaskedBag))


def test_built_in_module_takes_a_mapping():
    X = {"input": IDS.astype(np.float32)}
    distiller = distill(X, net(MLP, module__in_features=IDS.shape[1]))
    assert_allclose(distiller.predict_proba(X).sum(axis=1), 1)
    with pytest.raises(ValueError, match="X has 0 rows"):
        distiller.predict({"input": IDS[:0].astype(np.float32)})
