"""How a GAN runs its steps: what `fit` and `evaluate` do besides the game."""

import contextlib
import types

import keras
import tensorflow as tf

from ganbook import _data_checks, _gan_checks, _step_checks, _xla
from ganbook._keras_model import KerasModel
from ganbook._settings import Settings
from ganbook.checkpoint import Checkpoint

STEPS, STEPS_IN_XLA = 25, 100  # between two returns to Python, unless the user or a callback wants others


class Fitted(KerasModel):
    """A `keras.Model` of two players that trains by `train_step`, many steps between returns to Python."""

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """Train on a tf.data.Dataset of x or of (x, c), or on arrays x and (as y) c.

        Arguments as for keras.Model.fit, less those of validation and weights, which a GAN has no use
        for. Settings that were changed since the last call, or by a callback, count from the next epoch on:
        `d_steps`, an attribute of the loss, a layer's `trainable`.

        Raises:
            ValueError: before the first step, where the data do not fit the networks.
            FloatingPointError: the data, a player's loss or a gradient became NaN or infinite; it says whose,
                and in which step, which is not taken. With jit_compile=True it comes when the group of steps
                is over.
        """
        x, y = _gan_checks.fit_arguments(self, x, y, batch_size, kwargs)
        self._build_optimizers()
        kwargs["callbacks"] = _checkpoints_last(kwargs.get("callbacks"))
        for checkpoint in _checkpoints(kwargs):
            steps = kwargs.pop("steps_per_epoch", None)
            x, kwargs["initial_epoch"] = checkpoint.resume(self, x, steps, _flat(kwargs["callbacks"]))
        self._group_steps(kwargs.get("steps_per_epoch"), kwargs["callbacks"])
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)  # Keras warns that it does not shuffle a dataset
        with _no_alarm_about_tracing(), _step_checks.in_our_words(self):
            return super().fit(x, y, batch_size=batch_size, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Both costs on data that may be held out, as means over the examples; no step is taken.

        The networks are in inference mode. The noise is drawn anew, and the random states are put back, so
        that training goes on as if nothing had been evaluated.

        Args:
            x, y, batch_size: as for `fit`.
            kwargs: verbose, steps, callbacks and return_dict of keras.Model.evaluate.
        """
        x, y = _gan_checks.evaluate_arguments(self, x, y, batch_size, kwargs)
        same = _data_checks.same_random_states(self)
        with same, _no_alarm_about_tracing(), _step_checks.in_our_words(self):
            return super().evaluate(x, y, batch_size=batch_size, **kwargs)

    def reset_metrics(self):
        """Keras calls it before each epoch: the time to see whether a setting was changed."""
        super().reset_metrics()
        self._run.unseen = True

    def make_train_function(self, force=False):
        if force or self.train_function is None:
            self._build_optimizers()  # for train_on_batch, which nothing has prepared
            steps = _xla.groups(self) if self._whole_groups_in_xla() else None
            if steps is None:
                super().make_train_function(force=True)
                steps = self.train_function
            self.train_function = self._watched(steps, self.make_train_function, "train_function")

    def make_test_function(self, force=False):
        if force or self.test_function is None:
            super().make_test_function(force=True)
            self.test_function = self._watched(self.test_function, self.make_test_function, "test_function")

    def _watched(self, function, make, name):
        """The function, traced anew in an epoch before which a setting was changed."""
        traced_with = Settings(self)

        def run(iterator):
            if self._run.unseen or isinstance(iterator, types.GeneratorType):  # which train_on_batch gives
                self._run.unseen = False
                if Settings(self) != traced_with:
                    make(force=True)  # the new function finds its own settings as they are
                    return getattr(self, name)(iterator)
            return function(iterator)

        return run

    def _whole_groups_in_xla(self):
        """A `train_step` of a subclass may return anything: Keras runs it, step by step."""
        devices = self.distribute_strategy.num_replicas_in_sync
        return (
            self.jit_compile and not self.run_eagerly and devices == 1 and not self._overrides("train_step")
        )

    def _group_steps(self, steps_per_epoch, callbacks):
        """Set steps_per_execution, a divisor of steps_per_epoch: Keras would go on to the next multiple."""
        devices = self.distribute_strategy.num_replicas_in_sync
        n = self._compile_kwargs["steps_per_execution"]
        if n is None:
            many = STEPS_IN_XLA if self._whole_groups_in_xla() else STEPS
            n = 1 if devices > 1 or _watches_batches(callbacks) else many
        if n > 1 and devices > 1:
            raise ValueError(f"steps_per_execution={n}: want 1, or none given, on {devices} devices")
        if steps_per_epoch:
            n = max(k for k in range(1, min(n, steps_per_epoch) + 1) if steps_per_epoch % k == 0)
        if n != self.steps_per_execution:
            self.steps_per_execution, self.train_function = n, None  # which makes Keras trace it anew


@contextlib.contextmanager
def inference(gan):
    """Within it the costs see both networks in inference mode, whatever they ask for."""
    for name in ("G", "D"):
        method = getattr(gan, name)
        vars(gan)[name] = lambda a, c=None, training=True, method=method: method(a, c, training=False)
    try:
        yield
    finally:
        for name in ("G", "D"):
            del vars(gan)[name]


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


def _checkpoints_last(callbacks):
    """The callbacks with a `Checkpoint` behind all others, whose draws and changes it then has."""
    in_order = sorted(_flat(callbacks), key=lambda callback: isinstance(callback, Checkpoint))
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.callbacks[:] = in_order
        return callbacks
    return in_order


def _checkpoints(fit):
    """The `Checkpoint` among the arguments of `fit`, if there is one."""
    found = [c for c in _flat(fit["callbacks"]) if isinstance(c, Checkpoint)]
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
