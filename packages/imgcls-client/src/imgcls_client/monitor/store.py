"""What is kept of passes: one SQLite file, for any number of deployments."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import msgspec
from imgcls_contract import ModelDriftReply
from imgcls_sdk.errors import SettingsError

from imgcls_client.monitor.observation import Observation

_EPOCH = datetime.fromtimestamp(0, UTC)
# How many steps there are in `data/history`; each makes the tables of one version from those of the one before.
_VERSION = 4


class RuleState(msgspec.Struct, frozen=True):
    """How a rule stood after the last pass.

    Attributes:
        broken_passes: how many passes in a row have broken it.
        alerted_at: when the alert went out that is still open.
    """

    rule: str
    broken_passes: int = 0
    alerted_at: datetime | None = None
    detail: str | None = None


class Store:
    """Passes in a database that is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, seen: Observation) -> None:
        """Keeps a pass, whole or not at all."""
        at_s = seen.at.timestamp()
        document = _text(msgspec.structs.replace(seen, live=None))
        with self._connection:
            self._connection.execute(
                "INSERT INTO passes (url, at_s, model_sha256, document) VALUES (?, ?, ?, ?)",
                (seen.url, at_s, seen.model_sha256, document),
            )
            if seen.live is not None:
                latest = (seen.url, at_s, _text(seen.live))
                self._connection.execute("INSERT OR REPLACE INTO live VALUES (?, ?, ?)", latest)

    def observations(self, url: str, since: datetime = _EPOCH) -> list[Observation]:
        """Gives the passes of one deployment, oldest first."""
        rows = self._connection.execute(
            "SELECT document FROM passes WHERE url = ? AND at_s >= ? ORDER BY at_s", (url, since.timestamp())
        )
        decode = msgspec.json.Decoder(Observation).decode
        return [decode(document) for (document,) in rows]

    def has_class_names(self, sha256: str) -> bool:
        """Says whether the names of a model's classes are known."""
        found = self._connection.execute("SELECT 1 FROM class_names WHERE model_sha256 = ? LIMIT 1", (sha256,))
        return found.fetchone() is not None

    def keep_class_names(self, sha256: str, names: dict[int, str]) -> None:
        """Remembers the names of a model's classes."""
        with self._connection:
            rows = [(sha256, class_id, label) for class_id, label in names.items()]
            self._connection.executemany("INSERT OR REPLACE INTO class_names VALUES (?, ?, ?)", rows)

    def class_names(self, url: str) -> dict[int, str]:
        """Names the classes of the models that answered at an address; where two differ the later one counts."""
        found = self._connection.execute(
            "SELECT class_id, label FROM class_names JOIN"
            " (SELECT model_sha256, max(at_s) AS last_s FROM passes WHERE url = ? GROUP BY model_sha256)"
            " USING (model_sha256) ORDER BY last_s",
            (url,),
        )
        return dict(found.fetchall())

    def live(self, url: str) -> ModelDriftReply | None:
        """Gives what the service said last of its answers, or None where it is in words of an earlier version."""
        row = self._connection.execute("SELECT document FROM live WHERE url = ?", (url,)).fetchone()
        try:
            return None if row is None else msgspec.json.decode(row[0], type=ModelDriftReply)
        except msgspec.DecodeError:
            return None

    def urls(self) -> list[str]:
        """Names the deployments that were watched, the latest first."""
        rows = self._connection.execute("SELECT url FROM passes GROUP BY url ORDER BY max(at_s) DESC")
        return [str(row[0]) for row in rows]

    def rule_states(self, url: str) -> dict[str, RuleState]:
        """Says how each rule stood after the last pass; those that never broke are missing."""
        rows = self._connection.execute("SELECT rule, document FROM rules WHERE url = ?", (url,))
        return {rule: msgspec.json.decode(document, type=RuleState) for rule, document in rows}

    def keep_rule_state(self, url: str, state: RuleState) -> None:
        """Remembers how a rule stands."""
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO rules VALUES (?, ?, ?)", (url, state.rule, _text(state)))


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()


@contextmanager
def opened_store(path: Path, *, must_exist: bool = False) -> Generator[Store]:
    """Opens the database, and makes it where it is missing.

    Raises:
        SettingsError: it cannot be opened, is no database of ours, or was written by a newer version.
    """
    if must_exist and not path.exists():
        raise SettingsError(
            f"There is no database {path}; `imgcls-client monitor` makes one, --database names another."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            _prepare(connection, path)
            yield Store(connection)
    except (sqlite3.Error, OSError) as error:
        raise SettingsError(f"The database {path} cannot be used: {error}.") from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Makes the tables of a new database, checks an existing one, and takes over an older one.

    Raises:
        SettingsError: it was written by a newer version, or by another program.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == _VERSION:
        return
    is_foreign = version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if is_foreign or not 0 <= version < _VERSION:
        raise SettingsError(
            f"The database {path} has schema {version}; this version of imgcls-client knows {_VERSION}. "
            "Name another with --database."
        )
    if version == 0:
        connection.execute("PRAGMA journal_mode = WAL")
    folder = files("imgcls_client").joinpath("data", "history")
    steps = [folder.joinpath(f"{step}.sql").read_text("utf-8") for step in range(version + 1, _VERSION + 1)]
    connection.executescript(f"BEGIN; {' '.join(steps)} PRAGMA user_version = {_VERSION}; COMMIT;")
