"""Say clearly what is missing before Keras fails with something less clear.

ImportError, not ModuleNotFoundError: the setup cell of every chapter takes the latter to mean that
ganbook itself is not installed.
"""

import importlib.util

if importlib.util.find_spec("tensorflow") is None:
    raise ImportError(
        "ganbook trains with Keras on TensorFlow, and TensorFlow is not installed: "
        "run `pip install tensorflow` (or tensorflow-cpu where there is no GPU)."
    )

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"ganbook needs the TensorFlow backend of Keras, and KERAS_BACKEND is "
        f"{keras.backend.backend()!r}: set KERAS_BACKEND=tensorflow before Keras is imported."
    )
