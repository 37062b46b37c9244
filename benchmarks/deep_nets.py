"""Networks that read texts and images: teachers and students of deep.py."""

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import CountVectorizer
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

PAD, UNKNOWN = 0, 1


class TokenIds(TransformerMixin, BaseEstimator):
    """Turn texts into the ids of their words, and of pairs of words, padded.

    >>> TokenIds(length=4).fit(["a red car", "a red one"]).transform(["a blue car"])
    array([[2, 1, 3, 0]])
    """

    def __init__(self, max_words=10_000, length=24, pairs=False):
        self.max_words = max_words
        self.length = length
        self.pairs = pairs

    def fit(self, X, y=None):
        """Learn which words are most frequent."""
        counter = CountVectorizer(
            token_pattern=r"(?u)\b\w+\b",
            ngram_range=(1, 2 if self.pairs else 1),
            max_features=self.max_words,
        ).fit(X)
        self.analyze_ = counter.build_analyzer()
        self.ids_ = {w: i + 2 for i, w in enumerate(sorted(counter.vocabulary_))}
        return self

    def transform(self, X):
        """Look up the words -> (n, length), int64."""
        ids = np.full((len(X), self.length), PAD)
        for row, text in zip(ids, X, strict=True):
            words = self.analyze_(text)[: self.length]
            row[: len(words)] = [self.ids_.get(word, UNKNOWN) for word in words]
        return ids


# --- Texts ----------------------------------------------------------------------------


class Bag(nn.Module):
    """The mean of the embeddings of all ids, and a linear layer."""

    def __init__(self, out_features=2, n_ids=10_002, width=64, dropout=0.3):
        super().__init__()
        self.embed = nn.EmbeddingBag(n_ids, width, mode="mean", padding_idx=PAD)
        self.end = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, out_features))

    def forward(self, ids):
        """Return the logits -> (b, c)."""
        return self.end(self.embed(ids))


class TextCNN(nn.Module):
    """Convolutions over two and three words, and the maximum of each."""

    def __init__(self, out_features=2, n_ids=10_002, width=64, dropout=0.3):
        super().__init__()
        self.embed = nn.Embedding(n_ids, width, padding_idx=PAD)
        self.filters = nn.ModuleList(
            nn.Conv1d(width, width, size, padding=1) for size in (2, 3)
        )
        self.end = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * width, out_features)
        )

    def forward(self, ids):
        """Return the logits -> (b, c)."""
        words = self.embed(ids).transpose(1, 2)  # (b, width, length)
        found = [f(words).relu().amax(dim=2) for f in self.filters]
        return self.end(torch.cat(found, dim=1))


class Transformer(nn.Module):
    """Two layers of self-attention, and the mean over words."""

    def __init__(
        self, out_features=2, n_ids=10_002, width=64, length=24, dropout=0.1, layers=2
    ):
        super().__init__()
        self.embed = nn.Embedding(n_ids, width, padding_idx=PAD)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.end = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out_features))

    def forward(self, ids):
        """Return the logits -> (b, c)."""
        is_pad = ids == PAD
        is_pad[:, 0] = False  # of a text without words
        words = self.embed(ids) + self.place[: ids.shape[1]]
        words = self.layers(words, src_key_padding_mask=is_pad)
        kept = (~is_pad).unsqueeze(2)
        return self.end((words * kept).sum(dim=1) / kept.sum(dim=1))


# --- Images ---------------------------------------------------------------------------


def augment(images):
    """Mirror half of the images, and move each by up to two pixels."""
    n, _, height, width = images.shape
    flip = torch.rand(n, 1, 1, 1, device=images.device) < 0.5
    images = F.pad(torch.where(flip, images.flip(3), images), [2] * 4)
    at = torch.randint(5, (2, n, 1), device=images.device)
    rows = at[0] + torch.arange(height, device=images.device)  # (n, height)
    columns = at[1] + torch.arange(width, device=images.device)
    index = torch.arange(n, device=images.device)[:, None, None]
    return images[index, :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


class ImageNet(nn.Module):
    """Reads flat images of 28 x 28 pixels; changes them in training if told to."""

    def __init__(self, augmented=False):
        super().__init__()
        self.augmented = augmented

    def read(self, X):
        """Return a batch as images -> (b, 1, 28, 28)."""
        images = X.view(-1, 1, 28, 28)
        return augment(images) if self.augmented and self.training else images


class PlainCNN(ImageNet):
    """Two convolutions with pooling."""

    def __init__(self, out_features=10, width=16, augmented=False):
        super().__init__(augmented)
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(2 * width * 49, out_features),
        )  # fmt: skip

    def forward(self, X):
        """Return the logits -> (b, c)."""
        return self.layers(self.read(X))


class ResidualCNN(ImageNet):
    """A residual block at each of two resolutions, with BatchNorm."""

    def __init__(self, out_features=10, width=16, augmented=False):
        super().__init__(augmented)
        self.stem = _conv(1, width, stride=2)
        self.first, self.down = _conv(width, width), _conv(width, 2 * width, stride=2)
        self.second = _conv(2 * width, 2 * width)
        self.end = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(2 * width * 49, out_features)
        )

    def forward(self, X):
        """Return the logits -> (b, c)."""
        Z = self.stem(self.read(X))
        Z = self.down(Z + self.first(Z))
        Z = Z + self.second(Z)
        return self.end(Z)


class PatchMixer(ImageNet):
    """Patches of 4 x 4 pixels, mixed by depthwise convolutions."""

    def __init__(self, out_features=10, width=32, augmented=False):
        super().__init__(augmented)
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=4), nn.GELU(), nn.BatchNorm2d(width),
            nn.Conv2d(width, width, 5, padding=2, groups=width), nn.GELU(),
            nn.BatchNorm2d(width), nn.Conv2d(width, 2 * width, 1), nn.GELU(),
            nn.BatchNorm2d(2 * width), nn.Flatten(), nn.Dropout(0.3),
            nn.Linear(2 * width * 49, out_features),
        )  # fmt: skip

    def forward(self, X):
        """Return the logits -> (b, c)."""
        return self.layers(self.read(X))


def _conv(n_in, n_out, *, stride=1):
    conv = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU())


# --- In skorch ------------------------------------------------------------------------


def make_net(module, *, max_epochs, lr=2e-3, batch_size=64, **options):
    """Return a net that is trained by AdamW."""
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__fused=True,
        lr=lr,
        batch_size=batch_size,
        max_epochs=max_epochs,
        iterator_train__shuffle=True,
        iterator_train__drop_last=True,  # a BatchNorm takes no single row
        train_split=None,
        verbose=0,
        **options,
    )
