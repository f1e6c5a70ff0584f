"""The Unix socket in a data folder, which only the owner of the folder and root can reach."""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from thingstead.server.folder import LOCAL_SOCKET

# The kernel's limit of an address is 108 bytes with its end; macOS has 104.
ADDRESS_BYTES = 100
REQUEST_BYTES = 1 << 20  # of one request with the end of its line


@contextlib.contextmanager
def address_of(folder: Path) -> Iterator[str]:
    """An address of the socket, valid inside the block; of a folder with a long path the one below its descriptor.

    Raises:
        OSError: the folder cannot be opened, or its path is too long on a system without such addresses.
    """
    path = str(folder.absolute() / LOCAL_SOCKET)
    if len(os.fsencode(path)) <= ADDRESS_BYTES:
        yield path
        return
    if not sys.platform.startswith("linux"):
        raise OSError(f"{path} is longer than the {ADDRESS_BYTES} bytes of a socket's address")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{LOCAL_SOCKET}"
    finally:
        os.close(descriptor)


def bind_local(folder: Path) -> socket.socket:
    """The listening socket, for the owner alone. The caller has locked the folder: an older socket is of a server that
    was killed."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address_of(folder) as address:
            (folder / LOCAL_SOCKET).unlink(missing_ok=True)
            sock.bind(address)
            os.chmod(folder / LOCAL_SOCKET, 0o600)
        sock.listen(16)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def connect_local(folder: Path, timeout_s: float) -> socket.socket | None:
    """A connection to the server that works on the folder; None if no server listens there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        with address_of(folder) as address:
            sock.connect(address)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock
