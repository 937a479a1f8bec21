"""What can be seen of a network from outside: its shapes, its inputs, what its end makes of numbers."""

import keras
import numpy as np
import tensorflow as tf

PROBES = np.array([-1000.0, -30.0, -1.0, 0.0, 1.0, 30.0, 1000.0], "float32")
KNOWN = {
    "tanh": np.tanh(PROBES),
    "sigmoid": (1 + np.tanh(PROBES / 2)) / 2,
    "hard_sigmoid": np.clip(PROBES / 6 + 0.5, 0, 1),
}


def shape(network, attribute):
    """The shape of a network's first input or output, or None where it has none yet."""
    try:
        found = getattr(network, attribute)
    except AttributeError:  # not built, or a subclass without a fixed graph
        return None
    return found[0] if isinstance(found, list) else found


def n_inputs(network):
    """How many inputs a network takes, None where only its `call` knows."""
    inputs = getattr(network, "inputs", None)
    return None if inputs is None else len(tf.nest.flatten(inputs))


def vocabularies(network):
    """How many labels each Embedding or CategoryEncoding in a network knows."""
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.Embedding):
            yield layer.input_dim
        elif isinstance(layer, keras.layers.CategoryEncoding):
            yield layer.num_tokens


def end(network, example=None):
    """What a network does to numbers behind its last weights: (name, least, largest), or None for nothing.

    The name is that of a known activation, however it is spelled, or "what ends it".

    Args:
        example: inputs for a network that has no fixed graph. Without it nothing is seen of such a one.
    """
    try:
        made = _after_weights(network, example)
    except Exception:  # networks may hold anything; one that cannot be traced by itself is not judged
        return None
    if made is None:
        return None
    if isinstance(made, str):
        return made, 0.0, 1.0
    for name, values in KNOWN.items():
        if np.allclose(made, values, atol=1e-3):
            return name, float(values.min()), float(values.max())
    beyond = made[[0, -1]] - made[[1, -2]]  # from 30 to 1000: what still moves there has no bound
    least = -np.inf if beyond.min() < -1e-3 else float(made.min())
    largest = np.inf if beyond.max() > 1e-3 else float(made.max())
    return "what ends it", least, largest


def _after_weights(network, example):
    """The end applied to PROBES; "softmax"; or None where there is none, or none can be seen."""
    outputs = getattr(network, "outputs", None)
    if not outputs:
        return None if example is None else _traced(network, example)
    layer = outputs[0]._keras_history.operation
    if isinstance(layer, keras.Model):
        return _after_weights(layer, None)
    activation = getattr(layer, "activation", None)
    if activation is None:
        return _traced(network, network.inputs)
    if activation is keras.activations.softmax:
        return "softmax"
    return None if activation is keras.activations.linear else _applied(activation, (1,))


def _applied(function, shape):
    x = np.broadcast_to(PROBES.reshape(-1, *(1 for _ in shape)), (len(PROBES), *shape))
    made = keras.ops.convert_to_numpy(function(tf.constant(x, "float32")))
    return made.reshape(len(PROBES), -1)[:, 0].astype("float32")


def _traced(network, inputs):
    """From TensorFlow's graph of the network, whose operations are those of every spelling."""
    specs = [tf.TensorSpec((None, *i.shape[1:]), i.dtype) for i in tf.nest.flatten(inputs)]

    def first_output(*arguments):
        packed = list(arguments) if len(specs) > 1 else arguments[0]
        return tf.nest.flatten(network(packed, training=False))[0]

    graph = tf.compat.v1.wrap_function(first_output, specs)
    at = end = graph.outputs[0]
    while True:  # back to what has weights, or more than one input
        if at.op.type == "Softmax":
            return "softmax"
        found = [i for i in at.op.inputs if i.op.type not in ("Const", "Shape", "StridedSlice", "Pack")]
        if len(found) != 1 or any(map(_weight, at.op.inputs)):
            break
        at = found[0]
    if at is end or None in at.shape[1:]:
        return None
    return _applied(graph.prune(at, end), tuple(at.shape[1:]))


def _weight(tensor):
    while tensor.op.type in ("Identity", "Cast"):
        tensor = tensor.op.inputs[0]
    return tensor.op.type in ("ReadVariableOp", "Placeholder") and tensor.dtype.is_floating
