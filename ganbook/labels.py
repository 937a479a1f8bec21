"""Labels where they are few, and clusters that were found without any."""

import numpy as np

from ganbook import _checks


def few_labels(y, n, n_classes, seed):
    """Which n examples keep their labels: their indices in y, (n,) int64, in random order.

    Drawn without replacement, every class equally often to within one.

    Args:
        y: (m,) integer labels in [0, n_classes).
        n: how many, at least n_classes.
        seed: an int; the same one draws the same examples.

    Raises:
        ValueError: y holds another label, n is too small for every class to occur, or a class has too few.
    """
    n_classes = _checks.positive_int("n_classes", n_classes)
    y = _checks.labels("y", y, n_classes)
    n = _checks.positive_int("n", n)
    if n < n_classes:
        raise ValueError(f"n={n}: want at least n_classes={n_classes}, for every class to occur")
    rng = np.random.default_rng(_checks.random_seed(seed))
    share = np.full(n_classes, n // n_classes)
    share[rng.permutation(n_classes)[: n % n_classes]] += 1
    drawn = []
    for k, wanted in enumerate(share):
        of_class = np.flatnonzero(y == k)
        if len(of_class) < wanted:
            raise ValueError(f"y holds the label {k} {len(of_class)} times: want at least {wanted} for n={n}")
        drawn.append(rng.permutation(of_class)[:wanted])
    return rng.permutation(np.concatenate(drawn))


def match_classes(codes, y, n_codes, n_classes):
    """The class that each code stands for, each class once, such that most labels agree: (n_codes,) int64.

    This is the assignment problem, solved by scipy ("Hungarian" matching). Of more codes than classes some
    are left over: -1, which agrees with no label.

    The best of many matchings agrees by luck too: ten random codes with 1,000 labels of ten classes in 14 %.
    So match some examples and score others: `(match_classes(codes[:500], y[:500], 10, 10)[codes[500:]] ==
    y[500:]).mean()`.

    Args:
        codes: (n,) ints in [0, n_codes), such as clusters.
        y: (n,) integer labels in [0, n_classes).
    """
    from scipy.optimize import linear_sum_assignment

    n_codes, n_classes = (
        _checks.positive_int(name, k) for name, k in (("n_codes", n_codes), ("n_classes", n_classes))
    )
    codes, y = _checks.labels("codes", codes, n_codes), _checks.labels("y", y, n_classes)
    if len(codes) != len(y):
        raise ValueError(f"codes has {len(codes)} examples, y has {len(y)}: want equally many")
    together = np.zeros((n_codes, n_classes), "int64")
    np.add.at(together, (codes, y), 1)
    matched = np.full(n_codes, -1)
    rows, columns = linear_sum_assignment(together, maximize=True)
    matched[rows] = columns
    return matched
