"""Layers whose output for one example depends on others: normalisation by a fixed reference batch.

A reference batch has to go through every layer before the one that is normalised, with the weights of the
moment. So it travels with the batch, as its first rows: `AddReference` puts it there, a norm finds it there
at its own depth, and `DropReference` takes it off. In between stand any layers that treat rows alike.
"""

import keras
from keras import ops

from ganbook import _checks


@keras.saving.register_keras_serializable("ganbook")
class AddReference(keras.layers.Layer):
    """Puts a fixed reference batch before the batch: (batch, ...) -> (n_reference + batch, ...).

    Args:
        reference: inputs of the network, (n_reference, ...) finite floats, chosen once. They are saved with
            the layer, as a weight that is not trained.

    Example::

        n, latent_dim = 64, 8
        z = keras.random.normal((n, latent_dim), seed=seed())
        generator = keras.Sequential([
            keras.Input((latent_dim,)), AddReference(z),
            keras.layers.Dense(128), VirtualBatchNorm(n), keras.layers.ReLU(),
            DropReference(n), keras.layers.Dense(2),
        ])
    """

    def __init__(self, reference, **kwargs):
        super().__init__(**kwargs)
        rows = _checks.floats("reference", reference)
        self.reference = self.add_weight(rows.shape, trainable=False, name="reference")
        self.reference.assign(rows)

    def build(self, input_shape):
        _checks.fits("x", input_shape[1:], self.reference.shape[1:])

    def call(self, x):
        return ops.concatenate([ops.cast(self.reference, x.dtype), x])

    def get_config(self):
        return super().get_config() | {"reference": ops.convert_to_numpy(self.reference).tolist()}


class _WithReference(keras.layers.Layer):
    def __init__(self, n_reference, **kwargs):
        super().__init__(**kwargs)
        self.n_reference = _checks.positive_int("n_reference", n_reference)

    def split(self, x):
        n = self.n_reference
        if x.shape[0] is not None and x.shape[0] < n:
            raise ValueError(f"x has {x.shape[0]} rows: want n_reference={n} of AddReference, and a batch")
        return x[:n], x[n:]

    def get_config(self):
        return super().get_config() | {"n_reference": self.n_reference}


@keras.saving.register_keras_serializable("ganbook")
class DropReference(_WithReference):
    """Takes the reference batch off again: (n_reference + batch, ...) -> (batch, ...).

    Best right after the last norm: the layers that follow then have less to compute.

    Args:
        n_reference: rows of the reference batch.
    """

    def call(self, x):
        return self.split(x)[1]


@keras.saving.register_keras_serializable("ganbook")
class ReferenceBatchNorm(_WithReference):
    """Batch norm by the statistics of a reference batch (NIPS 2016 tutorial, arXiv:1701.00160, section 4.3).

    y = gamma (x - mean) / sqrt(var + epsilon) + beta, a channel at a time. mean and var are those of the
    first n_reference rows (and all their places, in pictures), in training and in inference. Gradients flow
    through them. Shapes: (n_reference + batch, ..., channels) -> the same.

    Args:
        n_reference: rows of the reference batch, as given to `AddReference`.
        epsilon: added to the variance.
    """

    def __init__(self, n_reference, epsilon=1e-3, **kwargs):
        super().__init__(n_reference, **kwargs)
        self.epsilon = _checks.positive_float("epsilon", epsilon)

    def build(self, input_shape):
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(f"x has shape {input_shape}: want (n_reference + batch, ..., channels)")
        self.gamma = self.add_weight((input_shape[-1],), "ones", name="gamma")
        self.beta = self.add_weight((input_shape[-1],), "zeros", name="beta")

    def call(self, x):
        # Statistics of half-precision numbers are taken in single precision, as Keras does.
        wide = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        reference, others = self.split(wide)
        mean, var = ops.moments(reference, axes=list(range(x.ndim - 1)), keepdims=True)
        rows = [self._scaled(reference, mean, var), self._scaled(others, *self.statistics(others, mean, var))]
        return ops.cast(ops.concatenate(rows), x.dtype)

    def statistics(self, x, mean, var):
        """By what x is normalised, given the statistics of the reference batch."""
        return mean, var

    def _scaled(self, x, mean, var):
        gamma, beta = ops.cast(self.gamma, x.dtype), ops.cast(self.beta, x.dtype)
        return (x - mean) * (gamma / ops.sqrt(var + self.epsilon)) + beta

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable("ganbook")
class VirtualBatchNorm(ReferenceBatchNorm):
    """Each example is normalised by the reference batch and itself (arXiv:1606.03498, section 3.5).

    As `ReferenceBatchNorm`, but mean and var for an example x_i are those of the n_reference rows and x_i
    together, where x_i weighs w = 1 / (n_reference + 1). With the mean m_i and variance v_i of x_i's own
    places (v_i = 0 in a dense layer) and d = m_i - mean_ref they are

        mean_ref + w d    and    (1 - w) var_ref + w v_i + w (1 - w) d^2.

    So an example's output does not depend on the rest of its batch. The reference rows are normalised
    by their own statistics alone.
    """

    def statistics(self, x, mean, var):
        w = 1.0 / (self.n_reference + 1)
        own_mean, own_var = ops.moments(x, axes=list(range(1, x.ndim - 1)), keepdims=True)
        d = own_mean - mean
        return mean + w * d, (1 - w) * var + w * own_var + w * (1 - w) * d**2
