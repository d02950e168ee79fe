-- The service judges drift and counts answers; what was counted here from its metrics is no longer kept.
ALTER TABLE calls RENAME COLUMN picture TO image;
ALTER TABLE drift ADD COLUMN status TEXT NOT NULL DEFAULT 'too_few_answers';
UPDATE drift SET status = CASE WHEN answers_needed IS NULL THEN 'reference_too_small'
  WHEN psi IS NULL OR answers < answers_needed THEN 'too_few_answers'
  WHEN psi > 0.25 THEN 'drifted' ELSE 'stable' END;
CREATE TABLE class_names (model_sha256 TEXT NOT NULL, class_id INTEGER NOT NULL, label TEXT NOT NULL,
  PRIMARY KEY (model_sha256, class_id));
DROP TABLE IF EXISTS traffic; DROP TABLE IF EXISTS totals; DROP TABLE IF EXISTS readings;
