"""The adversarial game as a Keras model: two players, one `train_step`."""

import keras
import tensorflow as tf

from ganbook import _checks, _gan_checks, _step_checks
from ganbook._fit import Fitted, inference
from ganbook._keras_model import NoiseSeed
from ganbook.losses import NonSaturating


@keras.saving.register_keras_serializable("ganbook")
class GAN(Fitted):
    """A generator and a discriminator that train against each other.

    `train_step` is Algorithm 1 of Goodfellow et al. 2014 (arXiv:1406.2661). A formula in D's logits is a
    loss object given to `compile`; a method that computes something else is a subclass that overrides
    one of `sample_z`, `G`, `D`, `d_loss`, `g_loss`. Checks of arguments are about these methods as they are
    here: where one is overridden, they are left out.

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
        self.d_steps = d_steps
        _gan_checks.networks(self, generator, discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.seed = None if seed is None else _checks.int_from_to("seed", seed, 0, 2**32 - 1)
        self.noise_seed = NoiseSeed(self.seed)
        self.d_tracker = keras.metrics.Mean(name="d_loss")
        self.g_tracker = keras.metrics.Mean(name="g_loss")

    @property
    def d_steps(self):
        return self._d_steps

    @d_steps.setter
    def d_steps(self, value):
        self._d_steps = _checks.positive_int("d_steps", value)

    def compile(self, d_optimizer, g_optimizer, loss=None, steps_per_execution=None, **kwargs):
        """Set an optimizer for each player, and the loss: `NonSaturating()` unless given.

        Args:
            steps_per_execution: train steps between two returns to Python, which callbacks that watch
                batches then see. The numbers do not depend on it. Default: 25 (100 with jit_compile=True),
                and 1 where a callback given to `fit` watches batches, or on several devices, where Keras
                3.15 fails with more.
            kwargs: `run_eagerly` and `jit_compile` of keras.Model.compile. With jit_compile=True the steps
                between two returns are one program of XLA: small networks train faster, after some seconds
                of compiling. The noise is other noise, for the same seed.
        """
        loss = NonSaturating() if loss is None else loss
        _gan_checks.compile_arguments(d_optimizer, g_optimizer, loss, steps_per_execution, kwargs)
        more = {"auto_scale_loss": False, "steps_per_execution": steps_per_execution or 1}
        super().compile(optimizer=None, **more, **kwargs)
        self._compile_kwargs = kwargs | {"steps_per_execution": steps_per_execution}
        self.loss = loss
        self._set_optimizers(d_optimizer, g_optimizer)

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
        _step_checks.enough_for_d_steps(x, self.d_steps)
        for i in range(self.d_steps):
            # Every k-th example: k disjoint minibatches whose sizes differ by one at most.
            x_i, c_i = tf.nest.map_structure(lambda a, i=i: a if a is None else a[i :: self.d_steps], (x, c))
            self.d_tracker.update_state(self._step("discriminator", x_i, c_i))
        self.g_tracker.update_state(self._step("generator", x_i, c_i))
        return {metric.name: metric.result() for metric in self.metrics}

    def _step(self, name, x, c):
        """One step of one player; the other's weights stay as they are. Returns its loss."""
        of_d = name == "discriminator"
        player, optimizer = getattr(self, name), self.d_optimizer if of_d else self.g_optimizer
        with tf.GradientTape() as tape:
            loss = self._cost(of_d, x, c)
            # Each replica of tf.distribute contributes its share to the sum that the optimizer takes.
            share = optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)
        variables = player.trainable_variables
        gradients = tape.gradient(share, variables)
        # Scaled gradients may overflow: LossScaleOptimizer then takes no step and a smaller scale.
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        seen = self._run.finite(name, optimizer, loss, [] if scaled else gradients, (x, c) if of_d else None)
        with tf.control_dependencies(seen):
            optimizer.apply(gradients, variables)
        return loss

    def _cost(self, of_d, x, c):
        """What a player pays with fresh noise, regularizers of its weights included."""
        player, cost = (self.discriminator, self.d_loss) if of_d else (self.generator, self.g_loss)
        loss = cost(x, self.sample_z(tf.shape(x)[0]), c)
        _step_checks.scalar(self, "d_loss" if of_d else "g_loss", loss)
        return loss + sum(player.losses)

    def test_step(self, data):
        """Both costs of a batch in inference mode, each with fresh noise; nothing is trained."""
        x, c, _ = keras.utils.unpack_x_y_sample_weight(data)
        n = tf.shape(x)[0]
        with inference(self):
            self.d_tracker.update_state(self._cost(True, x, c), sample_weight=n)
            self.g_tracker.update_state(self._cost(False, x, c), sample_weight=n)
        return {metric.name: metric.result() for metric in self.metrics}

    # What is expected of a keras.Model.

    def call(self, z, c=None, training=False):
        """Generate: `gan(gan.sample_z(16))`, in inference mode."""
        return self.G(z, c, training=training)

    @property
    def metrics(self):
        """The trackers of the two losses, and any that a subclass adds."""
        return [m for m in super().metrics if m.name != "loss"]  # Keras' own, which neither player has


def _inputs(a, c):
    # Keras takes a list of tensors or one of arrays, not a mixture.
    return a if c is None else [keras.ops.convert_to_tensor(part) for part in (a, *tf.nest.flatten(c))]
