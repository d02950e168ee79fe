-- The first tables.
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
