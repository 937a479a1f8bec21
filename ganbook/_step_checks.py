"""What only a running step can check, said in our words: with the player and the step."""

import contextlib
import re

import tensorflow as tf

PLAYERS = ("discriminator", "generator")
WHAT = ("data", "loss", "gradient")


def scalar(gan, cost, loss):
    """Refuse what a cost returns unless it is a scalar: its sum would weigh as much as a batch is large."""
    shape = getattr(loss, "shape", None)
    if shape is None or shape.rank not in (0, None):
        found = repr(loss) if shape is None else f"shape {tuple(shape)}"
        raise ValueError(
            f"{cost} of {type(gan).__name__}, whose loss is {type(gan.loss).__name__}, returned {found}: "
            "want a scalar, such as keras.ops.mean of what each example costs"
        )


def enough_for_d_steps(x, d_steps):
    """Refuse a batch that `fit` did not see. An empty minibatch would make NaN."""
    if x.shape[0] is None:
        n = tf.shape(x)[0]
        tf.debugging.Assert(n >= d_steps, ["a batch has", n])
    elif x.shape[0] < d_steps:
        raise ValueError(_too_few(x.shape[0], d_steps))


def _too_few(n, d_steps):
    return (
        f"a batch has {n} examples, smaller than d_steps={d_steps}: want at least one for each step of D; "
        "ganbook.batches(x, batch_size=...) makes whole batches only"
    )


def finite(player, optimizer, loss, gradients, data=None):
    """Ops that fail where the data, the loss of a player or a gradient is not finite.

    The loss alone will not do: a ReLU can make 0 of NaN, and D's loss on the samples of a dead G a number.
    A gradient above 1e19 counts as infinite: its square, which Adam averages, is.
    """
    before = [tf.debugging.check_numerics(a, f"the {player}'s data") for a in _floats(data)]
    with tf.control_dependencies(before):  # where all are NaN, the first is the cause
        first = tf.debugging.check_numerics(loss, f"the {player}'s loss")
    if not gradients:
        return [first]
    with tf.control_dependencies([first]):
        return [tf.debugging.check_numerics(_size(gradients), f"the {player}'s gradient")]


def _floats(data):
    return [a for a in tf.nest.flatten(data) if a is not None and tf.as_dtype(a.dtype).is_floating]


def _size(gradients):
    """The sum of squares: to check every gradient by itself slows small networks twice as much."""
    squares = [tf.nn.l2_loss(getattr(g, "values", g)) for g in gradients if g is not None]
    return tf.add_n([tf.cast(square, "float32") for square in squares]) if squares else tf.constant(0.0)


def _sum(tensors):
    """A sum that is finite where all is, by products of matrices: XLA adds up any other one by one."""
    rows = [tf.cast(getattr(a, "values", a), "float32") for a in tensors if a is not None]
    rows = [tf.reshape(a, (-1, a.shape[-1] if a.shape.rank else 1)) for a in rows]
    sums = [tf.reduce_sum(tf.matmul(tf.ones((1, tf.shape(a)[0])), a)) for a in rows]
    return tf.add_n([tf.constant(0.0), *sums])


class Recorder:
    """`finite` for a loop in XLA, which leaves checks out: it notes each player's first step at fault."""

    def __init__(self):
        self.first = {player: tf.Variable([0, 0, 0], dtype="int64", trainable=False) for player in PLAYERS}

    def __call__(self, player, optimizer, loss, gradients, data=None):
        sums = [_sum(_floats(data)), tf.cast(loss, "float32"), _sum(gradients)]
        first, step = self.first[player], tf.cast(optimizer.iterations + 1, "int64")
        return [first.assign(tf.where((first == 0) & ~tf.math.is_finite(sums), step, first))]

    def complain(self, gan):
        """FloatingPointError where a step was at fault since the last call."""
        found = {player: first.numpy() for player, first in self.first.items()}
        if not any(steps.any() for steps in found.values()):
            return
        for first in self.first.values():
            first.assign([0, 0, 0])
        # By train steps, of which each has d_steps steps of D and then one of G.
        faults = [
            (step if player == "generator" else -(-step // gan.d_steps), order, step, player, what)
            for order, player in enumerate(PLAYERS)
            for step, what in zip(found[player], WHAT, strict=True)
            if step
        ]
        _, _, step, player, what = min(faults, key=lambda fault: fault[:3])
        taken = "which XLA took, and those that followed: load the weights of before"
        raise FloatingPointError(_not_finite(player, what, "NaN or infinite", f"{step}, {taken}"))


def _not_finite(player, what, value, step):
    cure = "want smaller learning rates, or a loss and layers with bounded gradients"
    if what == "data":
        what, cure = "loss", "the data hold such a number there, want finite x and c"
    return f"the {player}'s {what} became {value} in its step {step}: {cure}"


@contextlib.contextmanager
def in_our_words(gan):
    """FloatingPointError or ValueError with player and step in place of TensorFlow's errors."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        error = _translated(gan, error.message)
        if error is None:
            raise
        raise error from None


def _translated(gan, message):
    found = re.search(r"the (\w+)'s (data|loss|gradient) : Tensor had (\S+(?: and \S+)?) values", message)
    if found:
        player, what, value = found.groups()
        optimizer = {"discriminator": gan.d_optimizer, "generator": gan.g_optimizer}[player]
        step = f"{int(optimizer.iterations) + 1}, which was not taken"
        return FloatingPointError(_not_finite(player, what, value, step))
    step = int(gan.g_optimizer.iterations) + 1
    if found := re.search(r"\[a batch has\] \[(\d+)\]", message):
        return ValueError(f"in train step {step} {_too_few(found[1], gan.d_steps)}")
    if found := re.search(r"indices\S* = (-?\d+) is not in \[0, (\d+)\)", message):
        return ValueError(
            f"in train step {step} a layer met the label {found[1]}: want labels of at least 0 and below "
            f"{found[2]} in c"
        )
    return None
