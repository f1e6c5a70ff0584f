"""Which failures of the system are transient, so that a restart may succeed: a full disk, not a wrong path."""

import errno

_ERRNOS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ENOMEM,
        errno.ENFILE,
        errno.EMFILE,
        errno.EAGAIN,
        errno.EBUSY,
        errno.ETIMEDOUT,
        errno.ESTALE,
    }
)


def is_transient(exc: OSError) -> bool:
    """Whether an OSError is such a failure."""
    return exc.errno in _ERRNOS
