"""Many games at once, against networks of Keras alone, each with an optimizer of Keras' own."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganbook import GAN, ManyAdam, ManyDense, many_mlp, mlp

GAMES, BATCH = 3, 16
# The widths of the hidden layers by game: of different width, and of different depth.
HIDDEN = {"equal": [8, 8], "widths": [[4, 8, 32], [16, 2, 5]], "depths": [[4, 0, 32], [0, 6, 0], [5, 0, 3]]}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sizes(hidden, game):
    """Of the one game's hidden layers."""
    widths = [np.broadcast_to(units, GAMES)[game] for units in hidden]
    return [int(width) for width in widths if width]


def layers_of(net, game):
    """The layers that a game has, with its own part of their weights: [(slices, layer), ...]."""
    found, n = [], net.input_shape[-1]
    for layer in net.layers:
        units = int(np.broadcast_to(layer.units, GAMES)[game])
        if units:
            found.append(((slice(n), slice(units)), layer))
            n = units
    return found


def own(arrays, net, game):
    """A game's own part of net's weights, or of what has their shapes."""
    by_variable = {id(v): np.array(a) for v, a in zip(net.trainable_variables, arrays, strict=True)}
    parts = []
    for (rows, columns), layer in layers_of(net, game):
        parts += [by_variable[id(layer.kernel)][game][rows, columns]]
        parts += [by_variable[id(layer.bias)][game][columns]]
    return parts


def alone(net, hidden, game, activation="relu", out=None):
    """The game's network in Keras' layers alone."""
    single = mlp(net.input_shape[-1], sizes(hidden, game), net.output_shape[-1], activation, out)
    single.set_weights(own(net.get_weights(), net, game))
    return single


def many(hidden="widths", n_in=2, n_out=3, seed=0, **more):
    """A net with biases that are not zero, where a game has them."""
    keras.utils.set_random_seed(seed)
    net = many_mlp(n_in, HIDDEN[hidden], n_out, GAMES, **more)
    for game in range(GAMES):
        for (_, columns), layer in layers_of(net, game):
            bias = layer.bias.numpy()
            bias[game, columns] = normal(columns.stop, seed=game)
            layer.bias.assign(bias)
    return net


