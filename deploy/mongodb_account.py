"""The product's own user in a MongoDB that has only its administrator so far.

`python -m deploy.mongodb_account` makes the user that MONGODB_URI names, with the rights to that
one database, or gives it the password of MONGODB_URI. The administrator comes from
MONGODB_ROOT_USERNAME and MONGODB_ROOT_PASSWORD_FILE; no other process of ours ever gets it.
"""

import os
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import InvalidURI, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from livestream import env as environment
from livestream.secret import read_secret

PATIENCE_MS = 30_000
USER_NOT_FOUND = 11


@dataclass(frozen=True)
class Account:
    """What a URI says of it."""

    hosts: list[tuple[str, int]]
    database: str
    user: str
    password: str

    @classmethod
    def parse(cls, uri: str) -> "Account":
        """Raises SystemExit, never showing the URI."""
        try:
            parts = parse_uri(uri)
        except (InvalidURI, ValueError) as error:
            raise SystemExit(f"MONGODB_URI cannot be read: {error}") from None
        found = cls(
            hosts=[(host, port or 27017) for host, port in parts["nodelist"]],
            database=parts["database"] or "",
            user=parts["username"] or "",
            password=parts["password"] or "",
        )
        if not (found.database and found.user and found.password):
            raise SystemExit(
                "MONGODB_URI has to name user, password and database: "
                "mongodb://USER:PASSWORD@HOST:27017/DATABASE"
            )
        return found


def ensure(database: Database[dict[str, object]], account: Account) -> None:
    """Make the user, or give it this password. Safe to call again, and by two at once."""
    roles = [{"role": "readWrite", "db": account.database}]
    fields: dict[str, Any] = {"pwd": account.password, "roles": roles}
    try:
        database.command("updateUser", account.user, **fields)
    except OperationFailure as refusal:
        if refusal.code != USER_NOT_FOUND:
            raise
        database.command("createUser", account.user, **fields)


def main() -> None:
    account = Account.parse(environment.read().mongodb_uri)
    client: MongoClient[dict[str, object]] = MongoClient(
        [f"{host}:{port}" for host, port in account.hosts],
        username=os.environ.get("MONGODB_ROOT_USERNAME") or "root",
        password=read_secret("MONGODB_ROOT_PASSWORD"),
        serverSelectionTimeoutMS=PATIENCE_MS,
    )
    try:
        ensure(client[account.database], account)
    except PyMongoError as error:
        raise SystemExit(
            f"The user {account.user} of MongoDB could not be made: {error}\n"
            "  Was the volume made with another mongodb_root_password? It keeps the first one."
        ) from None
    finally:
        client.close()


if __name__ == "__main__":
    main()
