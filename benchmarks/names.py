"""Say in words what a method is: figures and pages have no names of the code."""

from examples.looks import BEST, DEFAULT, LABELS_ONLY, MEAN, POOL

NAMES = {
    "ensemble": MEAN,
    "pool": POOL,
    "best_teacher": BEST,
    "lightgbm": "LightGBM, tuned",
    "logistic": "logistic regression, tuned",
    "labels_only": LABELS_ONLY,
    "pseudo_labels": "same network, hard pseudo-labels",
    "mean": "same network, mean distilled",
    "default": DEFAULT,
    "default_in_sample": "the default, teachers fitted on the same rows",
    "calibrated": "calibrated pool distilled",
    "no_synthetic": "the default without synthetic rows",
    "before": "calibrated pool distilled, no synthetic rows",
    "uniform": "the default without weights",
    "unified": "the default, weights by disagreement as well",
    "alpha_0.75": "the default, alpha=0.75",
    "alpha_1": "the default, alpha=1",
    "tree_alone": "tree of 64 leaves, labels only",
    "tree": "tree of 64 leaves, distilled",
    "booster_alone": "LightGBM, not tuned, labels only",
    "booster": "LightGBM, not tuned, distilled",
    "autogluon": "AutoGluon",
    "autogluon_distilled": "AutoGluon, distilled",
    "tabtune_distilled": "TabTune, distilled",
}


def spell(name):
    """Write the name of a method in words.

    >>> spell("lightgbm"), spell("a name of its own")
    ('LightGBM, tuned', 'a name of its own')
    """
    return NAMES.get(name, name.replace("_", " "))


POOLS = {
    "mean": "plain mean",
    "calibrated": "**calibrated**, out of fold",
    "calibrated, in sample": "calibrated, in sample",
    "stacked": "stacked",
    "weights only": "weights only",
    "temperatures only": "temperatures only",
    "each calibrated alone": "mean of teachers calibrated each by itself",
    "greedy selection": "greedy selection (Caruana)",
    "logarithmic": "logarithmic, fitted weights",
    "logarithmic, even": "logarithmic, even weights",
}
SHIFTS = {
    "ensemble": "mean of the teachers",
    "pool": "stacked pool",
    "labels_only": "labels only",
    "default": "**the default**",
    "no_synthetic": "no synthetic rows",
    "alpha_0.75": "`alpha=0.75`",
    "alpha_1": "`alpha=1`",
    "no_synthetic_alpha_1": "no synthetic rows, `alpha=1`",
    "limit_2": "limit of 2",
    "limit_20": "limit of 20",
    "no_limit": "no limit",
    "robust": "robust scales first",
    "quantiles": "normal quantiles first",
}
VARIANTS = {  # of the built-in student
    "base": "*2 x 256, rate 3e-3: the base*",
    "hidden_128_lr_and_batch_by_rows": (
        "**2 x 128, rate and batches by the number of rows: built in**"
    ),
    "hidden_64": "2 x 64",
    "hidden_128": "2 x 128",
    "hidden_512": "2 x 512",
    "one_layer": "1 x 256",
    "three_layers": "3 x 256",
    "residual": "residual blocks",
    "layer_norm": "layer norm",
    "silu": "SiLU in place of ReLU",
    "tabm": "TabM-like, 8 members with a loss each",
    "tabm_one_loss": "TabM-like, 8 members with one loss",
    "piecewise": "piecewise-linear embeddings",
    "periodic": "periodic embeddings",
    "periodic_0.01": "periodic embeddings, scale 0.01",
    "quantile": "quantiles of the numbers",
    "robust": "robust scales",
    "robust_bent": "robust scales, smoothly clipped",
    "clip_3": "numbers clipped at 3",
    "clip_5": "numbers clipped at 5",
    "dropout_0": "no dropout",
    "dropout_0.25": "dropout 0.25",
    "lr_1e-3": "rate 1e-3",
    "lr_1e-2": "rate 1e-2",
    "lr_2e-2": "rate 2e-2",
    "decay_0": "no weight decay",
    "decay_1e-1": "weight decay 0.1",
    "constant": "constant rate",
    "cosine_by_step": "cosine by step",
    "warm_up": "warm-up",
    "one_cycle": "one cycle",
    "one_cycle_1e-2": "one cycle, rate 1e-2",
    "average_0.99": "averaged weights, decay 0.99",
    "average_0.998": "averaged weights, decay 0.998",
    "constant_average": "constant rate, averaged weights",
    "steps_1000": "1,000 steps",
    "steps_4000": "4,000 steps",
    "steps_8000": "8,000 steps",
    "batch_32": "batches of 32",
    "batch_128": "batches of 128",
    "batch_256": "batches of 256",
    "batch_32_same_epochs": "batches of 32, as many epochs",
    "batch_128_same_epochs": "batches of 128, as many epochs",
    "batch_256_same_epochs": "batches of 256, as many epochs",
    "batch_by_rows": "batches by the number of rows",
    "hidden_128_lr_by_rows": "2 x 128, rate by the number of rows",
    "lr_1e-2_hidden_128": "2 x 128, rate 1e-2",
    "lr_1e-2_hidden_128_batch_by_rows": (
        "2 x 128, rate 1e-2, batches by the number of rows"
    ),
    "lr_1e-2_three_layers": "3 x 256, rate 1e-2",
    "lr_1e-2_batch_128": "rate 1e-2, batches of 128",
    "lr_1e-2_layer_norm": "layer norm, rate 1e-2",
}
