"""Properties of data, metrics and losses, for inputs that hypothesis chooses, against other computations."""

import decimal
import functools
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg, stats

from ganbook import (
    MaximumLikelihood,
    Minimax,
    Mixture,
    NonSaturating,
    batches,
    data,
    digits,
    frechet_distance,
    grid,
    high_quality_share,
    kernel_distance,
    modes_covered,
    nearest_neighbour_accuracy,
    precision_recall,
    ring,
)


def examples(n):
    """The same ones in every run, and no clock: what fails, fails on every machine."""
    return settings(derandomize=True, deadline=None, max_examples=n)


SEEDS = st.integers(0, 2**32 - 1)


def between(low, high):
    return st.floats(low, high, width=32, allow_subnormal=False)


@st.composite
def mixtures(draw, dims=(1, 2, 3)):
    k, d = draw(st.integers(1, 5)), draw(st.sampled_from(dims))
    centers = draw(st.lists(st.lists(between(-5, 5), min_size=d, max_size=d), min_size=k, max_size=k))
    stds = draw(st.lists(between(0.125, 3), min_size=k, max_size=k))
    weights = draw(st.lists(between(0.125, 8), min_size=k, max_size=k))
    return Mixture(centers, stds, weights), centers, stds, [w / sum(weights) for w in weights]


@st.composite
def features(draw, least=2, most=30, sets=2):
    """Sets of vectors of one length, of other sizes, places and scales; no two distances are equal."""
    rng, d = np.random.default_rng(draw(SEEDS)), draw(st.integers(1, 5))
    made = []
    for _ in range(sets):
        n, scale, shift = draw(st.integers(least, most)), draw(between(0.125, 3)), draw(between(-3, 3))
        made.append((scale * rng.normal(size=(n, d)) + shift).astype("float32"))
    return made


@st.composite
def rotations(draw, d):
    return stats.ortho_group.rvs(d, random_state=draw(SEEDS)) if d > 1 else np.array([[-1.0]])


