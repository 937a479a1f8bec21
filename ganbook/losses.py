"""The costs of the two players, over logits.

The discriminator returns a logit a, and D = sigmoid(a). Then log D = -softplus(-a) and
log(1 - D) = -softplus(a), so no logarithm ever sees a saturated sigmoid.

Costs keep the factor 1/2 of the NIPS 2016 tutorial (Goodfellow, arXiv:1701.00160, section 3.2), so a
discriminator that answers 1/2 everywhere pays log 2.
"""

import keras
from keras import ops

from ganbook import _checks

# In float32 1 / (1 + exp(-17)) is exactly 1: a larger logit says nothing more about D.
_SATURATED = 17.0


def _mean_softplus(a):
    return ops.mean(ops.softplus(ops.cast(a, "float32")))


@keras.saving.register_keras_serializable("ganbook")
class Minimax:
    """The zero-sum game of Goodfellow et al. 2014 (arXiv:1406.2661), equation 1.

    Args:
        real_label: what D is asked to answer on data, in (0, 1]. 0.9 is one-sided label smoothing
            (Salimans et al. 2016, arXiv:1606.03498, section 3.4). The label of samples is always 0.
    """

    def __init__(self, real_label=1.0):
        # A target above 1 leaves D's cost without a minimum.
        if not _checks.is_real(real_label) or not 0.0 < real_label <= 1.0:
            raise ValueError(f"real_label={real_label!r}: want a number in (0, 1]")
        self.real_label = float(real_label)

    def d_loss(self, real, fake):
        """J_D = -1/2 E log D(x) - 1/2 E log(1 - D(G(z))): a scalar, log 2 at chance.

        `real` and `fake` are logits of any shape, on data and on samples.
        """
        t = self.real_label
        on_data = t * _mean_softplus(-real) + (1.0 - t) * _mean_softplus(real)
        return 0.5 * (on_data + _mean_softplus(fake))

    def g_loss(self, fake):
        """J_G = 1/2 E log(1 - D(G(z))): the part of -J_D that depends on G."""
        return -0.5 * _mean_softplus(fake)

    def get_config(self):
        return {"real_label": self.real_label}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("ganbook")
class NonSaturating(Minimax):
    """G raises log D(G(z)) instead of lowering log(1 - D(G(z))) (2014 paper, section 3)."""

    def g_loss(self, fake):
        """J_G = -1/2 E log D(G(z)): 1/2 log 2 at chance."""
        return 0.5 * _mean_softplus(-fake)


@keras.saving.register_keras_serializable("ganbook")
class MaximumLikelihood(Minimax):
    """G's cost whose expected gradient is that of KL(p_data || p_g) while D is optimal.

    Goodfellow 2014 (arXiv:1412.6515); NIPS 2016 tutorial, section 3.2.4.
    """

    def g_loss(self, fake):
        """J_G = -1/2 E exp(a): -1/2 at chance.

        Beyond a = 17, where D is 1 in float32, exp goes on as its tangent, so that it stays finite.
        """
        a = ops.cast(fake, "float32")
        below = ops.minimum(a, _SATURATED)
        return -0.5 * ops.mean(ops.exp(below) * (1.0 + a - below))


@keras.saving.register_keras_serializable("ganbook")
class Wasserstein:
    """The costs of a critic f, linear in its outputs (Arjovsky et al. 2017, arXiv:1701.07875).

    If the slope of f is at most 1, -J_D is at most the earth mover's distance of data and samples, and equal
    to it for the best f. The slope has to be bounded elsewhere: by a penalty, or by the weights.
    """

    def d_loss(self, real, fake):
        """J_D = E f(G(z)) - E f(x): a scalar of either sign, 0 where f tells nothing apart."""
        return ops.mean(ops.cast(fake, "float32")) - ops.mean(ops.cast(real, "float32"))

    def g_loss(self, fake):
        """J_G = -E f(G(z)). Its level says nothing: f is free to add a constant."""
        return -ops.mean(ops.cast(fake, "float32"))

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
