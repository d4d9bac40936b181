"""The points, each a check that raises if the wrapper fails it."""

import os
import pathlib
import signal
import subprocess
import time

from processes import TIMEOUT, Terminal, alive, children, descendants, end_tree, kill, until

# Where shells wait: `sleep` in the background, so that traps run at once.
LOOP = "until [ -e stop ]; do sleep 0.02 & wait $!; done"
# A command with a child, and a daemon: forked twice, in a session of its own.
FAMILY = """sleep 1000 & echo $! >child
(setsid bash -c 'echo $$ >daemon; exec sleep 1000' &)
echo $$ >command; until [ -e stop ]; do sleep 0.02; done"""


class Run:
    """One check of one wrapper, in a folder and with a lock of its own."""

    def __init__(self, wrapper, directory, name, cleanup):
        self.wrapper, self.name, self.cleanup = wrapper, name, cleanup
        self.folder = pathlib.Path(directory) / f"{name}.files"
        self.folder.mkdir()
        self.environment = {**os.environ, **wrapper.environment}

    def start(self, call, **options):
        """Starts a call in a session of its own, without a terminal."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(call, cwd=self.folder, env=self.environment, start_new_session=True, **options)
        self.cleanup.callback(end_tree, process.pid)
        return process

    def script(self, text, ttl=2):
        return self.start(self.wrapper.call(self.name, ["bash", "-c", text], ttl=ttl))

    def code(self, call, seconds=TIMEOUT):
        """The exit code of a call, as a shell sees it."""
        code = self.end(self.start(call), seconds)
        return 128 - code if code < 0 else code

    def end(self, process, seconds=TIMEOUT):
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"it does not end within {seconds} s") from None

    def read(self, file):
        path = self.folder / file
        return path.read_text() if path.exists() else ""

    def line(self, file):
        until(f"the file {file}", lambda: self.read(file).endswith("\n"))
        return self.read(file).strip()

    def pid(self, file):
        return int(self.line(file))

    def family(self):
        return [self.pid("command"), self.pid("child"), self.pid("daemon")]

    def touch(self, file):
        (self.folder / file).touch()

    def dead(self, pids, seconds):
        until("all processes are dead", lambda: not any(map(alive, pids)), seconds)

    def is_free(self):
        """Waits until another one gets the lock."""
        assert self.code(self.wrapper.call(self.name, ["true"])) == 0


def needs_lease(check):
    return check in (dead_in_time, woken_too_late, server_restart)


def argv(run):
    words = ["$HOME", "*", "a  b", "", "`id`;"]
    output = run.start(run.wrapper.call(run.name, ["printf", "%s\n", *words])).communicate(timeout=TIMEOUT)[0]
    assert output.decode().splitlines() == words, output


def exit_codes(run):
    for script, expected in [("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)]:
        code = run.code(run.wrapper.call(run.name, ["sh", "-c", script]))
        assert code == expected, f"{script}: {code}"


def own_codes(run):
    run.script("echo >held; " + LOOP)
    run.line("held")
    call = run.wrapper.call_without_wait(run.name, ["true"], 42)
    assert call, "there is no option not to wait"
    code = run.code(call)
    assert code == 42, f"not acquired: {code}"
    for command, expected in [("no-such-command", 127), ("/etc/passwd", 126)]:
        code = run.code(run.wrapper.call(f"{run.name}-other", [command]))
        assert code == expected, f"{command}: {code}"


def signals(run):
    names = ["USR1", "USR2", "WINCH", "TERM", "INT", "HUP", "QUIT", "TSTP", "CONT"]
    traps = "; ".join(f"trap 'echo {name} >>got' {name}" for name in names)
    process = run.script(f"{traps}; echo >ready; {LOOP}")
    run.line("ready")
    for name in names:
        process.send_signal(getattr(signal, f"SIG{name}"))
        until(name, lambda: run.read("got").endswith(f"{name}\n"), 2)
    assert run.read("got").split() == names, run.read("got")


def shell_line(run, command):
    return " ".join(f"'{word}'" for word in map(str, run.wrapper.call(run.name, command)))


def ctrl_c(run):
    (run.folder / "command.sh").write_text(f"trap 'echo int >>got' INT; echo >ready; {LOOP}")
    terminal = terminal_of(run)
    terminal.type(shell_line(run, ["bash", "command.sh"]) + "\n")
    run.line("ready")
    terminal.type("\x03")
    run.line("got")
    time.sleep(0.3)
    assert run.read("got") == "int\n", run.read("got")


def terminal_of(run):
    terminal = Terminal(run.environment, run.folder)
    run.cleanup.callback(terminal.close)
    return terminal


def whole_group(run):
    process = run.script(FAMILY)
    family = run.family()
    process.terminate()
    run.dead(family, 3)


def dead_in_time(run):
    process = run.script(FAMILY, ttl=3)
    family = run.family()
    server = run.wrapper.server
    server.signal(signal.SIGSTOP)
    run.cleanup.callback(server.signal, signal.SIGCONT)
    # No renewal is later than this.
    run.dead(family, 3)
    server.signal(signal.SIGCONT)
    run.end(process)


def killed_wrapper(run):
    process = run.script(FAMILY)
    family = run.family()
    process.kill()
    run.dead(family, 1)


def woken_too_late(run):
    process = run.script(FAMILY)
    family = run.family()
    process.send_signal(signal.SIGSTOP)
    until("another one gets the lock", lambda: run.code(run.wrapper.call(run.name, ["true"])) == 0, 20)
    process.send_signal(signal.SIGCONT)
    run.dead(family, 0.5)


def last_child(run):
    process = run.script("(setsid sh -c 'sleep 1; echo >done' &); exit 0")
    run.end(process)
    run.is_free()
    assert run.read("done"), "another one ran before the last process had ended"


def leaves_queue(run):
    run.script("echo >held; " + LOOP)
    run.line("held")
    waiter = run.start(run.wrapper.call(run.name, ["sh", "-c", "echo >ran"]))
    time.sleep(0.5)
    waiter.terminate()
    run.end(waiter, 1)
    run.touch("stop")
    run.is_free()
    assert not run.read("ran")


def before_start(run):
    run.script("echo >held; " + LOOP)
    run.line("held")
    waiter = run.start(run.wrapper.call(run.name, ["sh", "-c", "echo >ran"], ttl=10))
    time.sleep(0.5)
    waiter.send_signal(signal.SIGSTOP)
    run.touch("stop")
    time.sleep(0.5)
    waiter.terminate()
    waiter.send_signal(signal.SIGCONT)
    run.end(waiter, 2)
    assert not run.read("ran"), "the command ran"
    run.is_free()


def failed_start(run):
    assert run.code(run.wrapper.call(run.name, ["no-such-command"], ttl=60)) != 0
    started = time.monotonic()
    run.is_free()
    assert time.monotonic() - started < 2, "it was held on"


def job_control(run):
    terminal = terminal_of(run)
    script = "echo >ready; while read line; do echo got $line; done; echo bye"
    (run.folder / "command.sh").write_text(script)
    terminal.type(shell_line(run, ["bash", "command.sh"]) + "\n")
    run.line("ready")
    terminal.type("one\n")
    terminal.shows("got one")
    terminal.type("\x1a")
    terminal.shows("Stopped")
    terminal.type("fg\n")
    terminal.type("two\n")
    terminal.shows("got two")
    terminal.type("\x04")
    terminal.shows("bye")
    terminal.type(shell_line(run, ["bash", "-c", "read line </dev/tty; echo typed $line"]) + " </dev/null\n")
    time.sleep(0.5)
    terminal.type("secret\n")
    terminal.shows("typed secret")


def descriptors(run):
    script = ["bash", "-c", "echo /proc/$$/fd/*"]
    output = run.start(run.wrapper.call(run.name, script)).communicate(timeout=TIMEOUT)[0].decode()
    directly = run.start(script).communicate(timeout=TIMEOUT)[0].decode()
    opened = [[path.rsplit("/", 1)[1] for path in text.split()] for text in (output, directly)]
    assert opened[0] == opened[1], f"{opened[0]} instead of {opened[1]}"


def process_1(run):
    orphans = "for i in 1 2 3; do (setsid sh -c 'exit 0' &); done; echo >ready; until [ -e stop ]; do sleep 0.02; done"
    call = run.wrapper.call(run.name, ["bash", "-c", orphans])
    process = run.start(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *call])
    run.line("ready")
    first = children(process.pid)[0]

    def zombies():
        states = [pathlib.Path(f"/proc/{pid}/stat") for pid in descendants(first)]
        return [path for path in states if path.exists() and path.read_text().rsplit(") ", 1)[1].startswith("Z")]

    until("the orphans are reaped", lambda: not zombies(), 2)


def environment(run):
    script = "tr '\\0' '\\n' </proc/$$/environ >environment.new; mv environment.new environment; echo >ready; " + LOOP
    seen = []
    for _ in range(2):
        for file in ("stop", "ready", "environment"):
            (run.folder / file).unlink(missing_ok=True)
        process = run.script(script)
        run.line("ready")
        found = dict(line.split("=", 1) for line in run.read("environment").splitlines() if "=" in line)
        seen.append({key: value for key, value in found.items() if run.environment.get(key) != value})
        run.touch("stop")
        run.end(process)
    changed = [key for key in seen[0] if seen[0][key] != seen[1].get(key)]
    numbers = [key for key in changed if seen[0][key].isdigit() and seen[1][key].isdigit()]
    assert any(int(seen[1][key]) > int(seen[0][key]) for key in numbers), "no number in it grows with each grant"
    # An id of a lease is another one each time, and no number.
    assert changed == numbers, f"it has an id of the lease: {set(changed) - set(numbers)}"


def server_restart(run):
    process = run.script("echo >ready; " + LOOP + "; exit 0", ttl=10)
    run.line("ready")
    run.wrapper.server.restart()
    time.sleep(6)
    assert process.poll() is None, f"it ended: {process.poll()}"
    run.touch("stop")
    code = run.end(process)
    assert code == 0, f"the exit code is {code}"


def output_untouched(run):
    run.script("echo >held; " + LOOP)
    run.line("held")
    waiter = run.start(run.wrapper.call(run.name, ["echo", "out"]))
    time.sleep(1)
    run.touch("stop")
    output = waiter.communicate(timeout=TIMEOUT)[0]
    assert output == b"out\n", output


def nested(run):
    inner = run.wrapper.call(run.name, ["true"])
    code = run.code(run.wrapper.call(run.name, [str(word) for word in inner]), 3)
    assert code != 0


def options(run):
    held = run.script("echo >held; " + LOOP)
    run.line("held")
    call = run.wrapper.call_with_wait(run.name, ["true"], 1)
    assert call, "there is no option for the longest wait"
    started = time.monotonic()
    assert run.code(call) != 0 and 0.9 < time.monotonic() - started < 3
    call = run.wrapper.call_without_wait(run.name, ["true"], 42)
    assert call and run.code(call) != 0, "there is no option not to wait"
    kill(held.pid, signal.SIGTERM)
    run.touch("stop")
    call = run.wrapper.call_shared(f"{run.name}-shared", ["bash", "-c", "echo >$0; until [ -e $1 ]; do sleep 0.02; done"])
    assert call, "there is no shared mode"
    both = [run.start([*call, *names]) for names in (("one", "two"), ("two", "one"))]
    assert [run.end(process, 3) for process in both] == [0, 0]


ALL = [
    (1, "arguments reach the command, without a shell", argv),
    (2, "exit code of the command, 128+n if signaled", exit_codes),
    (3, "own codes: not acquired can be set, 126, 127", own_codes),
    (4, "forwards TERM INT HUP QUIT USR1 USR2 WINCH TSTP CONT", signals),
    (5, "Ctrl-C is delivered once", ctrl_c),
    (6, "SIGTERM ends the whole group and daemons", whole_group),
    (7, "all dead before the lease expires, if it can't be renewed", dead_in_time),
    (8, "wrapper killed: command and daemons die", killed_wrapper),
    (9, "stopped and woken past the TTL: command is killed at once", woken_too_late),
    (10, "released only after the last process has ended", last_child),
    (11, "a signal while queued leaves the queue at once", leaves_queue),
    (12, "a signal between grant and start: nothing runs", before_start),
    (13, "a command that can't be started releases", failed_start),
    (14, "standard input, terminal and job control", job_control),
    (15, "no descriptor of the wrapper is inherited", descriptors),
    (16, "reaps as process 1", process_1),
    (17, "a fencing token in the environment, and no lease id", environment),
    (18, "a restart of the server within the TTL goes unnoticed", server_restart),
    (20, "standard output is the command's alone", output_untouched),
    (21, "the same lock nested fails at once", nested),
    (22, "options: try, wait at most, shared", options),
]
