-- What a monitor's database of version 2 held beside the tables of data/history/1.sql and 2.sql.
CREATE TABLE traffic (
  pass_id INTEGER NOT NULL REFERENCES passes (id), class_id INTEGER NOT NULL, answers REAL NOT NULL);
CREATE INDEX traffic_of_pass ON traffic (pass_id);
CREATE TABLE totals (url TEXT NOT NULL, class_id INTEGER NOT NULL, total REAL NOT NULL, label TEXT NOT NULL,
  PRIMARY KEY (url, class_id));
CREATE TABLE readings (url TEXT PRIMARY KEY, at_s REAL NOT NULL);
INSERT INTO passes VALUES (1, 'http://earlier', 1795000000, 1, 1, NULL, 'm', 'abc', 'cpu', 0.0001, 30);
INSERT INTO passes VALUES (2, 'http://earlier', 1795000060, 1, 1, NULL, 'm', 'abc', 'cpu', 0.0001, 31);
INSERT INTO calls VALUES (1, 'old.png', 3, 'cat', 0.9, 20, 1, 1, 5, 8, 0, 1, NULL);
INSERT INTO calls VALUES (2, 'old.png', 3, 'cat', 0.9, 21, 1, 1, 5, 8, 0, 1, NULL);
INSERT INTO traffic VALUES (2, 4, 17);
INSERT INTO totals VALUES ('http://earlier', 4, 17, 'dog');
INSERT INTO readings VALUES ('http://earlier', 1795000060);
INSERT INTO drift VALUES (2, 'classes', 0.4, 0.1, 900, 113);
INSERT INTO drift VALUES (2, 'confidence', 0.4, 0.1, 90, 113);
INSERT INTO drift VALUES (2, 'entropy', 0.1, 0.1, 900, NULL);
INSERT INTO live VALUES ('http://earlier', 1795000060, '{"window_s": 3600, "window": {"classes": [1]}, "reference": null}');
PRAGMA user_version = 2;
