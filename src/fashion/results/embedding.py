"""Find similar images, and lay all of them out in a plane, by the features of a pretrained network."""

import numpy as np
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

CHUNK = 1000  # images whose similarities to all others are computed at a time
PERPLEXITY = 30  # of t-SNE: about the number of neighbours that each image should lie beside


def most_similar(
    features: np.ndarray, candidates: np.ndarray, count: int, itself: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the most similar candidates of each image; give their indices and cosine similarities, both N x count.

    features: N x D. candidates: M x D. itself: the index of each image among the candidates, if it is one of them.

    >>> most_similar(np.eye(2), np.array([[1, 0.1], [0, 1], [1, 1]]), count=1)[0].ravel().tolist()
    [0, 1]
    """
    if not len(features):
        return np.empty((0, count), int), np.empty((0, count))
    features, candidates = normalize(features), normalize(candidates)
    indices, similarities = [], []
    for start in range(0, len(features), CHUNK):
        products = features[start : start + CHUNK] @ candidates.T
        if itself is not None:
            products[np.arange(len(products)), itself[start : start + CHUNK]] = -np.inf
        order = np.argsort(-products, axis=1, kind="stable")[:, :count]
        indices.append(order)
        similarities.append(np.take_along_axis(products, order, axis=1))
    return np.concatenate(indices), np.concatenate(similarities)


def most_similar_pairs(features: np.ndarray) -> list[tuple[int, int, float]]:
    """List each image with its most similar other one, and their similarity: each pair once, the most similar first."""
    if len(features) < 2:
        return []
    others, similarities = most_similar(features, features, 1, itself=np.arange(len(features)))
    pairs = {
        (min(index, other), max(index, other)): float(similarity)
        for index, (other, similarity) in enumerate(zip(others[:, 0].tolist(), similarities[:, 0], strict=True))
    }
    return sorted(((*pair, similarity) for pair, similarity in pairs.items()), key=lambda pair: -pair[2])


def lay_out(features: np.ndarray) -> np.ndarray:
    """Give each image a place in a plane, N x 2 from 0 to 1, with similar images side by side (t-SNE)."""
    if len(features) < 4:
        return np.linspace(0, 1, len(features))[:, None].repeat(2, 1)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    places = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=0).fit_transform(features)
    return (places - places.min(0)) / np.maximum(np.ptp(places, axis=0), 1e-9)
