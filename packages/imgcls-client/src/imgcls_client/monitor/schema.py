"""The tables of the monitor's database, and how an older database gets those that came later."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from imgcls_client.errors import SettingsError

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


def prepare(connection: sqlite3.Connection, path: Path) -> None:
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
