"""What a process that holds a key does before it reads it, so that no other process of the machine gets at it."""

from __future__ import annotations

import ctypes
import os
import resource

from moray.errors import ClusterError

_PR_SET_DUMPABLE = 4  # of <linux/prctl.h>
_PR_SET_NO_NEW_PRIVS = 38
_LIBC = ctypes.CDLL(None, use_errno=True)


def harden() -> None:
    """No core file, no debugger or /proc/PID/mem of this process for the same user (root may look anywhere), files for
    their owner only, nothing gained by setuid programs. Raises ClusterError where the system refuses."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 or _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise ClusterError(f"the system does not let the signer hide its memory: {os.strerror(ctypes.get_errno())}")
