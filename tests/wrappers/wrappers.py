"""The wrappers: how each is called, and the server that it needs."""

import contextlib
import socket
import subprocess
import time

import processes


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(port):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def first_line(*command):
    output = subprocess.run(command, capture_output=True, text=True).stdout
    return output.splitlines()[0].strip()


def debian_version(package):
    return f"{package} {first_line('dpkg-query', '-W', '-f', '${Version}', package)}"


class Server:
    """A server that can be stopped and restarted on its data."""

    def __init__(self, command, port, cleanup):
        self.command, self.port = command, port
        self.start()
        cleanup.callback(self.kill)

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        processes.kept.add(self.process.pid)
        wait_for_port(self.port)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()
        processes.kept.discard(self.process.pid)

    def restart(self):
        self.kill()
        self.start()


class Wrapper:
    """What the checks need. `ttl` is in seconds."""

    leases = False
    server = None
    environment = {}

    def __init__(self, binaries, directory, servers):
        self.directory = directory

    def call(self, name, command, ttl=2):
        raise NotImplementedError

    # Calls with options; None if the wrapper has none.
    def call_without_wait(self, name, command, code):
        return None

    def call_with_wait(self, name, command, seconds):
        return None

    def call_shared(self, name, command):
        return None


class Dlm(Wrapper):
    name = "dlm run"
    leases = True

    def __init__(self, binaries, directory, servers):
        super().__init__(binaries, directory, servers)
        port = free_port()
        self.binary = binaries / "dlm"
        database = f"sqlite://{directory}/dlm.db"
        command = [binaries / "dlm-server", "--listen", f"127.0.0.1:{port}", "--database-url", database]
        self.server = Server(command, port, servers)
        self.environment = {"DLM_URL": f"http://127.0.0.1:{port}", "XDG_CONFIG_HOME": str(directory)}

    def call(self, name, command, ttl=2, options=()):
        return [self.binary, "run", name, "--ttl", f"{ttl}s", *options, "--", *command]

    def call_without_wait(self, name, command, code):
        return self.call(name, command, options=["--try", "--exit-code", f"not-acquired={code}"])

    def call_with_wait(self, name, command, seconds):
        return self.call(name, command, options=["--wait", f"{seconds}s"])

    def call_shared(self, name, command):
        return self.call(name, command, options=["--shared"])

    def version(self):
        return first_line(self.binary, "--version")


class Flock(Wrapper):
    name = "flock"

    def call(self, name, command, ttl=2, options=()):
        return ["flock", *options, self.directory / name, *command]

    def call_without_wait(self, name, command, code):
        return self.call(name, command, options=["-n", "-E", str(code)])

    def call_with_wait(self, name, command, seconds):
        return self.call(name, command, options=["-w", str(seconds)])

    def call_shared(self, name, command):
        return self.call(name, command, options=["-s"])

    def version(self):
        return "flock of " + debian_version("util-linux")


class Setlock(Wrapper):
    name = "setlock"

    def call(self, name, command, ttl=2, options=()):
        return ["setlock", *options, self.directory / name, *command]

    def call_without_wait(self, name, command, code):
        # Its code is 111, and can't be set.
        return self.call(name, command, options=["-n"])

    def version(self):
        return "setlock of " + debian_version("daemontools")


class Etcdctl(Wrapper):
    name = "etcdctl lock"
    leases = True

    def __init__(self, binaries, directory, servers):
        super().__init__(binaries, directory, servers)
        port, peers = free_port(), free_port()
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
        command = ["etcd", "--data-dir", directory / "etcd", "--listen-client-urls", client]
        command += ["--advertise-client-urls", client, "--listen-peer-urls", peer]
        command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        self.server = Server(command, port, servers)
        self.environment = {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": client}

    def call(self, name, command, ttl=2):
        return ["etcdctl", "lock", f"--ttl={ttl}", "--", name, *command]

    def version(self):
        return "etcdctl of " + debian_version("etcd-client")


ALL = [Dlm, Flock, Setlock, Etcdctl]
