"""What is kept of passes: one SQLite file, for any number of deployments."""

import json
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from imgcls_client.errors import SettingsError
from imgcls_client.json_fields import as_object
from imgcls_client.monitor.live import Drift, Live, read_live_document
from imgcls_client.monitor.observation import CallSeen, Observation
from imgcls_client.monitor.schema import prepare
from imgcls_client.monitor.traffic import ClassTotals, answers_between

__all__ = ["RuleState", "Store", "opened_store"]

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
                "INSERT INTO drift VALUES (?, ?, ?, ?, ?, ?)",
                [(cursor.lastrowid, *astuple(each)) for each in observation.drift],
            )
            if observation.live is not None:
                latest = (observation.url, observation.at.timestamp(), json.dumps(observation.live.document))
                self.connection.execute("INSERT OR REPLACE INTO live VALUES (?, ?, ?)", latest)
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
        drift: dict[int, list[Drift]] = {}
        for row in self.connection.execute(
            "SELECT pass_id, distribution, psi, jensen_shannon, answers, answers_needed FROM drift"
            " JOIN passes ON passes.id = pass_id WHERE url = ? AND at_s >= ? ORDER BY drift.rowid",
            (url, low),
        ):
            drift.setdefault(row[0], []).append(Drift(*row[1:]))
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
                drift=tuple(drift.get(row[0], ())),
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

    def live(self, url: str) -> Live | None:
        """Give what the service said last of its answers."""
        row = self.connection.execute("SELECT document FROM live WHERE url = ?", (url,)).fetchone()
        return None if row is None else read_live_document(as_object(json.loads(row[0]), "the document"))

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
