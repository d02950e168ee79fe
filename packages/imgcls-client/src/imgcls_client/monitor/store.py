"""What is kept of passes: one SQLite file, for any number of deployments."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from imgcls_client.errors import SettingsError
from imgcls_client.monitor.observation import CallSeen, Observation
from imgcls_client.monitor.traffic import ClassTotals, answers_between

__all__ = ["RuleState", "Store", "opened_store"]

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE passes (
  id INTEGER PRIMARY KEY, url TEXT NOT NULL, at_s REAL NOT NULL, is_available INTEGER NOT NULL,
  is_ready INTEGER NOT NULL, reason TEXT, model_name TEXT, model_sha256 TEXT, provider TEXT, tolerance REAL,
  duration_ms REAL NOT NULL);
CREATE INDEX passes_of_url ON passes (url, at_s);
CREATE TABLE calls (
  pass_id INTEGER NOT NULL REFERENCES passes (id), picture TEXT NOT NULL, class_id INTEGER, label TEXT,
  probability REAL, call_ms REAL, decode_ms REAL, queue_ms REAL, inference_ms REAL, service_ms REAL, difference REAL,
  is_right INTEGER, error TEXT);
CREATE INDEX calls_of_pass ON calls (pass_id);
CREATE TABLE rules (
  url TEXT NOT NULL, rule TEXT NOT NULL, broken_passes INTEGER NOT NULL, alerted_at_s REAL, detail TEXT,
  PRIMARY KEY (url, rule));
CREATE TABLE traffic (
  pass_id INTEGER NOT NULL REFERENCES passes (id), class_id INTEGER NOT NULL, answers REAL NOT NULL);
CREATE INDEX traffic_of_pass ON traffic (pass_id);
CREATE TABLE totals (url TEXT NOT NULL, class_id INTEGER NOT NULL, total REAL NOT NULL, label TEXT NOT NULL,
  PRIMARY KEY (url, class_id));
CREATE TABLE readings (url TEXT PRIMARY KEY, at_s REAL NOT NULL);
CREATE TABLE platform (pass_id INTEGER NOT NULL REFERENCES passes (id), name TEXT NOT NULL, value REAL NOT NULL);
"""
CALL_COLUMNS = tuple(field.name for field in fields(CallSeen))


@dataclass(frozen=True, slots=True)
class RuleState:
    """How a rule stood after the last pass.

    Attributes:
        broken_passes: How many passes in a row have broken it.
        alerted_at: When the alert went out that is still open.
    """

    rule: str
    broken_passes: int = 0
    alerted_at: datetime | None = None
    detail: str | None = None


