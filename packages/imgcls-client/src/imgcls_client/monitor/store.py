"""What is kept of passes: one SQLite file, for any number of deployments."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from imgcls_contract import ModelDriftReply

from imgcls_client.errors import SettingsError
from imgcls_client.monitor.observation import Observation

_EPOCH = datetime.fromtimestamp(0, UTC)
# The steps by which a database gets the tables of this version, each from the one before.
_VERSION_1 = """
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
CREATE TABLE platform (pass_id INTEGER NOT NULL REFERENCES passes (id), name TEXT NOT NULL, value REAL NOT NULL);
"""
# Figures of every pass; of the histograms only the latest, which would otherwise be most of the file.
_VERSION_2 = """
CREATE TABLE drift (
  pass_id INTEGER NOT NULL REFERENCES passes (id), distribution TEXT NOT NULL, psi REAL, jensen_shannon REAL,
  answers INTEGER NOT NULL, answers_needed INTEGER);
CREATE INDEX drift_of_pass ON drift (pass_id);
CREATE TABLE live (url TEXT PRIMARY KEY, at_s REAL NOT NULL, document TEXT NOT NULL);
"""
# The service judges drift and counts answers; what was counted here from its metrics is no longer kept.
_VERSION_3 = """
ALTER TABLE calls RENAME COLUMN picture TO image;
ALTER TABLE drift ADD COLUMN status TEXT NOT NULL DEFAULT 'too_few_answers';
UPDATE drift SET status = CASE WHEN answers_needed IS NULL THEN 'reference_too_small'
  WHEN psi IS NULL OR answers < answers_needed THEN 'too_few_answers'
  WHEN psi > 0.25 THEN 'drifted' ELSE 'stable' END;
CREATE TABLE class_names (model_sha256 TEXT NOT NULL, class_id INTEGER NOT NULL, label TEXT NOT NULL,
  PRIMARY KEY (model_sha256, class_id));
DROP TABLE IF EXISTS traffic; DROP TABLE IF EXISTS totals; DROP TABLE IF EXISTS readings;
"""
# A pass is one JSON document, and so is the state of a rule: what is seen is described in one place, the struct.
_VERSION_4 = """
ALTER TABLE passes ADD COLUMN document TEXT NOT NULL DEFAULT '';
UPDATE passes SET document = json_object(
  'url', url, 'at', strftime('%Y-%m-%dT%H:%M:%fZ', at_s, 'unixepoch'),
  'is_available', json(iif(is_available, 'true', 'false')), 'is_ready', json(iif(is_ready, 'true', 'false')),
  'reason', reason, 'model_name', model_name, 'model_sha256', model_sha256, 'provider', provider,
  'tolerance', tolerance, 'duration_ms', duration_ms,
  'calls', (SELECT json_group_array(json_object('image', image, 'class_id', class_id, 'label', label,
    'probability', probability, 'call_ms', call_ms, 'decode_ms', decode_ms, 'queue_ms', queue_ms,
    'inference_ms', inference_ms, 'service_ms', service_ms, 'difference', difference,
    'is_right', json(iif(is_right IS NULL, 'null', iif(is_right, 'true', 'false'))), 'error', error))
    FROM calls WHERE pass_id = passes.id),
  'drift', (SELECT json_group_array(json_object('of', distribution, 'psi', psi, 'jensen_shannon', jensen_shannon,
    'answers', answers, 'answers_needed', answers_needed, 'status', status)) FROM drift WHERE pass_id = passes.id),
  'platform', (SELECT json_group_object(name, value) FROM platform WHERE pass_id = passes.id));
ALTER TABLE rules RENAME TO old_rules;
CREATE TABLE rules (url TEXT NOT NULL, rule TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (url, rule));
INSERT INTO rules SELECT url, rule, json_object('rule', rule, 'broken_passes', broken_passes, 'detail', detail,
  'alerted_at', strftime('%Y-%m-%dT%H:%M:%fZ', alerted_at_s, 'unixepoch')) FROM old_rules;
DROP TABLE old_rules; DROP TABLE calls; DROP TABLE drift; DROP TABLE platform;
ALTER TABLE passes DROP COLUMN is_available; ALTER TABLE passes DROP COLUMN is_ready;
ALTER TABLE passes DROP COLUMN reason; ALTER TABLE passes DROP COLUMN model_name;
ALTER TABLE passes DROP COLUMN provider; ALTER TABLE passes DROP COLUMN tolerance;
ALTER TABLE passes DROP COLUMN duration_ms;
"""
_STEPS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)


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
    newest = len(_STEPS)
    if version == newest:
        return
    is_foreign = version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if is_foreign or not 0 <= version < newest:
        raise SettingsError(
            f"The database {path} has schema {version}; this version of imgcls-client knows {newest}. "
            "Name another with --database."
        )
    if version == 0:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"BEGIN; {''.join(_STEPS[version:])} PRAGMA user_version = {newest}; COMMIT;")
