-- A pass is one JSON document, and so is the state of a rule: what is seen is described in one place, the struct.
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
