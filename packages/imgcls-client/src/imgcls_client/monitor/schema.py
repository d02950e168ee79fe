"""The tables of the monitor's database, and how an older database gets those that came later."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from imgcls_client.errors import SettingsError

_VERSION = 3
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
_STEPS = (_VERSION_1, _VERSION_2, _VERSION_3)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
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
    steps = "".join(_STEPS[version:])
    connection.executescript(f"BEGIN; {steps} PRAGMA user_version = {_VERSION}; COMMIT;")
