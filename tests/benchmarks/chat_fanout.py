"""Chat fan-out: one uvicorn process, many WebSocket clients; the hub against a plain consumer.

    python -m tests.benchmarks.chat_fanout [--clients 200] [--rate 20] [--seconds 5]

The baseline is Channels' documented pattern: every socket adds its own channel to the group and
encodes the event itself. Both get the same messages, published by this process through the channel
layer. Printed: delivery time in milliseconds, the server's CPU per delivery, and their ratios.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import Any, NamedTuple

STREAM = "stream"


class Figures(NamedTuple):
    delivered: float  # of those sent, 0 to 1
    p50: float  # milliseconds
    p99: float
    cpu: float  # the server's microseconds per delivery


def hub() -> Any:
    """The ASGI application as it is served."""
    import django

    django.setup()
    from chat.routing import application

    return application


def baseline() -> Any:
    """The same route with a channel per socket."""
    import django

    django.setup()
    from channels.generic.websocket import AsyncWebsocketConsumer

    from chat.room import chat_group
    from streams.models import Stream

    class GroupPerSocket(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            stream = await Stream.objects.aget(name=STREAM)
            await self.channel_layer.group_add(chat_group(stream.pk), self.channel_name)
            await self.accept()
            await self.send(text_data='{"type":"welcome"}')

        async def chat_frame(self, event: dict[str, Any]) -> None:
            await self.send(text_data=json.dumps(json.loads(event["text"])))

    return GroupPerSocket.as_asgi()


@contextmanager
def serving(application: str) -> Any:
    """One uvicorn process on a free loopback port; yields it and its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", f"tests.benchmarks.chat_fanout:{application}",
         "--factory", "--port", str(port), "--ws", "websockets-sansio",
         "--ws-per-message-deflate", "false", "--loop", "uvloop", "--lifespan", "off",
         "--log-level", "warning", "--timeout-graceful-shutdown", "2"],
    )  # fmt: skip
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield server, f"ws://127.0.0.1:{port}/ws/chat/{STREAM}/"
    finally:
        server.terminate()
        server.wait()


async def listen(url: str, joined: asyncio.Semaphore, delays: list[float]) -> None:
    """One client: counts itself in after the welcome, then notes each message's delay in ms."""
    from websockets.asyncio.client import connect

    async with connect(url, compression=None, open_timeout=60, ping_interval=None) as client:
        await client.recv()
        joined.release()
        async for text in client:
            event = json.loads(text)
            if event["type"] == "message":
                # Linux has one monotonic clock for all processes.
                delays.append((time.monotonic() - event["sent"]) * 1000)


async def measure(application: str, clients: int, rate: float, seconds: float) -> Figures:
    from channels.layers import get_channel_layer

    from chat.room import chat_group
    from streams.models import Stream

    group = chat_group((await Stream.objects.aget(name=STREAM)).pk)
    layer, delays, joined = get_channel_layer(), [], asyncio.Semaphore(0)
    with serving(application) as (server, url):
        tasks = [asyncio.create_task(listen(url, joined, delays)) for _ in range(clients)]
        for _ in range(clients):
            await joined.acquire()
        before, start = cpu_seconds(server.pid), time.monotonic()
        messages = int(rate * seconds)
        for n in range(messages):
            await asyncio.sleep(start + n / rate - time.monotonic())
            event = {"type": "message", "sent": time.monotonic(), "text": "x" * 80}
            frame = {"type": "chat.frame", "text": json.dumps(event), "id": str(n)}
            await layer.group_send(group, frame)
        deadline = time.monotonic() + 5
        while len(delays) < clients * messages and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        cpu = cpu_seconds(server.pid) - before
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await layer.flush()
    delays.sort()
    return Figures(
        len(delays) / (clients * messages),
        delays[len(delays) // 2],
        delays[len(delays) * 99 // 100],
        cpu / len(delays) * 1e6,
    )


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20, help="messages per second")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()

    import tests.redis_server  # noqa: F401, I001  sets the environment Django reads below
    import django

    django.setup()
    from django.core.management import call_command

    from streams.models import Stream

    call_command("migrate", verbosity=0)
    Stream.objects.create(name=STREAM)
    write = sys.stdout.write
    write(f"{options.clients} clients, {options.rate:g} messages/s, {options.seconds:g} s\n")
    results = {}
    for application in ("baseline", "hub"):
        run = measure(application, options.clients, options.rate, options.seconds)
        results[application] = found = asyncio.run(run)
        write(
            f"{application:9} delivered {found.delivered:7.2%}  p50 {found.p50:7.1f} ms  "
            f"p99 {found.p99:7.1f} ms  server CPU {found.cpu:6.1f} us/delivery\n"
        )
    base, ours = results["baseline"], results["hub"]
    write(
        f"baseline / hub: p50 {base.p50 / ours.p50:.1f}, p99 {base.p99 / ours.p99:.1f}, "
        f"CPU {base.cpu / ours.cpu:.1f} times\n"
    )


if __name__ == "__main__":
    main()
