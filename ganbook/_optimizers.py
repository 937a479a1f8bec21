"""The optimizers of the two players, and what Keras' callbacks take for the one optimizer of the model."""

import keras


class Players(keras.optimizers.Optimizer):
    """Both players' optimizers where Keras asks a model for its one.

    Callbacks of Keras from 3.14 on go through `optimizers`. Those before know one learning rate: that of
    the discriminator, and setting it moves the generator's too, so that their ratio stays.
    """

    def __init__(self, d_optimizer, g_optimizer):
        super().__init__(learning_rate=0.0, name="players")
        self.both = d_optimizer, g_optimizer

    @property
    def optimizers(self):
        """Without the wrappers that scale the loss, which have no averages of weights."""
        return [getattr(optimizer, "inner_optimizer", optimizer) for optimizer in self.both]

    @property
    def built(self):
        return all(optimizer.built for optimizer in self.both)

    @built.setter
    def built(self, value):
        """Keras sets it, but what counts is whether the two are built."""

    def build(self, variables):
        """`GAN` builds each for its own player."""

    @property
    def variables(self):
        return [variable for optimizer in self.both for variable in optimizer.variables]

    @property
    def iterations(self):
        """Train steps: G takes one in each."""
        return self.both[1].iterations

    @property
    def learning_rate(self):
        return self.both[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        d_optimizer, g_optimizer = self.both
        before = float(d_optimizer.learning_rate)
        ratio = float(g_optimizer.learning_rate) / before if before else 1.0
        d_optimizer.learning_rate, g_optimizer.learning_rate = value, value * ratio

    def finalize_variable_values(self, var_list):
        """After the last epoch: weights become their averages where an optimizer has use_ema=True."""
        for optimizer in self.optimizers:
            if optimizer.built:
                optimizer.finalize_variable_values(optimizer._trainable_variables)

    @property
    def _model_variables_moving_average(self):
        """For SwapEMAWeights of Keras before 3.14: in the order of the GAN's weights, G's first.

        A player without averages has copies, with which its weights are swapped to no effect.
        """
        if not any(optimizer.use_ema for optimizer in self.optimizers):
            raise AttributeError("neither optimizer has use_ema=True")
        of_d, of_g = (
            optimizer._model_variables_moving_average
            if optimizer.use_ema
            else [keras.Variable(variable) for variable in optimizer._trainable_variables]
            for optimizer in self.optimizers
        )
        return [*of_g, *of_d]

    def get_config(self):
        """Asked for by Keras' old format of .h5 files alone."""
        raise ValueError("an .h5 file keeps one optimizer: want gan.save with a name that ends in .keras")

    # Both are saved as parts of the GAN.

    def save_own_variables(self, store):
        pass

    def load_own_variables(self, store):
        pass


def computes_in_float16(network):
    return any(layer.compute_dtype == "float16" for layer in network._flatten_layers())


def with_loss_scale(optimizer):
    """Gradients of float16 may be too small to be written down: the loss is scaled for them."""
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer if scaled else keras.optimizers.LossScaleOptimizer(optimizer)
