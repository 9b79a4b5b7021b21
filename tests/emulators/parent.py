"""Ends an emulator with the test that started it, however that test ends: the test holds the other end of standard input."""

import os
import sys
import threading


def end_with_parent():
    def watch():
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
