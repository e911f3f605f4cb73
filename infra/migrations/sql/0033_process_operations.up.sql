-- Restarts and kills of processes as well, and what came of each. `about` is the line that this one
-- ends: what was asked for ends once.
ALTER TABLE dashboard.operations
  ADD COLUMN process text CHECK (length(process) BETWEEN 1 AND 80),
  ADD COLUMN about   bigint,
  DROP CONSTRAINT operations_what_check,
  DROP CONSTRAINT operations_action_check,
  ADD CONSTRAINT ends_what_was_asked FOREIGN KEY (about) REFERENCES dashboard.operations,
  ADD CONSTRAINT ends_once UNIQUE (about),
  ADD CONSTRAINT known_action CHECK (
    what IN ('traffic', 'load') AND action IN ('started', 'stopped', 'expired', 'refused')
    OR what = 'process' AND action IN ('restarted', 'killed', 'back', 'lost')),
  ADD CONSTRAINT of_one_process CHECK ((what = 'process') = (process IS NOT NULL)),
  ADD CONSTRAINT outcome_of_a_request CHECK (
    what <> 'process' OR (action IN ('back', 'lost')) = (about IS NOT NULL));