class TestDensities:
    @examples(60)
    @given(mixtures(), st.data())
    def test_log_density_is_that_of_scipys_normals(self, made, more):
        mixture, centers, stds, weights = made
        point = st.lists(between(-20, 20), min_size=mixture.dim, max_size=mixture.dim)
        x = np.array(more.draw(st.lists(point, min_size=1, max_size=4)))
        terms = [
            math.log(w) + stats.multivariate_normal(c, s**2).logpdf(x)
            for w, c, s in zip(weights, centers, stds, strict=True)
        ]
        expected = np.logaddexp.reduce([np.atleast_1d(t) for t in terms])
        np.testing.assert_allclose(mixture.log_density(x), expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(mixture.density(x), np.exp(expected), rtol=1e-6, atol=1e-300)
        assert (mixture.density(x) >= 0).all()

    @examples(25)
    @given(mixtures(dims=(1,)))
    def test_on_the_line_the_density_integrates_to_one(self, made):
        mixture, centers, stds, _ = made
        at = np.ravel(centers)
        ends = at.min() - 10 * max(stds), at.max() + 10 * max(stds)
        density = lambda x: mixture.density(np.array([[x]]))[0]  # noqa: E731
        inner = np.unique([a + s * b for a, s in zip(at, stds, strict=True) for b in (-1, 0, 1)])
        total, _ = integrate.quad(density, *ends, points=inner, limit=500)
        assert total == pytest.approx(1, abs=1e-5)

    @examples(15)
    @given(
        st.one_of(
            st.builds(ring, st.integers(1, 12), between(0.5, 3), between(0.25, 1)),
            st.builds(grid, st.integers(1, 5), between(0.25, 1), between(0.25, 1)),
        )
    )
    def test_in_the_plane_the_density_integrates_to_one(self, mixture):
        """A sum over a grid finer than the modes, which converges faster than any power."""
        std = mixture.stds.max()
        reach = np.abs(mixture.centers).max() + 6 * std
        axis, step = np.linspace(-reach, reach, math.ceil(4 * reach / std), retstep=True)
        points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        assert mixture.density(points).sum() * step**2 == pytest.approx(1, abs=1e-5)

    @examples(30)
    @given(st.integers(2, 40), between(0.125, 50))
    def test_a_ring_turned_by_one_mode_is_itself(self, n, radius):
        centers = ring(n, radius).centers @ [1, 1j]
        np.testing.assert_allclose(abs(centers), radius, rtol=1e-6)
        turned = centers * np.exp(2j * np.pi / n)
        distance = abs(turned[:, None] - centers) / radius
        assert distance.min(axis=1).max() < 1e-6
        assert len(set(distance.argmin(axis=1))) == n

    @examples(30)
    @given(st.integers(2, 12), between(0.125, 50))
    def test_a_grid_has_its_neighbours_at_the_spacing(self, side, spacing):
        centers = grid(side, spacing).centers
        np.testing.assert_allclose(centers.mean(0), 0, atol=1e-5 * spacing)
        pairs = [math.dist(a, b) for a, b in itertools.combinations(centers.tolist(), 2)]
        near = np.isclose(pairs, spacing, rtol=1e-5)
        assert min(pairs) == pytest.approx(spacing, rel=1e-5)
        assert near.sum() == 2 * side * (side - 1)

    @examples(30)
    @given(mixtures(), st.integers(1, 50), SEEDS)
    def test_samples_are_those_of_their_seed(self, made, n, seed):
        x, again = (made[0].sample(n, seed) for _ in range(2))
        assert (x.shape, x.dtype) == ((n, made[0].dim), np.float32)
        np.testing.assert_array_equal(x, again)
        least = min(np.abs(c - x[0]).max() / s for c, s in zip(made[0].centers, made[0].stds, strict=True))
        assert least < 8  # near one of the modes


class TestPipelines:
    @examples(25)
    @given(st.integers(1, 40), st.data(), SEEDS, st.booleans())
    def test_an_epoch_has_every_example_at_most_once_in_whole_batches(self, n, more, seed, labelled):
        size = more.draw(st.integers(1, n))
        x = np.arange(n, dtype="float32")[:, None]
        c = 3 * np.arange(n)
        dataset = batches(x, c if labelled else None, batch_size=size, seed=seed)
        assert int(dataset.cardinality()) == n // size
        for _ in range(2):
            epoch = list(dataset)
            drawn = [int(v) for b in epoch for v in (b[0] if labelled else b)[:, 0]]
            assert [len(b[0] if labelled else b) for b in epoch] == [size] * (n // size)
            assert len(drawn) == len(set(drawn)) == n // size * size
            assert set(drawn) <= set(range(n))
            if labelled:
                assert [int(v) for b in epoch for v in b[1]] == [3 * v for v in drawn]

    @examples(12)
    @given(between(-100, 100), between(0.0625, 100))
    def test_digits_fill_the_range_and_keep_their_greys(self, low, width):
        high = low + width
        ((x, y), (x_test, y_test)) = digits(low=low, high=high)
        (raw, labels), (raw_test, labels_test) = data._embedded_mnist()
        for pixels, bytes_ in ((x, raw), (x_test, raw_test)):
            assert (pixels.dtype, pixels.shape[1:]) == (np.float32, (28, 28, 1))
            assert pixels.min() == pytest.approx(low, abs=1e-4)
            assert pixels.max() == pytest.approx(high, abs=1e-4)
            np.testing.assert_allclose(
                pixels[:50].ravel(), np.interp(bytes_[:50].ravel(), [0, 255], [low, high]), atol=1e-4
            )
        np.testing.assert_array_equal(np.append(y, y_test), np.append(labels, labels_test))


class TestModes:
    @examples(60)
    @given(mixtures(), SEEDS, st.integers(1, 40), between(0.25, 4), st.integers(1, 4))
    def test_they_are_the_counts_of_loops(self, made, seed, n, radius, least):
        mixture, centers, stds, _ = made
        rng = np.random.default_rng(seed)
        # About the modes, so that some are within the radius; no distance is the radius itself.
        which = rng.integers(len(centers), size=n)
        spread = rng.normal(size=(n, mixture.dim)) * 2
        samples = (np.array(centers)[which] + spread * np.array(stds)[which, None]).astype("float32")
        hits = [0] * len(centers)
        for sample in samples.tolist():
            away = [math.dist(sample, c) / s for c, s in zip(centers, stds, strict=True)]
            in_order = sorted(away)
            assume(len(away) == 1 or in_order[1] - in_order[0] > 1e-9)  # two modes in one place
            hits[away.index(in_order[0])] += in_order[0] <= radius
        covered = modes_covered(samples, mixture, radius, least)
        share = high_quality_share(samples, mixture, radius)
        assert covered == sum(h >= least for h in hits)
        assert share == pytest.approx(sum(hits) / n)
        assert 0 <= share <= 1
        assert modes_covered(samples, mixture, radius, least + 1) <= covered
        assert high_quality_share(samples, mixture, 2 * radius) >= share
        shuffled = rng.permutation(samples)
        assert modes_covered(shuffled, mixture, radius, least) == covered


class TestFrechet:
    @examples(40)
    @given(st.data(), st.integers(1, 5), SEEDS)
    def test_it_is_that_of_gaussians(self, more, d, seed):
        """Sets whose means and covariances are given, not estimated."""
        rng, gaussians, sets = np.random.default_rng(seed), [], []
        for _ in range(2):
            n, turn = more.draw(st.integers(d + 2, 40)), more.draw(rotations(d))
            variances = np.array(more.draw(st.lists(between(0.25, 4), min_size=d, max_size=d)))
            mean = np.array(more.draw(st.lists(between(-3, 3), min_size=d, max_size=d)))
            x = rng.normal(size=(n, d))
            x -= x.mean(0)
            white = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / (n - 1))).T
            sets.append(mean + white @ (np.sqrt(variances)[:, None] * turn))
            gaussians.append((mean, turn.T @ np.diag(variances) @ turn))
        (mean_a, cov_a), (mean_b, cov_b) = gaussians
        # The root in its symmetric form, through another decomposition.
        root = np.asarray(linalg.sqrtm(cov_a)).real
        cross = np.sqrt(np.clip(linalg.eigvalsh(root @ cov_b @ root), 0, None)).sum()
        expected = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross
        assert frechet_distance(*sets) == pytest.approx(expected, rel=1e-4, abs=1e-3)

    @examples(40)
    @given(st.data(), features(least=8), between(0.25, 4))
    def test_symmetric_and_blind_to_turns_and_shifts(self, more, sets, scale):
        a, b = sets
        d = a.shape[1]
        distance = frechet_distance(a, b)
        near = functools.partial(pytest.approx, rel=1e-3, abs=1e-3)
        assert distance >= 0
        assert frechet_distance(b, a) == near(distance)
        assert frechet_distance(a, a) == near(0)
        assert frechet_distance(a, np.random.default_rng(0).permutation(a)) == near(0)
        turn = more.draw(rotations(d))
        shift = np.array(more.draw(st.lists(between(-3, 3), min_size=d, max_size=d)))
        assert frechet_distance(a @ turn + shift, b @ turn + shift) == near(distance)
        assert frechet_distance(a, a + shift) == near((shift**2).sum())
        assert frechet_distance(scale * a, scale * b) / scale**2 == near(distance)


