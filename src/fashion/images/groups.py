"""Number the groups of images that stay together."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

NO_PAIRS = np.empty((0, 2), int)


def join_groups(*groupings: np.ndarray, pairs: np.ndarray = NO_PAIRS) -> np.ndarray:
    """Number the groups that remain if images stay together that any of the groupings, numbers of N, has together.

    pairs: indices of M x 2, of images that stay together, too.

    >>> join_groups(np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 8]), pairs=np.array([[3, 4]])).tolist()
    [0, 0, 0, 1, 1]
    """
    count = len(groupings[0])
    first, second = [pairs[:, 0]], [pairs[:, 1]]
    for groups in groupings:
        _, starts, numbers = np.unique(groups, return_index=True, return_inverse=True)
        first.append(np.arange(count))
        second.append(starts[numbers])
    ends = np.concatenate(first), np.concatenate(second)
    edges = coo_array((np.ones(len(ends[0]), bool), ends), (count, count))
    return connected_components(edges, directed=False)[1]
