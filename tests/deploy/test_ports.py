"""Ports: what is taken is named, with the program that has it."""

import os
import socket
from pathlib import Path

from deploy.ports import is_free, listening_inodes
from tests.deploy.installation import Installation, free_port


def test_a_port_nobody_has_is_free() -> None:
    assert is_free("127.0.0.1", free_port())


def test_a_port_taken_on_every_address_is_not_free_on_one(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        assert not is_free("127.0.0.1", listener.getsockname()[1])


def test_the_program_on_a_taken_port_is_named_and_so_is_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        run = Installation(tmp_path, LIVESTREAM_EDGE_PORT=port).run("deploy.ports")
    assert run.returncode == 1
    assert f"127.0.0.1:{port} (edge) is taken by" in run.stderr
    assert f"(pid {os.getpid()})" in run.stderr
    assert "LIVESTREAM_EDGE_PORT=8081 ./deploy/app.sh setup" in run.stderr


def test_free_ports_are_not_spoken_of(tmp_path: Path) -> None:
    run = Installation(tmp_path, REDIS_URL=f"redis://127.0.0.1:{free_port()}").run(
        "deploy.ports", "redis"
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    run = Installation(tmp_path, LIVESTREAM_BIND="192.0.2.1").run("deploy.ports")
    assert run.returncode == 1
    assert "192.0.2.1 is not an address of this machine" in run.stderr


def test_connections_of_a_port_are_not_its_listener() -> None:
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid t inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 111 1\n"
        "   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000 0 0 222 1\n"
    )
    assert listening_inodes(table, 8080) == {"111"}
