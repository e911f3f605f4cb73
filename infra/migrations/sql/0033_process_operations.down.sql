-- The version before knows no such line.
ALTER TABLE dashboard.operations DISABLE TRIGGER operations_are_append_only;
DELETE FROM dashboard.operations WHERE what = 'process' OR action = 'refused';
ALTER TABLE dashboard.operations ENABLE TRIGGER operations_are_append_only;
ALTER TABLE dashboard.operations
  DROP CONSTRAINT known_action,
  DROP CONSTRAINT of_one_process,
  DROP CONSTRAINT outcome_of_a_request,
  DROP CONSTRAINT ends_what_was_asked,
  DROP CONSTRAINT ends_once,
  DROP COLUMN process,
  DROP COLUMN about,
  ADD CHECK (what IN ('traffic', 'load')),
  ADD CHECK (action IN ('started', 'stopped', 'expired'));
