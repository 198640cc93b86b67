"""Keys that are pressed on a terminal, one by one, without Enter."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def hot_keys() -> Iterator[Callable[[], str]]:
    """Give a function that returns the next key that was pressed, or nothing; it never waits.

    Where there is no terminal no key is ever pressed. The terminal is as before afterwards.
    """
    if not sys.stdin.isatty():
        yield lambda: ""
    elif sys.platform == "win32":
        import msvcrt

        yield lambda: msvcrt.getwch() if msvcrt.kbhit() else ""
    else:
        import os
        import select
        import termios
        import tty

        place = sys.stdin.fileno()
        before = termios.tcgetattr(place)

        def pressed() -> str:
            ready = select.select([place], [], [], 0)[0]
            return os.read(place, 1).decode("latin-1") if ready else ""

        tty.setcbreak(place)
        try:
            yield pressed
        finally:
            termios.tcsetattr(place, termios.TCSADRAIN, before)
