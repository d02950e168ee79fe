-- Figures of every pass; of the histograms only the latest, which would otherwise be most of the file.
CREATE TABLE drift (
  pass_id INTEGER NOT NULL REFERENCES passes (id), distribution TEXT NOT NULL, psi REAL, jensen_shannon REAL,
  answers INTEGER NOT NULL, answers_needed INTEGER);
CREATE INDEX drift_of_pass ON drift (pass_id);
CREATE TABLE live (url TEXT PRIMARY KEY, at_s REAL NOT NULL, document TEXT NOT NULL);