class TestTwoSets:
    @examples(30)
    @given(features(most=12))
    def test_kernel_distance_is_the_mean_over_pairs(self, sets):
        a, b = (x.tolist() for x in sets)

        def k(x, y):
            return (math.fsum(u * v for u, v in zip(x, y, strict=True)) / len(x) + 1) ** 3

        within = [[k(x, y) for x, y in itertools.permutations(s, 2)] for s in (a, b)]
        between_ = [k(x, y) for x, y in itertools.product(a, b)]
        terms = [math.fsum(t) / len(t) for t in (*within, between_)]
        size = max(abs(k(x, y)) for x, y in itertools.product(a + b, repeat=2))
        assert kernel_distance(*sets) == pytest.approx(terms[0] + terms[1] - 2 * terms[2], abs=1e-9 * size)
        assert kernel_distance(*sets[::-1]) == pytest.approx(kernel_distance(*sets), abs=1e-9 * size)

    @examples(30)
    @given(st.data(), features(sets=1))
    def test_nearest_neighbour_accuracy_is_that_of_loops(self, more, sets):
        a, d = sets[0], sets[0].shape[1]
        shift = more.draw(between(-2, 2))
        b = (np.random.default_rng(more.draw(SEEDS)).normal(size=a.shape) + shift).astype("float32")
        points = [*((p, True) for p in a.tolist()), *((p, False) for p in b.tolist())]
        hits = 0
        for i, (p, is_a) in enumerate(points):
            others = [(math.dist(p, q), other) for j, (q, other) in enumerate(points) if j != i]
            hits += min(others)[1] == is_a
        accuracy = nearest_neighbour_accuracy(a, b)
        assert accuracy == pytest.approx(hits / len(points))
        assert 0 <= accuracy <= 1
        assert nearest_neighbour_accuracy(b, a) == accuracy
        assert nearest_neighbour_accuracy(a, a + 1000) == 1
        turn = more.draw(rotations(d))
        turned = nearest_neighbour_accuracy(a.astype("float64") @ turn, b.astype("float64") @ turn)
        assert turned == pytest.approx(accuracy, abs=2.5 / len(points))  # float32 may turn a close call

    @examples(30)
    @given(features(least=5, most=20), st.integers(1, 4))
    def test_precision_and_recall_are_those_of_loops(self, sets, k):
        def share(points, others):
            radii = [sorted(math.dist(q, r) for r in others)[k] for q in others]  # the first is q itself
            inside = [any(math.dist(p, q) <= r for q, r in zip(others, radii, strict=True)) for p in points]
            return sum(inside) / len(inside)

        samples, held = (x.tolist() for x in sets)
        precision, recall = precision_recall(*sets, k)
        assert precision == pytest.approx(share(samples, held))
        assert recall == pytest.approx(share(held, samples))
        assert all(0 <= value <= 1 for value in (precision, recall))
        assert precision_recall(*sets[::-1], k) == (recall, precision)
        assert precision_recall(sets[0], sets[0], k) == (1, 1)
        if k > 1:  # in larger balls lie no fewer
            fewer = precision_recall(*sets, k - 1)
            assert fewer[0] <= precision
            assert fewer[1] <= recall