def same(a, b, atol=1e-6):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize(
    "activation", ["relu", "tanh", "sigmoid"]
)  # a unit too many would be 1/2 in the last
def test_each_game_is_keras_alone_in_outputs_and_gradients(hidden, activation):
    net = many(hidden, activation=activation, out_activation="tanh")
    x = tf.constant(normal(BATCH, GAMES, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = net(x)
        loss = tf.reduce_mean(y**2)
    *gradients, slope = tape.gradient(loss, [*net.trainable_variables, x])
    for game in range(GAMES):
        single, own_x = alone(net, HIDDEN[hidden], game, activation, "tanh"), x[:, game]
        with tf.GradientTape() as tape:
            tape.watch(own_x)
            out = single(own_x)
            loss = tf.reduce_mean(out**2)
        *wanted, own_slope = tape.gradient(loss, [*single.trainable_variables, own_x])
        same([y[:, game]], [out])
        same([GAMES * g for g in own(gradients, net, game)], wanted)
        same([GAMES * slope[:, game]], [own_slope])
        assert max(np.abs(w).max() for w in wanted) > 0.01


def test_what_a_game_has_too_many_is_zero_and_stays_so():
    net = many("widths", activation="sigmoid")
    x, y = normal(BATCH, GAMES, 2), normal(BATCH, GAMES, 3, seed=1)
    before = net.get_weights()
    net.compile(ManyAdam(0.01, GAMES), "mse")
    net.fit(x, y, batch_size=BATCH, epochs=5, verbose=0)
    unused, trained = 0, 0
    for layer, old in zip(net.layers, before[::2], strict=True):
        for game in range(GAMES):
            mask = np.ones(layer.kernel.shape[1:], bool)
            for part, one in layers_of(net, game):
                if one is layer:
                    mask[part] = False
            assert not layer.kernel.numpy()[game][mask].any()
            unused += mask.sum()
            trained += (layer.kernel.numpy()[game] != old[game])[~mask].mean()
    assert unused > 100
    assert trained > 0.9 * GAMES * len(net.layers)
    hidden = net.layers[0](x).numpy()
    assert not hidden[:, 0, 4:].any()
    assert hidden[:, 0, :4].all()


# Rates that differ by factors, one of them 0; an epsilon so large that a forgotten division would show.
RATES = {"number": 0.02, "by game": [0.03, 0.0, 0.003]}


class Fixed(GAN):
    """Noise and data the same in every step, so that games alone and side by side are given the same."""

    def sample_z(self, n):
        return tf.convert_to_tensor(self.noise)


def trained(G, D, noise, x, optimizers, steps=8):
    gan = Fixed(G, D, noise.shape[-1])
    gan.noise = noise
    gan.compile(*optimizers)
    gan.fit(np.concatenate([x] * steps), batch_size=BATCH, shuffle=False, verbose=0)
    return G.get_weights(), D.get_weights()


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("rates", RATES)
def test_games_side_by_side_train_as_each_alone_under_an_adam_of_its_own(hidden, rates):
    n_z, settings = 2, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2}
    G, D = many(hidden, n_z, 2), many(hidden, 2, 1, seed=1)
    z, x = normal(BATCH, GAMES, n_z, seed=2), normal(BATCH, GAMES, 2, seed=3)
    single = [(alone(G, HIDDEN[hidden], g), alone(D, HIDDEN[hidden], g)) for g in range(GAMES)]
    start = [[w.copy() for w in net.get_weights()] for net in (G, D)]
    flat = keras.Sequential([keras.Input((GAMES * n_z,)), keras.layers.Reshape((GAMES, n_z)), G])
    both = [ManyAdam(RATES[rates], GAMES, **settings) for _ in range(2)]
    trained(flat, D, z.reshape(BATCH, -1), x, both)
    for game, nets in enumerate(single):
        rate = float(np.broadcast_to(RATES[rates], GAMES)[game])
        adams = [keras.optimizers.Adam(rate, **settings) for _ in range(2)]
        by_itself = trained(*nets, z[:, game], x[:, game], adams)
        for net, before, wanted in zip((G, D), start, by_itself, strict=True):
            same(own(net.get_weights(), net, game), wanted, atol=2e-6)
            moved = max(np.abs(a - b).max() for a, b in zip(own(before, net, game), wanted, strict=True))
            assert (moved > 0.003) == (rate > 0)


def test_no_game_sees_another():
    """Other data and other weights for one game leave the others as they are, to the last bit."""
    x, nets = normal(BATCH, GAMES, 2), [many("widths"), many("widths")]
    other = x.copy()
    other[:, 1] = 100 * normal(BATCH, 2, seed=5)
    nets[1].layers[0].kernel.assign(nets[1].layers[0].kernel * np.float32([1, -3, 1])[:, None, None])
    for net, data in zip(nets, (x, other), strict=True):
        net.compile(ManyAdam(0.01, GAMES), "mse")
        net.fit(data, np.zeros((BATCH, GAMES, 3)), batch_size=BATCH, epochs=5, verbose=0)
    for a, b in zip(*(net.get_weights() for net in nets), strict=True):
        np.testing.assert_array_equal(a[[0, 2]], b[[0, 2]])
        assert not np.array_equal(a[1], b[1])


def test_sgd_wants_a_rate_that_is_games_times_as_large():
    net, x, y = many("equal"), normal(BATCH, GAMES, 2), normal(BATCH, GAMES, 3, seed=1)
    single = alone(net, HIDDEN["equal"], 1)
    for model, rate, data in ((net, 0.1 * GAMES, (x, y)), (single, 0.1, (x[:, 1], y[:, 1]))):
        model.compile(keras.optimizers.SGD(rate), "mse")
        model.fit(*data, batch_size=BATCH, epochs=5, verbose=0)
    same(own(net.get_weights(), net, 1), single.get_weights())


def test_keras_own_learning_rate_is_a_factor_of_all():
    weights, rates = keras.Variable(np.zeros((2, 3), "float32")), [0.1, 0.2]
    optimizer = ManyAdam(rates, games=2)
    optimizer.learning_rate = 0.5
    optimizer.apply([np.ones((2, 3), "float32")], [weights])  # Adam's first step is the rate
    np.testing.assert_allclose(weights, [[-0.05] * 3, [-0.1] * 3], rtol=1e-5)


# How weights start.


def test_kernels_start_as_keras_own_for_each_size():
    games = 300
    units, n_in = np.resize([4, 32, 8], games), np.resize([16, 2, 64], games)
    layer = ManyDense(units, n_in=n_in)
    layer.build((None, games, 64))
    for n, width in ((16, 4), (2, 32), (64, 8)):
        of_size = (n_in == n) & (units == width)
        drawn = layer.kernel.numpy()[of_size][:, :n, :width]
        limit = np.sqrt(6 / (n + width))  # Glorot and Bengio's
        assert 0.98 * limit < np.abs(drawn).max() <= limit
        assert drawn.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
        assert abs(drawn.mean()) < 0.03 * limit
    assert not layer.bias.numpy().any()


@pytest.mark.parametrize("hidden", HIDDEN)
def test_many_mlp_knows_the_widths_of_each_game(hidden):
    net = many(hidden)
    for game in range(GAMES):
        for kernel in own(net.get_weights(), net, game)[::2]:
            limit = np.sqrt(6 / sum(kernel.shape))
            assert kernel.all()  # its weights and no others are drawn
            assert 0.5 * limit < np.abs(kernel).max() <= limit


def test_every_game_has_a_draw_of_its_own():
    kernels = many("equal").layers[1].kernel.numpy().reshape(GAMES, -1)
    assert np.abs(np.corrcoef(kernels) - np.eye(GAMES)).max() < 0.5


def test_the_global_seed_decides():
    a, b, c = (many(seed=seed).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.1


# As layer and optimizer of Keras.


def test_config_round_trip():
    layer = ManyDense([4, 0], "tanh", np.array([3, 5]), name="many", dtype="float64")
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert again.get_config() == layer.get_config()
    assert (tuple(again.units), tuple(again.n_in)) == ((4, 0), (3, 5))
    assert (again.activation, again.name, again.dtype) == (keras.activations.tanh, "many", "float64")
    optimizer = ManyAdam([0.1, 0.2], 2, beta_1=0.5, beta_2=0.8, epsilon=1e-3, name="adam")
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert again.get_config() == optimizer.get_config()
    assert (again.rates.tolist(), again.games, again.name) == ([0.1, 0.2], 2, "adam")
    assert (again.beta_1, again.beta_2, again.get_config()["epsilon"]) == (0.5, 0.8, 1e-3)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_saved_and_loaded_it_goes_on_the_same(tmp_path, hidden):
    net, x, y = many(hidden), normal(BATCH, GAMES, 2), normal(BATCH, GAMES, 3, seed=1)
    fit = {"batch_size": BATCH, "shuffle": False, "epochs": 3, "verbose": 0}
    net.compile(ManyAdam([0.01, 0.1, 0.02], GAMES), "mse")
    net.fit(x, y, **fit)
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded(x), net(x))
    for model in (net, loaded):
        model.fit(x, y, **fit)
    np.testing.assert_array_equal(loaded(x), net(x))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_xla_gives_the_same(hidden):
    net, x = many(hidden, activation="tanh"), normal(BATCH, GAMES, 2)
    compiled = tf.function(net, jit_compile=True)
    np.testing.assert_allclose(compiled(x), net(x), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_in_the_precision_of_the_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        net = many("depths")
    finally:
        keras.config.set_dtype_policy(before)
    single, x = many("depths"), normal(BATCH, GAMES, 2)
    single.set_weights(net.get_weights())
    assert net(x).dtype == policy.removeprefix("mixed_")
    assert net.layers[0].kernel.dtype == ("float64" if policy == "float64" else "float32")
    np.testing.assert_allclose(keras.ops.cast(net(x), "float32"), single(x), atol=0.1, rtol=0.05)
    assert np.abs(single(x)).max() > 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ManyDense(0), "units=0: want at least 1 in some game"),
        (lambda: ManyDense([0, 0]), r"units=\[0, 0\]: want at least 1 in some game"),
        (lambda: ManyDense([4, -1]), r"units\[1\]=-1: want an int from 0"),
        (lambda: ManyDense(2.5), r"units=2\.5: want an int, or one for each game"),
        (lambda: ManyDense([4, 2.5]), r"units\[1\]=2\.5: want an int"),
        (lambda: ManyDense([[1, 2], [3]]), r"units\[0\]=\[1, 2\]: want an int"),
        (lambda: ManyDense(True), "units=True: want an int"),
        (lambda: ManyDense(4, n_in=[2, 0]), r"n_in\[1\]=0: want an int from 1"),
        (lambda: ManyDense([4, 8])(normal(5, 3, 2)), r"units has shape \(2,\): .* one for each of 3"),
        (lambda: ManyDense(4, n_in=[2, 2])(normal(5, 3, 2)), r"n_in has shape \(2,\): .* each of 3"),
        (lambda: ManyDense(4, n_in=[2, 3])(normal(5, 2, 2)), r"n_in=\(2, 3\): want at most 2"),
        (lambda: ManyDense(4)(normal(5, 2)), r"x has shape \(5, 2\): want \(batch, games, inputs\)"),
        (lambda: ManyDense(4).build((None, None, 2)), r"x has shape \(None, None, 2\): want"),
        (lambda: many_mlp(0, [4], 1, 3), "n_in=0: want an int"),
        (lambda: many_mlp(2, [4], 1.5, 3), r"n_out=1\.5: want an int"),
        (lambda: many_mlp(2, [4], 1, 0), "games=0: want an int"),
        (lambda: many_mlp(2, 4, 1, 3), "hidden=4: want the widths of the hidden layers"),
        (lambda: many_mlp(2, [4, [1, 2]], 1, 3), r"hidden\[1\] has shape \(2,\): .* each of 3"),
        (lambda: many_mlp(2, [4, [1, 2, -3]], 1, 3), r"hidden\[1\]\[2\]=-3: want an int"),
        (
            lambda: ManyAdam([0.1, -0.1], 2),
            r"learning_rate=\[0\.1, -0\.1\]: want finite numbers of at least 0",
        ),
        (lambda: ManyAdam(float("nan"), 2), "learning_rate=nan: want finite"),
        (lambda: ManyAdam("fast", 2), "learning_rate='fast': want finite"),
        (lambda: ManyAdam([0.1, 0.2, 0.3], 2), r"learning_rate has shape \(3,\): .* each of 2"),
        (lambda: ManyAdam(0.1, 0), "games=0: want an int"),
        (
            lambda: ManyAdam(0.1, 2).build([keras.Variable(np.zeros((6,)), name="gamma")]),
            r"gamma has shape \(6,\): want games=2 first",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
