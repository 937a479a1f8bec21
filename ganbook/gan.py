"""The adversarial game as a Keras model: two players, one `train_step`."""

import contextlib

import keras
import tensorflow as tf

from ganbook import _checks, _gan_checks
from ganbook.checkpoint import Checkpoint
from ganbook.losses import NonSaturating


@keras.saving.register_keras_serializable("ganbook")
class GAN(keras.Model):
    """A generator and a discriminator that train against each other.

    `train_step` is Algorithm 1 of Goodfellow et al. 2014 (arXiv:1406.2661). A formula in D's logits is a
    loss object given to `compile`; a method that computes something else is a subclass that overrides
    one of `sample_z`, `G`, `D`, `d_loss`, `g_loss`.

    Args:
        generator: keras.Model, noise (batch, latent_dim) to a sample, or [noise, condition] to one.
        discriminator: keras.Model, a sample, or [sample, condition], to a logit (batch, 1).
        latent_dim: length of the noise vector z.
        d_steps: k of Algorithm 1. Each train step splits its batch into k minibatches, takes a step of D
            on each of them, then one step of G.
        seed: an int, of the noise. Default: drawn from Keras' global seed.

    Example::

        gan = GAN(mlp(2, [128, 128], 2), mlp(2, [128, 128], 1), latent_dim=2)
        gan.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), keras.optimizers.Adam(1e-3, beta_1=0.5))
        gan.fit(batches(ring(std=0.1).sample(50_000, seed=0), batch_size=256), epochs=10)
        samples = gan(gan.sample_z(1000))
    """

    def __init__(self, generator, discriminator, latent_dim, d_steps=1, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = _checks.positive_int("latent_dim", latent_dim)
        self.d_steps = _checks.positive_int("d_steps", d_steps)
        _gan_checks.networks(generator, discriminator, self.latent_dim)
        self.generator = generator
        self.discriminator = discriminator
        self.seed = None if seed is None else _checks.int_from_to("seed", seed, 0, 2**32 - 1)
        self.noise_seed = keras.random.SeedGenerator(self.seed)
        self.d_tracker = keras.metrics.Mean(name="d_loss")
        self.g_tracker = keras.metrics.Mean(name="g_loss")
        self.built = generator.built and discriminator.built

    def compile(self, d_optimizer, g_optimizer, loss=None, steps_per_execution=None, **kwargs):
        """Set an optimizer for each player, and the loss: `NonSaturating()` unless given.

        Args:
            steps_per_execution: train steps between two returns to Python, which callbacks that watch
                batches then see. The numbers do not depend on it. Default: 25, and 1 where a callback
                given to `fit` watches batches, or on several devices, where Keras 3.15 fails with more.
            kwargs: `jit_compile` and `run_eagerly` of keras.Model.compile.
        """
        loss = NonSaturating() if loss is None else loss
        _gan_checks.compile_arguments(d_optimizer, g_optimizer, loss, steps_per_execution)
        super().compile(optimizer=None, steps_per_execution=steps_per_execution or 1, **kwargs)
        self._compile_kwargs = kwargs | {"steps_per_execution": steps_per_execution}
        self.loss = loss
        # Keras scales the loss of one optimizer; here are two.
        half = self.dtype_policy.name == "mixed_float16"
        self.d_optimizer = _with_loss_scale(d_optimizer) if half else d_optimizer
        self.g_optimizer = _with_loss_scale(g_optimizer) if half else g_optimizer
        self._build_optimizers()

    # What a variant may override.

    def sample_z(self, n):
        """n fresh noise vectors from N(0, I): (n, latent_dim)."""
        n = n if tf.is_tensor(n) else _checks.positive_int("n", n)
        return keras.random.normal((n, self.latent_dim), seed=self.noise_seed)

    def G(self, z, c=None, training=True):
        """Samples from noise, given a condition if there is one."""
        return self.generator(_inputs(z, c), training=training)

    def D(self, x, c=None, training=True):
        """Logits: D(x) = sigmoid of them is D's belief that x is data."""
        return self.discriminator(_inputs(x, c), training=training)

    def d_loss(self, x, z, c=None):
        """D's cost on data x and noise z. The gradient flows into G too; `train_step` leaves it there."""
        return self.loss.d_loss(self.D(x, c), self.D(self.G(z, c), c))

    def g_loss(self, x, z, c=None):
        """G's cost on noise z; the data x are there for variants that match them."""
        return self.loss.g_loss(self.D(self.G(z, c), c))

    # Algorithm 1.

    def train_step(self, data):
        """d_steps steps of D, each on its own minibatch and noise, then one step of G on fresh noise."""
        x, c, _ = keras.utils.unpack_x_y_sample_weight(data)
        _gan_checks.enough_for_d_steps(x, self.d_steps)
        for i in range(self.d_steps):
            # Every k-th example: k disjoint minibatches whose sizes differ by one at most.
            x_i, c_i = x[i :: self.d_steps], None if c is None else c[i :: self.d_steps]
            d_loss = self._step(self.d_loss, self.discriminator, self.d_optimizer, x_i, c_i)
            self.d_tracker.update_state(d_loss)
        g_loss = self._step(self.g_loss, self.generator, self.g_optimizer, x_i, c_i)
        self.g_tracker.update_state(g_loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def _step(self, cost, player, optimizer, x, c):
        """One step of one player; the other's weights stay as they are."""
        z = self.sample_z(tf.shape(x)[0])
        with tf.GradientTape() as tape:
            loss = cost(x, z, c) + sum(player.losses)  # player.losses: Keras' weight regularizers
            # Each replica of tf.distribute contributes its share to the sum that the optimizer takes.
            share = optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)
        variables = player.trainable_variables
        gradients = tape.gradient(share, variables)
        name = "generator" if player is self.generator else "discriminator"
        # Scaled gradients may overflow: LossScaleOptimizer then takes no step and a smaller scale.
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        with tf.control_dependencies(_gan_checks.finite(name, loss, [] if scaled else gradients)):
            optimizer.apply(gradients, variables)
        return loss

    # What is expected of a keras.Model.

    def call(self, z, c=None, training=False):
        """Generate: `gan(gan.sample_z(16))`, in inference mode."""
        return self.G(z, c, training=training)

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """Train on a tf.data.Dataset of x or of (x, c), or on arrays x and (as y) c.

        Arguments as for keras.Model.fit, less those of validation and weights, which a GAN has no use
        for.

        Raises:
            ValueError: before the first step, where the data do not fit the networks.
            FloatingPointError: a player's loss or gradient became NaN or infinite; it says whose, and in
                which step, which is not taken. XLA (jit_compile=True) leaves the check out.
        """
        _gan_checks.fit_arguments(self, x, y, batch_size, kwargs)
        self._build_optimizers()
        for checkpoint in _checkpoints(kwargs):
            x, kwargs["initial_epoch"] = checkpoint.resume(self, x, kwargs.pop("steps_per_epoch", None))
        self._group_steps(kwargs.get("steps_per_epoch"), kwargs.get("callbacks"))
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)  # Keras warns that it does not shuffle a dataset
        with _no_alarm_about_tracing(), _gan_checks.says_which_step(self):
            return super().fit(x, y, batch_size=batch_size, **kwargs)

    @property
    def metrics(self):
        """The trackers of the two losses, and any that a subclass adds."""
        return [m for m in super().metrics if m.name != "loss"]  # Keras' own, which neither player has

    def get_config(self):
        return super().get_config() | {
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "latent_dim": self.latent_dim,
            "d_steps": self.d_steps,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        players = {
            k: keras.saving.deserialize_keras_object(config[k]) for k in ("generator", "discriminator")
        }
        return cls(**config | players)

    def get_compile_config(self):
        parts = {"d_optimizer": self.d_optimizer, "g_optimizer": self.g_optimizer, "loss": self.loss}
        return {k: keras.saving.serialize_keras_object(v) for k, v in parts.items()} | self._compile_kwargs

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    # Keras saves no random state, without which a loaded model would not go on training the same.

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for i, state in enumerate(self._seed_states()):
            store[f"seed_{i}"] = state.numpy()

    def load_own_variables(self, store):
        for i, state in enumerate(self._seed_states()):
            state.assign(store[f"seed_{i}"])

    def _seed_states(self):
        """The states of all random generators: the noise's own, and those of layers such as Dropout."""
        weights = {id(w) for w in self.weights}
        return [v for v in self.variables if id(v) not in weights]

    def _build_optimizers(self):
        if self.built:
            with self.distribute_strategy.scope():
                self.d_optimizer.build(self.discriminator.trainable_variables)
                self.g_optimizer.build(self.generator.trainable_variables)

    def _group_steps(self, steps_per_epoch, callbacks):
        """Set steps_per_execution, a divisor of steps_per_epoch: Keras would go on to the next multiple."""
        devices = self.distribute_strategy.num_replicas_in_sync
        n = self._compile_kwargs["steps_per_execution"]
        if n is None:
            n = 1 if devices > 1 or _watches_batches(callbacks) else 25
        if n > 1 and devices > 1:
            raise ValueError(f"steps_per_execution={n}: want 1, or none given, on {devices} devices")
        if steps_per_epoch:
            n = max(k for k in range(1, min(n, steps_per_epoch) + 1) if steps_per_epoch % k == 0)
        if n != self.steps_per_execution:
            self.steps_per_execution, self.train_function = n, None  # which makes Keras trace it anew


@contextlib.contextmanager
def _no_alarm_about_tracing():
    """Every GAN traces a step of its own; TensorFlow counts them all as one and warns of too many."""

    def quiet(record):
        return "triggered tf.function retracing" not in record.getMessage()

    tf.get_logger().addFilter(quiet)
    try:
        yield
    finally:
        tf.get_logger().removeFilter(quiet)


def _flat(callbacks):
    return [c for c in tf.nest.flatten(getattr(callbacks, "callbacks", callbacks)) if c is not None]


def _checkpoints(fit):
    """The `Checkpoint` among the arguments of `fit`, if there is one."""
    found = [c for c in _flat(fit.get("callbacks")) if isinstance(c, Checkpoint)]
    if len(found) > 1:
        raise ValueError(f"callbacks holds {len(found)} Checkpoints: want one")
    if found and "initial_epoch" in fit:
        raise ValueError(f"initial_epoch={fit['initial_epoch']}: want none, the Checkpoint knows it")
    return found


def _watches_batches(callbacks):
    """Whether a callback has a hook for batches. Keras' savers have, and do nothing there by the epoch."""
    hooks = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(keras.callbacks.Callback, hook)
        for callback in _flat(callbacks)
        if getattr(callback, "save_freq", None) != "epoch"
        for hook in hooks
    )


def _inputs(a, c):
    # Keras takes a list of tensors or one of arrays, not a mixture.
    return a if c is None else [keras.ops.convert_to_tensor(a), keras.ops.convert_to_tensor(c)]


def _with_loss_scale(optimizer):
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer if scaled else keras.optimizers.LossScaleOptimizer(optimizer)
