"""Find labels that are probably wrong, by confident learning (Northcutt et al., arXiv 1911.00068), with cleanlab."""

import warnings

import numpy as np
from cleanlab.filter import find_label_issues


def find_wrong_labels(labels: np.ndarray, probabilities: np.ndarray) -> list[tuple[int, int, float]]:
    """List images whose labels are probably wrong: index, likelier label, and score; the lowest score first.

    labels: N class indices. probabilities: N x classes, of models that have not seen the image. score: the probability
    of the label minus the highest of the others, from -1 to 1.
    """
    probabilities = probabilities.astype(np.float64)
    probabilities /= probabilities.sum(1, keepdims=True)
    with warnings.catch_warnings(action="ignore"):  # of classes without images
        found = find_label_issues(labels, probabilities, return_indices_ranked_by="normalized_margin", n_jobs=1)
    others = probabilities[found]
    given = others[np.arange(len(found)), labels[found]]
    others[np.arange(len(found)), labels[found]] = -1
    margins = given - others.max(1)
    return [
        (int(index), int(likelier), float(margin))
        for index, likelier, margin in zip(found, others.argmax(1), margins, strict=True)
    ]
