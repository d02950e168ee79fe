"""The tables of the monitor's database, and how an older database gets those that came later."""

import sqlite3
from pathlib import Path

from imgcls_client.errors import SettingsError

__all__ = ["prepare"]

VERSION = 2
TABLES = """
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
# Figures of every pass; of the histograms only the latest, which would otherwise be most of the file.
SINCE_VERSION_2 = """
CREATE TABLE drift (
  pass_id INTEGER NOT NULL REFERENCES passes (id), distribution TEXT NOT NULL, psi REAL, jensen_shannon REAL,
  answers INTEGER NOT NULL, answers_needed INTEGER);
CREATE INDEX drift_of_pass ON drift (pass_id);
CREATE TABLE live (url TEXT PRIMARY KEY, at_s REAL NOT NULL, document TEXT NOT NULL);
"""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new database, check an existing one, and add to an older one what it lacks.

    Raises:
        SettingsError: It was written by a newer version, or by another program.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version == 1:
        connection.executescript(f"BEGIN; {SINCE_VERSION_2} PRAGMA user_version = {VERSION}; COMMIT;")
        return
    if version != 0 or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise SettingsError(
            f"The database {path} has schema {version}; this version of imgcls-client knows {VERSION}. "
            "Name another with --database."
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"BEGIN; {TABLES} {SINCE_VERSION_2} PRAGMA user_version = {VERSION}; COMMIT;")