# Losses.

KINDS = [Minimax, NonSaturating, MaximumLikelihood]
LABELS = st.sampled_from([1.0, 0.9, 0.5, 0.125])


def logits(limit=80):
    return st.lists(between(-limit, limit), min_size=1, max_size=8)


def column(a):
    return tf.constant(np.array(a, "float32")[:, None])


def mean(values):
    values = list(values)
    return float(sum(values) / len(values))


def log_d(a):
    """log D and log(1 - D) to 100 digits, straight from D = 1 / (1 + exp(-a)): no trick is needed there."""
    with decimal.localcontext(prec=100):
        d = 1 / (1 + (-decimal.Decimal(a)).exp())
        return d.ln(), (1 - d).ln()


def d_cost(real, fake, label):
    t = decimal.Decimal(label)
    return mean(-(t * log_d(a)[0] + (1 - t) * log_d(a)[1]) / 2 for a in real) + mean(
        -log_d(a)[1] / 2 for a in fake
    )


def odds(a):
    """exp(a), and beyond 17 its tangent there."""
    a, top = decimal.Decimal(a), decimal.Decimal(17)
    return a.exp() if a <= top else top.exp() * (1 + a - top)


G_COSTS = {
    Minimax: lambda a: log_d(a)[1] / 2,
    NonSaturating: lambda a: -log_d(a)[0] / 2,
    MaximumLikelihood: lambda a: -odds(a) / 2,
}


@pytest.mark.parametrize("kind", KINDS)
class TestLosses:
    @examples(40)
    @given(real=logits(), fake=logits(), label=LABELS)
    def test_costs_are_those_of_exact_arithmetic(self, kind, real, fake, label):
        loss = kind(label)
        np.testing.assert_allclose(
            loss.d_loss(column(real), column(fake)), d_cost(real, fake, label), rtol=1e-5, atol=1e-7
        )
        np.testing.assert_allclose(loss.g_loss(column(fake)), mean(map(G_COSTS[kind], fake)), rtol=1e-5)

    @examples(40)
    @given(real=logits(), fake=logits(), label=LABELS, step=between(0.25, 10))
    def test_signs_and_slopes(self, kind, real, fake, label, step):
        """Tolerances are of rounding: where D is sure, a step changes less than float32 holds."""
        loss, r, f = kind(label), column(real), column(fake)
        cost = float(loss.d_loss(r, f))
        slack = 1e-5 * (1 + abs(cost))
        entropy = -sum(p * math.log(p) for p in (label, 1 - label) if p)
        assert cost >= entropy / 2 - slack  # what no D can beat
        assert float(loss.d_loss(r, f + step)) >= cost - slack
        if label == 1:
            assert float(loss.d_loss(r + step, f)) <= cost + slack
        before, after = float(loss.g_loss(f)), float(loss.g_loss(f + step))
        assert after <= before + 1e-5 * abs(before)
        assert before >= 0 if kind is NonSaturating else before <= 0

    @examples(40)
    @given(real=logits(2.0**96), fake=logits(2.0**96), label=LABELS)
    def test_finite_for_huge_logits_with_their_gradients(self, kind, real, fake, label):
        loss, r, f = kind(label), column(real), column(fake)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([r, f])
            d, g = loss.d_loss(r, f), loss.g_loss(f)
        values = [d, g, *tape.gradient(d, [r, f]), tape.gradient(g, f)]
        assert all(np.isfinite(v).all() for v in values)


@examples(30)
@given(real=logits(), fake=logits(), other=logits())
def test_minimax_is_a_game_of_sum_zero_in_the_samples(real, fake, other):
    """What G wins D loses: J_D + J_G does not depend on the samples."""
    loss, r = Minimax(), column(real)
    sums = [float(loss.d_loss(r, column(f)) + loss.g_loss(column(f))) for f in (fake, other)]
    assert sums[0] == pytest.approx(sums[1], rel=1e-5, abs=1e-5 * max(map(abs, real + fake + other)))
