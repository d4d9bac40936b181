"""Processes: whether they live, waiting for them, a pseudo-terminal."""

import ctypes
import os
import pathlib
import pty
import select
import signal
import time

TIMEOUT = 8
_libc = ctypes.CDLL(None, use_errno=True)


def become_reaper():
    PR_SET_CHILD_SUBREAPER = 36
    assert _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def until(what, condition, seconds=TIMEOUT):
    """Waits for a condition; returns its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return value


def stat(pid):
    """State, parent and group of a process; None if there is none."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except (OSError, IndexError):
        return None
    return fields[0], int(fields[1]), int(fields[2])


def alive(pid):
    found = stat(pid)
    return found is not None and found[0] not in "ZX"


def children(parent):
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in pids if (found := stat(pid)) and found[1] == parent]


def descendants(parent):
    return [pid for child in children(parent) for pid in [child, *descendants(child)]]


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def end_tree(pid):
    for process in [*descendants(pid), pid]:
        kill(process, signal.SIGKILL)


# Servers are children too, and go on.
kept = set()


def end_orphans():
    """Kills what a check has left behind."""
    for child in children(os.getpid()):
        if child not in kept:
            end_tree(child)
            try:
                os.waitpid(child, 0)
            except ChildProcessError:
                pass


class Terminal:
    """An interactive shell at a terminal."""

    def __init__(self, environment, directory):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        self.shown = ""
        self.type("bind 'set enable-bracketed-paste off'; stty -echo; PS1='rea''dy> '\n")
        self.shows("ready> ")

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def shows(self, text, times=1):
        def read():
            while select.select([self.terminal], [], [], 0)[0]:
                try:
                    self.shown += os.read(self.terminal, 4096).decode(errors="replace")
                except OSError:
                    break
            return self.shown.count(text) >= times

        until(f"{text!r} on the terminal", read)

    def close(self):
        end_tree(self.pid)
        os.close(self.terminal)
