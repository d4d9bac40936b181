"""httpx, aiohttp and websockets against one URL."""

import asyncio
import json
import os
import sys
from urllib.parse import quote

import aiohttp
import httpx
import websockets

URL, PROTOCOL = sys.argv[1:]
IDLE_SECONDS = float(os.environ["IDLE_SECONDS"])
SESSION, EVENTS = "dlm.session.v1", "dlm.events.v1"


def path(name, operation=""):
    return f"/v1/locks/{quote(name, safe='')}{operation}"


async def eventually(what, condition):
    for _ in range(2000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"timed out waiting for: {what}")


async def check_http(name, call, hang_up=None):
    """`call(method, path, body)` returns a status, a content type and a body. A call
    hangs up when it is cancelled; otherwise `hang_up` is a second `call` and what ends
    it."""

    async def succeeds(method, path, body=None):
        status, media, reply = await call(method, path, body)
        assert status == 200 and media == "application/json", (name, path, status, reply)
        return reply

    async def waiters():
        """How many wait and are not away."""
        status = await succeeds("GET", path(name))
        return sum(not waiter["away"] for waiter in status["waiters"])

    lease = await succeeds("POST", path(name, "/acquire"), {"owner": name})
    assert lease["resource"] == name
    status, media, problem = await call("POST", path(name, "/acquire"), {})
    assert (status, media, problem["code"]) == (423, "application/problem+json", "lock-held"), problem
    release = {"lease_id": lease["lease_id"]}
    await succeeds("POST", path(name, "/renew"), release)
    # Kept-alive connections are closed by now.
    await asyncio.sleep(IDLE_SECONDS)
    await succeeds("GET", path(name))
    # A waiter that hangs up leaves, or is away if a proxy only closes its sending
    # direction. The next one is granted.
    leaving_call, end = hang_up or (call, None)
    leaving = asyncio.create_task(leaving_call("POST", path(name, "/acquire"), {"wait_ms": 60000}))
    await eventually("the acquire is queued", lambda: is_equal(waiters, 1))
    leaving.cancel()
    if end:
        await end()
    await eventually("the waiter has left", lambda: is_equal(waiters, 0))
    waiting = asyncio.create_task(succeeds("POST", path(name, "/acquire"), {"wait_ms": 60000}))
    await eventually("the acquire is queued", lambda: is_equal(waiters, 1))
    await succeeds("POST", path(name, "/release"), release)
    next_lease = await waiting
    await succeeds("POST", path(name, "/release"), {"lease_id": next_lease["lease_id"]})
    page = await succeeds("GET", f"/v1/events?resource={quote(name, safe='')}&limit=100")
    kinds = [event["kind"] for event in page["events"] if event["kind"] != "cancelled"]
    expected = ["granted", "queued", "queued", "released", "granted", "released"]
    assert kinds == expected, (name, kinds)


async def is_equal(read, value):
    return await read() == value


async def with_httpx(http2):
    name = f"httpx/{'2' if http2 else '1'} 🔒 {URL}"

    def new_client():
        client = httpx.AsyncClient(base_url=URL, http1=not http2, http2=http2, timeout=60)

        async def call(method, path, body):
            response = await client.request(method, path, json=body)
            assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert response.headers["x-request-id"]
            return response.status_code, response.headers["content-type"], response.json()

        return call, client.aclose

    call, close = new_client()
    # Over HTTP/2, httpx does not tell the server that a request is cancelled.
    await check_http(name, call, new_client() if http2 else None)
    await close()


async def with_aiohttp():
    async with aiohttp.ClientSession() as client:

        async def call(method, path, body):
            # The path is encoded already.
            target = aiohttp.client.URL(URL + path, encoded=True)
            async with client.request(method, target, json=body) as response:
                return response.status, response.content_type, await response.json(content_type=None)

        await check_http(f"aiohttp {URL}", call)
        await check_sockets(f"aiohttp sockets {URL}", lambda *socket: AiohttpSocket.connect(client, *socket))


class AiohttpSocket:
    @classmethod
    async def connect(cls, client, path, protocol):
        self = cls()
        self.socket = await client.ws_connect(URL + path, protocols=[protocol])
        assert self.socket.protocol == protocol
        return self

    async def send(self, text):
        await self.socket.send_str(text)

    async def receive(self):
        return await self.socket.receive_str(timeout=30)

    async def close(self):
        await self.socket.close()
        return self.socket.close_code

    async def abort(self):
        self.socket.get_extra_info("socket")
        self.socket._response.connection.transport.abort()


class WebsocketsSocket:
    @classmethod
    async def connect(cls, path, protocol):
        self = cls()
        url = URL.replace("http://", "ws://") + path
        self.socket = await websockets.connect(url, subprotocols=[protocol])
        assert self.socket.subprotocol == protocol
        return self

    async def send(self, text):
        await self.socket.send(text)

    async def receive(self):
        return await asyncio.wait_for(self.socket.recv(), 30)

    async def close(self):
        await self.socket.close()
        return self.socket.close_code

    async def abort(self):
        self.socket.transport.abort()


async def check_sockets(name, connect):
    """`connect(path, protocol)` returns a socket."""

    async def request(socket, number, operation, **fields):
        await socket.send(json.dumps({"id": number, "op": operation, "resource": name, **fields}))
        while True:
            reply = json.loads(await socket.receive())
            if reply.get("id") == number and "queued" not in reply:
                return reply

    async def next_event(events):
        while (message := json.loads(await events.receive()))["type"] == "bookmark":
            pass
        return message.get("kind", message["type"])

    events = await connect(f"/v1/events?resource={quote(name, safe='')}", EVENTS)
    assert await next_event(events) == "synced"
    session = await connect("/v1/session", SESSION)
    lease = (await request(session, 1, "acquire"))["lease"]
    assert await next_event(events) == "granted"
    # Longer than a connection between two requests may be idle.
    await asyncio.sleep(IDLE_SECONDS)
    leaving = await connect("/v1/session", SESSION)
    await leaving.send(json.dumps({"id": 1, "op": "acquire", "resource": name, "wait_ms": 60000}))
    assert await next_event(events) == "queued"
    await leaving.abort()
    assert await next_event(events) == "cancelled"
    assert (await request(session, 2, "release", lease_id=lease["lease_id"]))["released"]["released"]
    assert await next_event(events) == "released"
    for socket in [session, events]:
        assert await socket.close() == 1000


async def main():
    if PROTOCOL == "h2":
        await with_httpx(http2=True)
    else:
        sockets = check_sockets(f"websockets {URL}", WebsocketsSocket.connect)
        await asyncio.gather(with_httpx(http2=False), with_aiohttp(), sockets)


asyncio.run(main())
