"""Drives clients that are not part of this project against a real server, directly
and through nginx and HAProxy.

Called by script/test-clients, which installs the clients. The arguments are the
server's binary, a Python and the folder of Node's packages.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
# An idle connection is closed after this time, so that clients meet closed ones.
KEEP_ALIVE_SECONDS = 2


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(process, port):
    until = time.monotonic() + 20
    while True:
        assert process.poll() is None and time.monotonic() < until, f"{process.args} does not listen"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)


@contextlib.contextmanager
def running(arguments, **options):
    process = subprocess.Popen([str(argument) for argument in arguments], **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def server(binary, directory):
    arguments = [binary, "--listen", "127.0.0.1:0", "--database-url", f"sqlite://{directory}/dlm.db"]
    arguments += ["--keep-alive", f"{KEEP_ALIVE_SECONDS}s"]
    with running(arguments, stdout=subprocess.PIPE, text=True) as process:
        yield int(process.stdout.readline().rsplit(":", 1)[1])


def documented(language, port):
    """A configuration in the operations manual, with the server's port."""
    manual = (ROOT / "docs/OPERATIONS.md").read_text()
    block = re.search(rf"```{language}\n(.*?)```", manual, re.DOTALL)[1]
    return block.replace("127.0.0.1:7420", f"127.0.0.1:{port}")


@contextlib.contextmanager
def nginx(directory, upstream):
    port = free_port()
    block = documented("nginx", upstream).replace("listen 8080", f"listen 127.0.0.1:{port}")
    kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = "".join(f"{kind}_temp_path {kind};\n" for kind in kinds)
    file = directory / "nginx.conf"
    file.write_text(
        "daemon off; master_process off; pid nginx.pid; error_log stderr;\n"
        f"events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n{temporary}{block}}}\n"
    )
    with running(["nginx", "-q", "-p", directory, "-c", file]) as process:
        wait_for_port(process, port)
        yield port


@contextlib.contextmanager
def haproxy(directory, upstream):
    """One port for HTTP/1, one for HTTP/2 without TLS."""
    port, http2_port = free_port(), free_port()
    file = directory / "haproxy.cfg"
    binds = f"bind 127.0.0.1:{port}\n    bind 127.0.0.1:{http2_port} proto h2"
    file.write_text(documented("haproxy", upstream).replace("bind 127.0.0.1:8080", binds))
    with running(["haproxy", "-q", "-f", file]) as process:
        wait_for_port(process, port)
        yield port, http2_port


def curl(url, *options):
    command = ["curl", "-sS", "--max-time", "60", "-w", "\n%{http_code} %{http_version}", *options, url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    body, status = output.rsplit("\n", 1)
    code, version = status.split(" ")
    return int(code), {"1": "1.0"}.get(version, version), body


def check_curl(url, version, option):
    lock = f"{url}/v1/locks/curl%2F{version}"
    accept = [option, "-H", "content-type: application/json"]
    status, used, body = curl(f"{lock}/acquire", *accept, "-d", '{"wait_ms": 1000}')
    assert (status, used) == (200, version), (status, used, body)
    lease = json.loads(body)
    assert lease["resource"] == f"curl/{version}"
    assert curl(f"{lock}/acquire", *accept, "-d", '{"wait_ms": 300}')[0] == 423
    assert curl(f"{lock}/acquire", *accept, "-X", "POST")[0] == 423, "an acquire without a body"
    request = json.dumps({"lease_id": lease["lease_id"]})
    for operation in ["renew", "release"]:
        assert curl(f"{lock}/{operation}", *accept, "-d", request)[0] == 200
    # Behind `Expect: 100-continue`, and in chunks.
    for header in ["expect: 100-continue", "transfer-encoding: chunked"]:
        if version == "1.1":
            status, _, body = curl(f"{lock}/acquire", *accept, "-H", header, "-d", '{"ttl_ms": 100}')
            assert status == 200, body
            request = json.dumps({"lease_id": json.loads(body)["lease_id"]})
            curl(f"{lock}/release", *accept, "-d", request)
    assert json.loads(curl(lock, option)[2])["state"] == "free"
    assert curl(f"{url}/livez", option, "--head")[0] == 200
    assert curl(f"{url}/metrics", option, "--compressed")[0] == 200


def main(binary, python, node_modules):
    directory = pathlib.Path(tempfile.mkdtemp())
    with server(binary, directory) as port, nginx(directory, port) as nginx_port, haproxy(
        directory, port
    ) as (haproxy_port, http2_port):
        paths = [
            ("directly", port, ["h1", "h2"]),
            ("through nginx", nginx_port, ["h1"]),
            ("through HAProxy", haproxy_port, ["h1"]),
            ("through HAProxy over HTTP/2", http2_port, ["h2"]),
        ]
        for how, port, protocols in paths:
            url = f"http://127.0.0.1:{port}"
            begun = time.monotonic()
            if "h1" in protocols:
                # nginx and HAProxy answer HTTP/1.0 with 1.1, as they may.
                if how == "directly":
                    check_curl(url, "1.0", "--http1.0")
                check_curl(url, "1.1", "--http1.1")
                clients = [[python, HERE / "python_clients.py", url, "h1"]]
                clients += [["node", HERE / "node_clients.mjs", url]]
            else:
                clients = []
            if "h2" in protocols:
                check_curl(url, "2", "--http2-prior-knowledge")
                clients += [[python, HERE / "python_clients.py", url, "h2"]]
            environment = os.environ | {
                "IDLE_SECONDS": str(KEEP_ALIVE_SECONDS + 1),
                "NODE_MODULES": str(node_modules),
            }
            for client in clients:
                command = [str(argument) for argument in client]
                subprocess.run(command, check=True, env=environment, timeout=120)
            print(f"{how}: ok, {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
