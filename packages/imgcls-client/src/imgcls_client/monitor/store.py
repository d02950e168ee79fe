"""What is kept of passes: one SQLite file, for any number of deployments."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from imgcls_contract import ModelDriftReply

from imgcls_client.errors import SettingsError
from imgcls_client.monitor.drift import DistributionDrift
from imgcls_client.monitor.observation import CallSeen, Observation
from imgcls_client.monitor.schema import prepare

_CALL_COLUMNS = tuple(field.name for field in fields(CallSeen))


@dataclass(frozen=True, slots=True)
class RuleState:
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
        self.connection = connection

    def add(self, observation: Observation, platform: dict[str, float] | None = None) -> None:
        """Keeps a pass, whole or not at all."""
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
            marks = ", ".join("?" * (len(_CALL_COLUMNS) + 1))
            self.connection.executemany(
                f"INSERT INTO calls (pass_id, {', '.join(_CALL_COLUMNS)}) VALUES ({marks})",  # noqa: S608 - our own names
                [(cursor.lastrowid, *astuple(call)) for call in observation.calls],
            )
            self.connection.executemany(
                "INSERT INTO drift VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(cursor.lastrowid, *astuple(each)) for each in observation.drift],
            )
            if observation.live is not None:
                latest = (observation.url, observation.at.timestamp(), msgspec.json.encode(observation.live).decode())
                self.connection.execute("INSERT OR REPLACE INTO live VALUES (?, ?, ?)", latest)
            self.connection.executemany(
                "INSERT INTO platform VALUES (?, ?, ?)",
                [(cursor.lastrowid, name, value) for name, value in (platform or {}).items()],
            )

    def observations(self, url: str, since: datetime | None = None) -> list[Observation]:
        """Gives the passes of one deployment, oldest first."""
        low = 0.0 if since is None else since.timestamp()
        calls: dict[int, list[CallSeen]] = {}
        columns = ", ".join(f"calls.{name}" for name in _CALL_COLUMNS)
        for row in self.connection.execute(
            f"SELECT pass_id, {columns} FROM calls JOIN passes ON passes.id = pass_id"  # noqa: S608 - our own names
            " WHERE url = ? AND at_s >= ? ORDER BY calls.rowid",
            (url, low),
        ):
            calls.setdefault(row[0], []).append(_call_of(row[1:]))
        drift: dict[int, list[DistributionDrift]] = {}
        for row in self.connection.execute(
            "SELECT pass_id, distribution, psi, jensen_shannon, answers, answers_needed, status FROM drift"
            " JOIN passes ON passes.id = pass_id WHERE url = ? AND at_s >= ? ORDER BY drift.rowid",
            (url, low),
        ):
            drift.setdefault(row[0], []).append(DistributionDrift(*row[1:]))
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
                drift=tuple(drift.get(row[0], ())),
            )
            for row in rows
        ]

    def has_class_names(self, sha256: str) -> bool:
        """Says whether the names of a model's classes are known."""
        found = self.connection.execute("SELECT 1 FROM class_names WHERE model_sha256 = ? LIMIT 1", (sha256,))
        return found.fetchone() is not None

    def keep_class_names(self, sha256: str, names: dict[int, str]) -> None:
        """Remembers the names of a model's classes."""
        with self.connection:
            rows = [(sha256, class_id, label) for class_id, label in names.items()]
            self.connection.executemany("INSERT OR REPLACE INTO class_names VALUES (?, ?, ?)", rows)

    def class_names(self, url: str) -> dict[int, str]:
        """Names the classes of the models that answered at an address; where two differ the later one counts."""
        found = self.connection.execute(
            "SELECT class_id, label FROM class_names JOIN"
            " (SELECT model_sha256, max(at_s) AS last_s FROM passes WHERE url = ? GROUP BY model_sha256)"
            " USING (model_sha256) ORDER BY last_s",
            (url,),
        )
        return dict(found.fetchall())

    def live(self, url: str) -> ModelDriftReply | None:
        """Gives what the service said last of its answers, or None where it is in words of an earlier version."""
        row = self.connection.execute("SELECT document FROM live WHERE url = ?", (url,)).fetchone()
        try:
            return None if row is None else msgspec.json.decode(row[0], type=ModelDriftReply)
        except msgspec.DecodeError:
            return None

    def urls(self) -> list[str]:
        """Names the deployments that were watched, the latest first."""
        rows = self.connection.execute("SELECT url FROM passes GROUP BY url ORDER BY max(at_s) DESC")
        return [str(row[0]) for row in rows]

    def platform_figures(self, url: str) -> dict[str, float]:
        """Gives the latest figures of the platform."""
        rows = self.connection.execute(
            "SELECT name, value FROM platform WHERE pass_id ="
            " (SELECT max(pass_id) FROM platform JOIN passes ON passes.id = pass_id WHERE url = ?)",
            (url,),
        )
        return {str(name): float(value) for name, value in rows}

    def rule_state(self, url: str, rule: str) -> RuleState:
        """Says how a rule stood after the last pass."""
        row = self.connection.execute(
            "SELECT broken_passes, alerted_at_s, detail FROM rules WHERE url = ? AND rule = ?", (url, rule)
        ).fetchone()
        if row is None:
            return RuleState(rule)
        return RuleState(rule, row[0], None if row[1] is None else datetime.fromtimestamp(row[1], UTC), row[2])

    def open_alerts(self, url: str) -> list[RuleState]:
        """Gives the rules whose alert went out and that have not recovered."""
        names = self.connection.execute("SELECT rule FROM rules WHERE url = ? AND alerted_at_s IS NOT NULL", (url,))
        return [self.rule_state(url, str(row[0])) for row in names.fetchall()]

    def keep_rule_state(self, url: str, state: RuleState) -> None:
        """Remembers how a rule stands."""
        alerted = None if state.alerted_at is None else state.alerted_at.timestamp()
        with self.connection:
            self.connection.execute(
                "INSERT OR REPLACE INTO rules VALUES (?, ?, ?, ?, ?)",
                (url, state.rule, state.broken_passes, alerted, state.detail),
            )


def _call_of(row: tuple[object, ...]) -> CallSeen:
    values = dict(zip(_CALL_COLUMNS, row, strict=True))
    is_right = values["is_right"]
    return CallSeen(**{**values, "is_right": None if is_right is None else bool(is_right)})  # pyright: ignore[reportArgumentType]


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
            prepare(connection, path)
            yield Store(connection)
    except (sqlite3.Error, OSError) as error:
        raise SettingsError(f"The database {path} cannot be used: {error}.") from error
