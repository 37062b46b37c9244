"""Tokenizers and models of Hugging Face: students and teachers of texts."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch import NeuralNetClassifier
from skorch.hf import HuggingfacePretrainedTokenizer, HuggingfaceTokenizer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    PreTrainedTokenizerFast,
)

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.model_selection import SemiSupervisedSplit
from tests.students.tokens import net

COLORS = ["blue", "green", "red"]
WORDS = ["a", "the", "one", "car", "house", "tree", "old", "new"]
RNG = np.random.RandomState(0)
TRUTH = np.array(COLORS, dtype=object)[np.arange(60) % 3]
TEXTS = [" ".join(RNG.permutation([c, *RNG.choice(WORDS, 4)])) for c in TRUTH]
PARTLY = np.where(np.arange(60) % 4, TRUTH, None)
SPECIAL = ["[UNK]", "[PAD]"]
KEYS = "input_ids", "attention_mask"  # of what a tokenizer returns
CONFIG = BertConfig(
    vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=8, max_position_embeddings=8, hidden_dropout_prob=0.0,
)  # fmt: skip


class WordBag(nn.Module):
    """Reads what a tokenizer returns, of which it takes the ids."""

    def __init__(self, out_features=3):
        super().__init__()
        self.embed = nn.EmbeddingBag(20, 8, padding_idx=1)
        self.layer = nn.Linear(8, out_features)

    def forward(self, input_ids, attention_mask):
        return self.layer(self.embed(input_ids))


def trained_tokenizer():
    """Return a transformer that trains a tokenizer on the texts that it is given."""
    return HuggingfaceTokenizer(
        Tokenizer(WordLevel(unk_token="[UNK]")),
        trainer="auto",
        trainer__vocab_size=20,
        trainer__special_tokens=SPECIAL,
        pre_tokenizer=Whitespace(),
        max_length=6,
    )


def fast_tokenizer():
    """Return a tokenizer as `transformers` loads one."""
    trained = trained_tokenizer().fit(TEXTS)
    return PreTrainedTokenizerFast(
        tokenizer_object=trained.fast_tokenizer_.backend_tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
    )


def loaded_tokenizer():
    """Return a transformer of a tokenizer that is trained already."""
    return HuggingfacePretrainedTokenizer(fast_tokenizer(), max_length=6)


def bert():
    """Return a net of a model that is made from a config, for any number of classes."""
    from_config = AutoModelForSequenceClassification.from_config
    return net(from_config, module__config=CONFIG, max_epochs=30, lr=0.01)


def teacher():
    return make_pipeline(TfidfVectorizer(), LogisticRegression())


@pytest.mark.parametrize("tokenizer", [trained_tokenizer, loaded_tokenizer])
@pytest.mark.parametrize("model", [lambda: net(WordBag), bert])
def test_pipeline_of_tokenizer_and_net_is_a_student(tokenizer, model):
    student = make_pipeline(tokenizer(), model())
    distiller = EnsembleDistiller([teacher()], student, cv=3, random_state=0)
    distiller.fit(TEXTS, PARTLY)
    assert (distiller.predict(TEXTS) == TRUTH).mean() > 0.6  # by chance, 0.33
    again = pickle.loads(pickle.dumps(distiller))
    proba = again.predict_proba(TEXTS)
    assert_array_equal(proba, distiller.predict_proba(TEXTS))
    assert_allclose(again.student_.predict_proba(TEXTS), proba, atol=1e-5)
    again.partial_fit(TEXTS, PARTLY)
    assert CONFIG.num_labels == 2  # the caller's own
    clone(again).fit(TEXTS[:30], PARTLY[:30])


def test_batch_encoding_is_rows():
    rows = fast_tokenizer()(TEXTS, padding=True, return_tensors="pt")
    proba = np.eye(3)[np.searchsorted(COLORS, TRUTH.astype(str))][:, np.newaxis]
    model = EnsembleDistiller(None, net(WordBag), classes=COLORS, random_state=0)
    model.fit(rows, PARTLY, teacher_proba=proba)
    assert (model.predict(rows) == TRUTH).mean() > 0.9


def test_search_over_a_pipeline_of_texts():
    student = make_pipeline(trained_tokenizer(), net(WordBag))
    model = EnsembleDistiller([teacher()], student, cv=3, random_state=0)
    grid = {"student__neuralnetclassifier__lr": [1e-5, 0.05]}
    search = GridSearchCV(model, grid, cv=SemiSupervisedSplit(2), n_jobs=2)
    search.fit(TEXTS, PARTLY)
    assert search.best_params_ == {"student__neuralnetclassifier__lr": 0.05}


def test_model_of_another_number_of_labels_is_told_where_it_is_set():
    model = AutoModelForSequenceClassification.from_config(CONFIG)
    student = make_pipeline(trained_tokenizer(), net(model))
    with pytest.raises(ValueError, match=r"got \(\d, 2\).*`num_labels` of its config"):
        EnsembleDistiller([teacher()], student, cv=3).fit(TEXTS, PARTLY)


def as_proba(output):
    return output.logits.softmax(dim=1)


def test_model_with_its_tokenizer_is_a_teacher():
    torch.manual_seed(0)
    config = BertConfig(**{**CONFIG.to_dict(), "id2label": dict(enumerate(COLORS))})
    model = AutoModelForSequenceClassification.from_config(config).train()
    skorch_net = NeuralNetClassifier(
        model,
        criterion=nn.CrossEntropyLoss,
        classes=COLORS,
        predict_nonlinearity=as_proba,
        batch_size=16,
    ).initialize()
    large = make_pipeline(loaded_tokenizer().fit(TEXTS), skorch_net)
    proba = ask_teachers([("BERT", large)], TEXTS, np.full(60, None))
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)
    with torch.inference_mode():
        rows = fast_tokenizer()(TEXTS, padding="max_length", max_length=6)
        tensors = {key: torch.tensor(rows[key]) for key in KEYS}
        expected = as_proba(model.eval()(**tensors)).numpy()
    assert_allclose(proba[:, 0], expected, atol=1e-5)
    model = EnsembleDistiller([large], net(WordBag), random_state=0)
    model.set_params(student=make_pipeline(trained_tokenizer(), net(WordBag)))
    assert model.fit(TEXTS, np.full(60, None)).predict_proba(TEXTS).shape == (60, 3)
