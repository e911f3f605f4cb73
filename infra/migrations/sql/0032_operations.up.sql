-- What operators asked of the shop beside gremlins: traffic and load. Written once, never changed.
CREATE TABLE dashboard.operations (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  what   text NOT NULL CHECK (what IN ('traffic', 'load')),
  action text NOT NULL CHECK (action IN ('started', 'stopped', 'expired')),
  actor  text NOT NULL CHECK (length(actor) BETWEEN 1 AND 80),
  detail text NOT NULL CHECK (length(detail) <= 400)
);
CREATE TRIGGER operations_are_append_only BEFORE UPDATE OR DELETE ON dashboard.operations
  FOR EACH ROW EXECUTE FUNCTION events.refuse_change();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON dashboard.operations
  EXECUTE FUNCTION events.refuse_change();
