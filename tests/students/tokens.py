"""Rows of token ids, nets that read them, and a world in which they are learned."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from sk_ekd import EnsembleDistiller

N, LENGTH, VOCABULARY = 60, 5, 30
IDS = np.random.RandomState(0).randint(1, 20, (N, LENGTH))
IDS[:, 0] = 20 + np.arange(N) % 10  # the words that tell the class
IDS[:, -1] = np.arange(N) % 2 * IDS[:, -1]  # every second row is padded
CODE = IDS[:, 0] % 3
PARTLY = np.where(np.arange(N) % 3, CODE, -1)
PROBA = np.eye(3)[CODE][:, np.newaxis] * 0.8 + 0.2 / 3  # of one teacher
BATCH = {"input_ids": IDS, "attention_mask": (IDS > 0).astype(np.int64)}


class Bag(nn.Module):
    """The mean of embeddings, and a layer."""

    def __init__(self, out_features=3, n_ids=VOCABULARY):
        super().__init__()
        self.embed = nn.Embedding(n_ids, 8)
        self.layer = nn.Linear(8, out_features)

    def forward(self, ids):
        return self.layer(self.embed(ids).mean(dim=1))


class MaskedBag(Bag):
    """The same, over what a mask keeps."""

    def forward(self, input_ids, attention_mask):
        kept = attention_mask.unsqueeze(2).float()
        total = (self.embed(input_ids) * kept).sum(dim=1)
        return self.layer(total / kept.sum(dim=1))


class Named(dict):
    """As a Hugging Face output: a Mapping whose items are attributes, too."""

    __getattr__ = dict.__getitem__


class NamedBag(Bag):
    def forward(self, ids):
        words = self.embed(ids)
        return Named(hidden=words, logits=self.layer(words.mean(dim=1)))


def net(module=Bag, **params):
    """Return a net that learns the rows in a few epochs."""
    defaults = {
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "lr": 0.05,
        "max_epochs": 30,
        "batch_size": 16,
        "train_split": None,
        "verbose": 0,
    }
    return NeuralNetClassifier(module, **{**defaults, **params})


def distill(X, student=None, *, y=PARTLY, teacher_proba=PROBA, **params):
    """Fit a distiller of one teacher, whose predictions are given."""
    model = EnsembleDistiller(None, student or net(), random_state=0, **params)
    return model.fit(X, y, teacher_proba=teacher_proba)
