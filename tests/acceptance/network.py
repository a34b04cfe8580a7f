"""A network: hosts with an address each, in namespaces on a bridge of their own.

Nothing outside is touched: the bridge, too, has a namespace. Needs root and iproute2.
"""

import ctypes
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

CLONE_NEWNET = 0x40000000
CAN_BE_MADE = os.geteuid() == 0 and shutil.which("ip") is not None


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=30)


class Network:
    """10.77.0.0/24."""

    def __init__(self) -> None:
        self._mark = f"ls{secrets.token_hex(3)}"
        self.namespace = f"{self._mark}-net"
        self._hosts: list[Host] = []
        _ip("netns", "add", self.namespace)
        _ip("-n", self.namespace, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self.namespace, "link", "set", "bridge", "up")

    def host(self, name: str, number: int) -> "Host":
        namespace = f"{self._mark}-{name}"
        _ip("netns", "add", namespace)
        host = Host(self, name, number, namespace)
        self._hosts.append(host)
        port = host.port_of_bridge
        _ip("link", "add", "eth0", "netns", namespace,
            "type", "veth", "peer", "name", port, "netns", self.namespace)  # fmt: skip
        _ip("-n", self.namespace, "link", "set", port, "master", "bridge")
        _ip("-n", self.namespace, "link", "set", port, "up")
        _ip("-n", namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _ip("-n", namespace, "link", "set", link, "up")
        return host

    def remove(self) -> None:
        for host in self._hosts:
            host.leave()
            _ip("netns", "delete", host.namespace)
        _ip("netns", "delete", self.namespace)


class Host:
    """Has a host name, too; not a process table or a file system of its own."""

    def __init__(self, network: Network, name: str, number: int, namespace: str) -> None:
        self.name, self.address, self.namespace = name, f"10.77.0.{number}", namespace
        self.port_of_bridge = f"port{number}"
        self._network = network
        # A thread stays where it once went.
        self._inside = ThreadPoolExecutor(1, name, initializer=self._enter)

    def command(self, *arguments: str) -> list[str]:
        """What runs the command there."""
        return [
            "ip", "netns", "exec", self.namespace, "unshare", "--uts",
            "sh", "-c", 'hostname "$0" && exec "$@"', self.name, *arguments,
        ]  # fmt: skip

    def spawn(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.command(*arguments), env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def connect(self, host: str, port: int) -> socket.socket:
        """From here."""
        return self._inside.submit(socket.create_connection, (host, port), 10).result()

    def cut_off(self) -> None:
        _ip("-n", self._network.namespace, "link", "set", self.port_of_bridge, "down")

    def reconnect(self) -> None:
        _ip("-n", self._network.namespace, "link", "set", self.port_of_bridge, "up")

    def lose(self, *others: "Host") -> None:
        """The way to these alone."""
        for other in others:
            _ip("-n", self.namespace, "route", "add", "blackhole", f"{other.address}/32")

    def find(self, *others: "Host") -> None:
        for other in others:
            _ip("-n", self.namespace, "route", "delete", "blackhole", f"{other.address}/32")

    def leave(self) -> None:
        self._inside.shutdown()

    def _enter(self) -> None:
        handle = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"no way into {self.namespace}")
        finally:
            os.close(handle)
