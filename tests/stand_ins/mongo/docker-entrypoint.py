"""What the entry point of MongoDB's image does with what deploy/docker-compose.yml gives it.

On an empty data folder it starts mongod on loopback without authorisation, makes the administrator
from MONGO_INITDB_ROOT_USERNAME and MONGO_INITDB_ROOT_PASSWORD(_FILE), and stops it; then it becomes
mongod on all addresses, with authorisation.
"""

import os
import subprocess
import sys
from pathlib import Path

from pymongo import MongoClient

DATA = Path("/data/db")
ALREADY_INITIALISED = ("WiredTiger", "journal", "local.0", "storage.bson")


def from_file_or_environment(name: str) -> str:
    file = os.environ.get(f"{name}_FILE")
    return Path(file).read_text().strip() if file else os.environ.get(name, "")


def make_administrator(command: list[str], user: str, password: str) -> None:
    first = subprocess.Popen([*command, "--bind_ip", "127.0.0.1", "--nounixsocket"])
    try:
        client: MongoClient[dict[str, object]] = MongoClient("127.0.0.1", directConnection=True)
        roles = [{"role": "root", "db": "admin"}]
        client.admin.command("createUser", user, pwd=password, roles=roles)
        client.close()
    finally:
        first.terminate()
        first.wait()


def main(command: list[str]) -> None:
    if command[0].startswith("-"):
        command = ["mongod", *command]
    if command[0] == "mongod":
        user = from_file_or_environment("MONGO_INITDB_ROOT_USERNAME")
        password = from_file_or_environment("MONGO_INITDB_ROOT_PASSWORD")
        if user and password:
            if not any((DATA / name).exists() for name in ALREADY_INITIALISED):
                make_administrator(command, user, password)
            command = [*command, "--auth"]
        command = [*command, "--bind_ip_all", "--nounixsocket"]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
