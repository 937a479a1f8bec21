"""A generator that matches what the discriminator sees, and not what it concludes."""

import keras
import tensorflow as tf

from ganbook.gan import GAN, _inputs


@keras.saving.register_keras_serializable("ganbook")
class FeatureMatching(GAN):
    """A GAN whose G wants D's mean features on samples to be those on data.

    J_G = ||E f(x) - E f(G(z))||^2, f being D's last hidden layer (Salimans et al. 2016, arXiv:1606.03498,
    section 3.1). D's cost stays that of the loss, which G's part of is not used. What is matched is a mean:
    many distributions have it, and f has to move for them to be told apart.

    Arguments as for `GAN`. D is a Sequential or functional model of at least two layers, or `features` is
    overridden.
    """

    def __init__(self, generator, discriminator, latent_dim, **kwargs):
        super().__init__(generator, discriminator, latent_dim, **kwargs)
        if not self._overrides("features") and len(getattr(discriminator, "layers", ())) < 2:
            raise ValueError(
                f"discriminator={discriminator!r}: want a Sequential or functional model with a layer before "
                "its last, or a subclass that overrides features"
            )

    def features(self, x, c=None):
        """What goes into D's last layer, (batch, ..., units)."""
        inputs = self.discriminator.inputs
        inputs = inputs[0] if len(inputs) == 1 else inputs
        before = keras.Model(inputs, self.discriminator.layers[-1].input)
        return before(_inputs(x, c), training=True)

    def g_loss(self, x, z, c=None):
        on_data, on_samples = self.features(x, c), self.features(self.G(z, c), c)
        gap = tf.reduce_mean(tf.cast(on_data, "float32"), axis=0)
        gap -= tf.reduce_mean(tf.cast(on_samples, "float32"), axis=0)
        # Of many games at once, (batch, games, units), the mean over the games.
        return tf.reduce_mean(tf.reduce_sum(gap**2, axis=-1))
