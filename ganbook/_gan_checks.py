"""What `GAN` checks of its arguments before any training, each with a ValueError that says what to do."""

import warnings

import keras
import tensorflow as tf

from ganbook import _checks, _data_checks, _networks

_FIT = ("epochs", "verbose", "callbacks", "shuffle", "initial_epoch", "steps_per_epoch")
_EVALUATE = ("verbose", "steps", "callbacks", "return_dict")
_COMPILE = ("run_eagerly", "jit_compile")


def networks(gan, generator, discriminator):
    """The shapes of two networks, as far as they are built."""
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(network, keras.Layer):
            raise ValueError(f"{name}={network!r}: want a keras.Model")
    if generator is discriminator:
        raise ValueError("generator and discriminator are one object: want two networks")
    z, x = (_networks.shape(network, "input_shape") for network in (generator, discriminator))
    sample = _networks.shape(generator, "output_shape")
    if z is not None and z[1:] != (gan.latent_dim,) and not gan._overrides("G"):
        raise ValueError(f"latent_dim={gan.latent_dim}: want that of the generator, whose input is {z}")
    if sample is not None and x is not None and not gan._overrides("G", "D"):
        _checks.fits("the generator's output", sample[1:], x[1:])
    _data_checks.logits(gan, discriminator)


def compile_arguments(d_optimizer, g_optimizer, loss, steps_per_execution, others):
    for name, optimizer in (("d_optimizer", d_optimizer), ("g_optimizer", g_optimizer)):
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise ValueError(f"{name}={optimizer!r}: want a keras.optimizers.Optimizer")
    if d_optimizer is g_optimizer:
        raise ValueError("d_optimizer and g_optimizer are one object: want one for each player")
    has_both = callable(getattr(loss, "d_loss", None)) and callable(getattr(loss, "g_loss", None))
    if isinstance(loss, type) or not has_both:
        raise ValueError(
            f"loss={loss!r}: want an object with d_loss(real, fake) and g_loss(fake), "
            "such as ganbook.NonSaturating()"
        )
    if steps_per_execution is not None:
        _checks.positive_int("steps_per_execution", steps_per_execution)
    _known("compile", others, ("d_optimizer", "g_optimizer", "loss", "steps_per_execution", *_COMPILE))
    try:
        can_be_saved(loss)
    except ValueError as error:  # said before hours of training, not after
        warnings.warn(f"{error}. Training works without", stacklevel=3)


def can_be_saved(loss):
    """Whether Keras can write down what the loss is."""
    try:
        loss.get_config()
    except Exception as error:  # it is the user's
        why = "has no get_config" if isinstance(error, AttributeError) else f"get_config() fails: {error!r}"
        raise ValueError(
            f"loss={type(loss).__name__} {why}, so gan.save would fail: want get_config to return the "
            "arguments of its constructor; gan.save_weights needs none"
        ) from None


def moves(name, optimizer, variables):
    """An optimizer that was built for these weights."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    known = {id(variable) for variable in inner._trainable_variables}
    new = [variable.path for variable in variables if id(variable) not in known]
    if new:
        raise ValueError(
            f"{name[0]}_optimizer was built before the {name} had {new[0]!r} to train: want compile again, "
            "with a new optimizer, after a network or a layer's `trainable` has changed"
        )


def fit_arguments(gan, x, c, batch_size, others):
    """All that `fit` is given; x and c as Keras takes them. Builds the networks if they are not built."""
    _compiled(gan, "fit")
    for name in ("epochs", "steps_per_epoch"):
        if others.get(name) is not None:
            _checks.positive_int(name, others[name])
    _known("fit", others, ("x", "y", "batch_size", *_FIT))
    _callbacks(others.get("callbacks"))
    return _data_checks.data(gan, x, c, batch_size, gan.d_steps)


def evaluate_arguments(gan, x, c, batch_size, others):
    """The same for `evaluate`."""
    _compiled(gan, "evaluate")
    if others.get("steps") is not None:
        _checks.positive_int("steps", others["steps"])
    _known("evaluate", others, ("x", "y", "batch_size", *_EVALUATE))
    _callbacks(others.get("callbacks"))
    return _data_checks.data(gan, x, c, batch_size, 1)


def _compiled(gan, method):
    if not gan.compiled:
        raise ValueError(
            f"compile was not called: call gan.compile(d_optimizer, g_optimizer) before {method}"
        )


def _known(method, given, wanted):
    for name in given:
        if name.startswith("validation") or name.endswith("_weight"):
            raise ValueError(
                f"{name} was given: a GAN has no use for it; measure samples with ganbook.metrics, and what "
                "the players pay on other data with gan.evaluate"
            )
        if name not in wanted:
            raise ValueError(f"{name} was given to {method}: want some of {', '.join(wanted)}")


def _callbacks(callbacks):
    for i, callback in enumerate(tf.nest.flatten(callbacks)):
        if not isinstance(callback, keras.callbacks.Callback | None):
            raise ValueError(f"callbacks[{i}]={callback!r}: want a keras.callbacks.Callback")
