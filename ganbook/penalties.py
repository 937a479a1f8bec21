"""Penalties on the slope of the discriminator."""

import keras
import tensorflow as tf

from ganbook import _checks
from ganbook.gan import GAN


def r1(D, x):
    """R1: the mean over the batch of the squared norm of the logit's gradient in x, a float32 scalar.

    Mescheder et al. 2018 (arXiv:1801.04406) add gamma/2 times it, on data, to D's cost. At 0 D is flat where
    the data are. It can be differentiated once more, as D's step does.

    Args:
        D: a function, x to logits (batch, 1): `gan.D`, or with a condition `lambda x: gan.D(x, c)`. Each
            logit has to depend on its own example alone: not through batch normalisation.
        x: (batch, ...) float tensor.
    """
    return _logits_and_r1(D, x)[1]


def _logits_and_r1(D, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = D(x)
    # Of the sum of logits: each depends on its own example, so the examples' gradients stay apart.
    gradient = tf.cast(tape.gradient(logits, x), "float32")
    return logits, tf.reduce_mean(tf.reduce_sum(gradient**2, axis=range(1, gradient.shape.rank)))


@keras.saving.register_keras_serializable("ganbook")
class R1GAN(GAN):
    """A GAN whose discriminator pays for its slope on data: J_D + gamma/2 * R1.

    The penalty is what keeps D from being too sure, so that D needs no normalisation: see
    `plain_discriminator`, which is made for it, and batch norm in D has to go (see `r1`).

    Args:
        gamma: a number of at least 0. What is right depends on the pictures' size and contrast: a larger one
            makes D smoother and slower. J_D has the factor 1/2 here: the paper's gamma is halved. Code
            without the 1/2 of the penalty, as the authors' with its `reg_param`, has the number for here.
        kwargs: d_steps, seed and name of `GAN`, whose first three arguments come before gamma.
    """

    def __init__(self, generator, discriminator, latent_dim, gamma=4.0, **kwargs):
        super().__init__(generator, discriminator, latent_dim, **kwargs)
        self.gamma = gamma

    @property
    def gamma(self):
        return self._gamma

    @gamma.setter
    def gamma(self, value):
        self._gamma = 0.0 if _checks.is_real(value) and value == 0 else _checks.positive_float("gamma", value)

    def d_loss(self, x, z, c=None):
        on_data, penalty = _logits_and_r1(lambda x: self.D(x, c), x)  # one pass for both
        return self.loss.d_loss(on_data, self.D(self.G(z, c), c)) + 0.5 * self.gamma * penalty

    def get_config(self):
        return super().get_config() | {"gamma": self.gamma}
