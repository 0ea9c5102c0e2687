"""Pairs of points, all of them or a balanced choice."""

import numpy as np

# Below this number of pairs all of them are taken; above, so many partners of each point that there are about as many pairs,
# and at least the second number of partners on either side.
MOST_PAIRS = 200_000
_LEAST_PARTNERS = 5


def pairs_of(x: np.ndarray, most: int = MOST_PAIRS) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the first and of the second points (N,) of all pairs whose x differ, or of a balanced choice of them
    where there are more than `most`.

    That choice is the same for the same points: in the order of x each point i is paired with i + k, the order closed to a
    circle, for evenly spaced k up to half of the way round. Every point is in as many pairs as any other, and the
    distances are distributed as those of all pairs, up to the spacing of the k.

    >>> first, second = pairs_of(np.array([0.0, 1.0, 1.0, 3.0]))
    >>> list(zip(first.tolist(), second.tolist()))
    [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)]
    >>> pairs_of(np.arange(1000.0), most=20_000)[0].size
    20000
    """
    count = x.size
    if count * (count - 1) // 2 <= most:
        first, second = np.triu_indices(count, 1)
    else:
        order = np.argsort(x, kind="stable")
        partners = max(most // count, _LEAST_PARTNERS)
        # The middles of equal parts of [0, M / 2]: no distance is given preference.
        steps = np.unique(np.ceil((np.arange(partners) + 0.5) / partners * (count - 1) / 2).astype(int))
        places = np.arange(count)
        first = order[np.tile(places, steps.size)]
        second = order[(places[None, :] + steps[:, None]).ravel() % count]
    apart = x[second] != x[first]
    return first[apart], second[apart]
