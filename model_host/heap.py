"""Keep freed megabytes for the next call.

glibc gives a large freed block back to the kernel at once; the next frame of that size then faults
in every page again, which costs several times what the call itself does.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 64 << 20
_MMAP_BYTES = 32 << 20  # the most that glibc takes


def keep_heap() -> None:
    """Let this process keep up to 64 MiB that it does not use. Does nothing without glibc."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
