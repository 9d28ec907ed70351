"""Calls with a deadline: on daemon threads, so that a call that hangs holds up neither its caller nor the exit."""

from __future__ import annotations

import atexit
import queue
import threading
import time
from concurrent.futures import Future
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Worker:
    """One daemon thread that runs what it is given, in order.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Queue a call, with the caller's context variables."""
        future: Future[T] = Future()
        context = copy_context()

        def task() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(context.run(function))
            except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
                future.set_exception(error)

        self._tasks.put(task)
        return future

    def call(self, function: Callable[[], T], seconds: float | None) -> T:
        """Run a call and wait for it.

        Raises:
            TimeoutError: The deadline passed; the call goes on alone, and is not begun if it was still waiting.
        """
        future = self.submit(function)
        try:
            return future.result(seconds)
        except TimeoutError:
            future.cancel()
            raise

    def stop(self) -> None:
        """Let the thread end after what is queued."""
        self._tasks.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


def call(function: Callable[[], T], seconds: float | None) -> T:
    """Run one call within a deadline; `None` runs it here, without one.

    Raises:
        TimeoutError: The deadline passed; the call goes on alone.
    """
    if seconds is None:
        return function()
    worker = Worker("agentmem-deadline")
    try:
        return worker.call(function, seconds)
    except TimeoutError:
        _abandoned.add(worker)
        raise
    finally:
        worker.stop()


_EXIT_SECONDS: Final = 5.0
_abandoned: Final[WeakSet[Worker]] = WeakSet()


@atexit.register
def _see_them_out() -> None:
    """Give abandoned calls a moment: a thread that is inside torch while the process ends takes it down (SIGABRT)."""
    until = time.monotonic() + _EXIT_SECONDS
    for worker in list(_abandoned):
        worker.join(max(0.0, until - time.monotonic()))
