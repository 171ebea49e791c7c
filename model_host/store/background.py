"""Blocking work beside the event loop, stopped when its caller is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STOP_WAIT_S = 5.0


async def in_background(work: Callable[[threading.Event], T]) -> T:
    """Run `work` on a thread of its own; it must look at the event and end soon after it is set.

    Cancelling sets the event and waits for the thread, but no longer than `STOP_WAIT_S`: a read
    from a silent server cannot be interrupted. The thread is a daemon, so that it never delays
    the end of the process; `work` therefore owns its locks and leaves only resumable files.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    stop = threading.Event()

    def finish(value: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value)  # type: ignore[arg-type]

    def main() -> None:
        value: T | None = None
        failure: BaseException | None = None
        try:
            value = work(stop)
        except BaseException as error:  # delivered to the caller, whatever it is
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is waiting
            loop.call_soon_threadsafe(finish, value, failure)

    threading.Thread(target=main, name="store", daemon=True).start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([done], timeout=STOP_WAIT_S)
        if done.done():
            done.exception()  # mark as seen
        raise
