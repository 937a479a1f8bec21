"""What Keras expects of a model beside training: an optimizer, building, saving, exporting."""

import pathlib
import types

import keras
import tensorflow as tf

from ganbook import _checks, _data_checks, _gan_checks, _step_checks
from ganbook._optimizers import Players, computes_in_float16, with_loss_scale


class KerasModel(keras.Model):
    """A `keras.Model` with a `generator`, a `discriminator`, and an optimizer for each."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # Held apart from what Keras tracks and saves.
        self._run = types.SimpleNamespace(players=None, finite=_step_checks.finite, unseen=False)

    def _overrides(self, *names):
        """Whether one of these methods of `GAN` is another one here: then checks about it do not apply.

        To those of the package, such as R1GAN's, they do.
        """
        return any(
            name in vars(self) or getattr(type(self), name).__module__.split(".")[0] != "ganbook"
            for name in names
        )

    # Two optimizers.

    @property
    def optimizer(self):
        """Both optimizers as one, for Keras' callbacks: see `optimizer.optimizers`."""
        if not hasattr(self, "d_optimizer"):
            return None
        players = self._run.players
        if players is None or players.both != (self.d_optimizer, self.g_optimizer):
            self._run.players = Players(self.d_optimizer, self.g_optimizer)
        return self._run.players

    @optimizer.setter
    def optimizer(self, value):
        if value is not None:  # which Keras sets in compile
            raise ValueError(f"optimizer={value!r}: want d_optimizer and g_optimizer, given to compile")

    def _set_optimizers(self, d_optimizer, g_optimizer):
        # Keras scales the loss of one optimizer; here are two.
        half = computes_in_float16(self.generator) or computes_in_float16(self.discriminator)
        self.d_optimizer = with_loss_scale(d_optimizer) if half else d_optimizer
        self.g_optimizer = with_loss_scale(g_optimizer) if half else g_optimizer
        self._build_optimizers()

    def _build_optimizers(self):
        if not self.built:
            return
        with self.distribute_strategy.scope():
            for name, optimizer in (("discriminator", self.d_optimizer), ("generator", self.g_optimizer)):
                variables = getattr(self, name).trainable_variables
                if not optimizer.built:
                    optimizer.build(variables)
                _gan_checks.moves(name, optimizer, variables)

    # Built where both networks are.

    @property
    def built(self):
        players = vars(self).get("generator"), vars(self).get("discriminator")
        return all(getattr(player, "built", False) for player in players)

    @built.setter
    def built(self, value):
        """Keras sets it, but what counts is whether the two are built."""

    def build(self, z_shape=None, c_shape=None):
        """Build both networks by two calls: G on noise, and D on what it makes.

        Args:
            z_shape: of the noise, (batch, latent_dim); it is known without.
            c_shape: for Keras, which gives it.

        Raises:
            ValueError: a network is not built and cannot be called without a condition.
        """
        if z_shape is not None:
            _checks.fits("z_shape", tuple(z_shape)[1:], (self.latent_dim,))
        if not self.built and c_shape is None:
            _data_checks.build(self)

    def build_from_config(self, config):
        """Nothing to do: what is saved has its networks, which build themselves."""

    def load_weights(self, filepath, *args, **kwargs):
        """Weights, both optimizers' states and the random states, from a file of `save_weights`."""
        if not self.built:
            self.build()
        if self.compiled:
            self._build_optimizers()
        super().load_weights(filepath, *args, **kwargs)

    # Saving.

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
        if not self.compiled:
            return None
        _gan_checks.can_be_saved(self.loss)
        parts = {"d_optimizer": self.d_optimizer, "g_optimizer": self.g_optimizer, "loss": self.loss}
        return {k: keras.saving.serialize_keras_object(v) for k, v in parts.items()} | self._compile_kwargs

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def save(self, filepath, *args, **kwargs):
        """Save all of it in Keras' format, a file whose name ends in .keras.

        Raises:
            ValueError: the name ends otherwise, or the loss cannot be saved. Nothing was written.
        """
        if not pathlib.Path(filepath).name.endswith(".keras"):
            raise ValueError(
                f"filepath={str(filepath)!r}: want a name that ends in .keras, which keeps both optimizers; "
                "for the weights alone, gan.save_weights with a name that ends in .weights.h5; "
                "for a network, gan.generator.save"
            )
        self.get_compile_config()
        super().save(filepath, *args, **kwargs)

    def export(self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **kwargs):
        """Export the generator for inference: noise, and a condition if there is one, to samples.

        Arguments as for keras.Model.export. The signature is known where the generator was built on named
        inputs, as Keras' functional models and `Sequential` are.
        """
        if not self.built:
            self.build()
        if input_signature is None:
            input_signature = _data_checks.signature(self)
        super().export(filepath, format, verbose, input_signature, **kwargs)

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


class NoiseSeed(keras.random.SeedGenerator):
    """A seed generator whose numbers differ from replica to replica, and are Keras' own on one device."""

    def next(self, ordered=True):
        seed = super().next(ordered)
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return seed
        apart = tf.cast(replica.replica_id_in_sync_group, seed.dtype) * 1_000_003  # a prime
        return seed + tf.stack([apart, tf.zeros_like(apart)])
