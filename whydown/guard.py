"""A process that ends its whole process group when its standard input does.

Run as a script by `whydown.supervision`, which holds the other end of that pipe: however the supervisor dies, the
kernel closes the pipe. Unlike Linux's PR_SET_PDEATHSIG this works on macOS too, and it reaches grandchildren. Imports
nothing heavy, for it lives as long as everything else.
"""

import os
import signal
import sys

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)
