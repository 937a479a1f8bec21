"""Say clearly what is missing before Keras fails with something less clear.

ImportError, not ModuleNotFoundError: the setup cell of every chapter takes the latter to mean that
ganbook itself is not installed.
"""

import gc
import importlib.util

if importlib.util.find_spec("tensorflow") is None:
    raise ImportError(
        "ganbook trains with Keras on TensorFlow, and TensorFlow is not installed: "
        "run `pip install tensorflow` (or tensorflow-cpu where there is no GPU)."
    )

# While the import fills the memory, the garbage collector looks through all of it again and again, and none
# of it is garbage. Frozen and thawed, what was loaded counts as old: the collector does not begin with it.
_collects = gc.isenabled()
gc.disable()
try:
    import keras
finally:
    if not gc.get_freeze_count():  # or what somebody else froze would thaw, too
        gc.freeze()
        gc.unfreeze()
    if _collects:
        gc.enable()

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"ganbook needs the TensorFlow backend of Keras, and KERAS_BACKEND is "
        f"{keras.backend.backend()!r}: set KERAS_BACKEND=tensorflow before Keras is imported."
    )