class Store:
    """Passes in a database that is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def add(self, observation: Observation, platform: dict[str, float] | None = None) -> None:
        """Keep a pass, whole or not at all."""
        with self.connection:
            cursor = self.connection.execute(
                "INSERT INTO passes (url, at_s, is_available, is_ready, reason, model_name, model_sha256, provider,"
                " tolerance, duration_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    observation.url,
                    observation.at.timestamp(),
                    observation.is_available,
                    observation.is_ready,
                    observation.reason,
                    observation.model_name,
                    observation.model_sha256,
                    observation.provider,
                    observation.tolerance,
                    observation.duration_ms,
                ),
            )
            marks = ", ".join("?" * (len(CALL_COLUMNS) + 1))
            self.connection.executemany(
                f"INSERT INTO calls (pass_id, {', '.join(CALL_COLUMNS)}) VALUES ({marks})",  # noqa: S608 - our own names
                [(cursor.lastrowid, *astuple(call)) for call in observation.calls],
            )
            self.connection.executemany(
                "INSERT INTO traffic VALUES (?, ?, ?)",
                [(cursor.lastrowid, class_id, answers) for class_id, answers in observation.traffic.items()],
            )
            self.connection.executemany(
                "INSERT INTO platform VALUES (?, ?, ?)",
                [(cursor.lastrowid, name, value) for name, value in (platform or {}).items()],
            )

    def observations(self, url: str, since: datetime | None = None) -> list[Observation]:
        """Give the passes of one deployment, oldest first."""
        low = 0.0 if since is None else since.timestamp()
        calls: dict[int, list[CallSeen]] = {}
        columns = ", ".join(f"calls.{name}" for name in CALL_COLUMNS)
        for row in self.connection.execute(
            f"SELECT pass_id, {columns} FROM calls JOIN passes ON passes.id = pass_id"  # noqa: S608 - our own names
            " WHERE url = ? AND at_s >= ? ORDER BY calls.rowid",
            (url, low),
        ):
            calls.setdefault(row[0], []).append(call_of(row[1:]))
        traffic: dict[int, dict[int, float]] = {}
        for pass_id, class_id, answers in self.connection.execute(
            "SELECT pass_id, class_id, answers FROM traffic JOIN passes ON passes.id = pass_id"
            " WHERE url = ? AND at_s >= ?",
            (url, low),
        ):
            traffic.setdefault(pass_id, {})[class_id] = answers
        rows = self.connection.execute(
            "SELECT id, url, at_s, is_available, is_ready, reason, model_name, model_sha256, provider, tolerance,"
            " duration_ms FROM passes WHERE url = ? AND at_s >= ? ORDER BY at_s",
            (url, low),
        )
        return [
            Observation(
                row[1],
                datetime.fromtimestamp(row[2], UTC),
                bool(row[3]),
                bool(row[4]),
                *row[5:],
                calls=tuple(calls.get(row[0], ())),
                traffic=traffic.get(row[0], {}),
            )
            for row in rows
        ]

    def take_totals(self, url: str, found: ClassTotals) -> dict[int, float]:
        """Keep a reading of the service's counters, and give the answers to others since the one before.

        The first reading gives none: nobody knows over which time it was collected.
        """
        was_read = self.connection.execute("SELECT 1 FROM readings WHERE url = ?", (url,)).fetchone() is not None
        before = self.totals(url)
        last = self.connection.execute("SELECT max(id) FROM passes WHERE url = ?", (url,)).fetchone()[0]
        own = self.connection.execute(
            "SELECT class_id, count(*) FROM calls WHERE pass_id = ? AND class_id IS NOT NULL GROUP BY class_id", (last,)
        )
        answers = answers_between(before, found.totals, dict(own)) if was_read else {}
        with self.connection:
            now_s = datetime.now(UTC).timestamp()
            self.connection.execute("INSERT OR REPLACE INTO readings VALUES (?, ?)", (url, now_s))
            self.connection.execute("DELETE FROM totals WHERE url = ?", (url,))
            self.connection.executemany(
                "INSERT INTO totals VALUES (?, ?, ?, ?)",
                [(url, each, total, found.labels.get(each, "")) for each, total in found.totals.items()],
            )
        return answers

    def totals(self, url: str) -> dict[int, float]:
        """Give the latest reading of the service's counters."""
        return dict(self.connection.execute("SELECT class_id, total FROM totals WHERE url = ?", (url,)))

    def labels(self, url: str) -> dict[int, str]:
        """Name the classes that the service's counters have named."""
        return dict(self.connection.execute("SELECT class_id, label FROM totals WHERE url = ?", (url,)))

    def urls(self) -> list[str]:
        """Name the deployments that were watched, the latest first."""
        rows = self.connection.execute("SELECT url FROM passes GROUP BY url ORDER BY max(at_s) DESC")
        return [str(row[0]) for row in rows]

    def platform_figures(self, url: str) -> dict[str, float]:
        """Give the latest figures of the platform."""
        rows = self.connection.execute(
            "SELECT name, value FROM platform WHERE pass_id ="
            " (SELECT max(pass_id) FROM platform JOIN passes ON passes.id = pass_id WHERE url = ?)",
            (url,),
        )
        return {str(name): float(value) for name, value in rows}

    def rule_state(self, url: str, rule: str) -> RuleState:
        """Say how a rule stood after the last pass."""
        row = self.connection.execute(
            "SELECT broken_passes, alerted_at_s, detail FROM rules WHERE url = ? AND rule = ?", (url, rule)
        ).fetchone()
        if row is None:
            return RuleState(rule)
        return RuleState(rule, row[0], None if row[1] is None else datetime.fromtimestamp(row[1], UTC), row[2])

    def open_alerts(self, url: str) -> list[RuleState]:
        """Give the rules whose alert went out and that have not recovered."""
        names = self.connection.execute("SELECT rule FROM rules WHERE url = ? AND alerted_at_s IS NOT NULL", (url,))
        return [self.rule_state(url, str(row[0])) for row in names.fetchall()]

    def keep_rule_state(self, url: str, state: RuleState) -> None:
        """Remember how a rule stands."""
        alerted = None if state.alerted_at is None else state.alerted_at.timestamp()
        with self.connection:
            self.connection.execute(
                "INSERT OR REPLACE INTO rules VALUES (?, ?, ?, ?, ?)",
                (url, state.rule, state.broken_passes, alerted, state.detail),
            )


def call_of(row: tuple[object, ...]) -> CallSeen:
    """Read one call."""
    values = dict(zip(CALL_COLUMNS, row, strict=True))
    is_right = values["is_right"]
    return CallSeen(**{**values, "is_right": None if is_right is None else bool(is_right)})  # pyright: ignore[reportArgumentType]


@contextmanager
def opened_store(path: Path, *, must_exist: bool = False) -> Generator[Store]:
    """Open the database, and make it where it is missing.

    Raises:
        SettingsError: It cannot be opened, is no database of ours, or was written by a newer version.
    """
    if must_exist and not path.exists():
        raise SettingsError(
            f"There is no database {path}; `imgcls-client monitor` makes one, --database names another."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            prepare(connection, path)
            yield Store(connection)
    except (sqlite3.Error, OSError) as error:
        raise SettingsError(f"The database {path} cannot be used: {error}.") from error


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new database, and check an existing one.

    Raises:
        SettingsError: It was written by another version.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    if version != 0 or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise SettingsError(
            f"The database {path} has schema {version}; this version of imgcls-client knows {SCHEMA_VERSION}. "
            "Name another with --database."
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
