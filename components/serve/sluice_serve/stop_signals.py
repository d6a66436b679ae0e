"""SIGTERM and SIGINT as something to wait for, instead of handlers.

A Python handler that runs while the main thread is on its way into a lock can be left pending for ever, which under load happens.
"""

import signal

STOP = frozenset({signal.SIGTERM, signal.SIGINT})


def hold() -> None:
    """Keeps the signals pending from now on. Before any thread is made: threads inherit this, and one without it would die of them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)


def wait() -> signal.Signals:
    """Sleeps until one of them has come, also if it came before this call."""
    return signal.Signals(signal.sigwait(STOP))
