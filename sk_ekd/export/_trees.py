"""Write into converted trees of scikit-learn where they send missing values.

Its converter reads no `missing_go_to_left`, and does not end at the threshold of a
split between missing values and all others, which is infinite.
"""

import copy

import numpy as np

NODES = "nodes_treeids", "nodes_missing_value_tracks_true"
LARGEST = np.finfo(np.float32).max  # of a value that a tree takes


def find_trees(model):
    """Return the fitted trees of a model, in the order of a converter -> list."""
    if hasattr(model, "tree_"):
        return [model.tree_]
    members = getattr(model, "estimators_", ())
    return [tree for member in np.ravel(members) for tree in find_trees(member)]


def with_finite_thresholds(model):
    """Return the model, or a copy in which no threshold is infinite."""
    if not any(np.isinf(tree.threshold).any() for tree in find_trees(model)):
        return model
    model = copy.deepcopy(model)
    for tree in find_trees(model):
        tree.threshold[np.isinf(tree.threshold)] = LARGEST
    return model


def send_missing(model, converted):
    """Let the nodes of a converted model send missing values as its trees do."""
    trees = [tree for tree in find_trees(model) if hasattr(tree, "missing_go_to_left")]
    for node in converted.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if not set(NODES) <= attributes.keys():
            continue
        tree_ids, tracks = (attributes[name].ints for name in NODES)
        _, counts = np.unique(tree_ids, return_counts=True)
        here, trees = trees[: len(counts)], trees[len(counts) :]
        if [tree.node_count for tree in here] == counts.tolist():
            tracks[:] = np.concatenate([t.missing_go_to_left for t in here]).tolist()
