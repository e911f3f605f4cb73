-- The end of a login before its time is an event: somebody logged out, or a refresh token was stolen.
CREATE FUNCTION identity.emit_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- A family is revoked once (guard_family), so it has one event.
  INSERT INTO identity.outbox (aggregate, aggregate_id, aggregate_seq, type, payload) VALUES (
    'login', NEW.family_id, 1, 'login.revoked',
    jsonb_build_object('family_id', NEW.family_id, 'user_id', NEW.user_id,
                       'because', NEW.revoked_because));
  RETURN NULL;
END $$;
CREATE TRIGGER emit_revoked AFTER UPDATE ON identity.families
  FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
  EXECUTE FUNCTION identity.emit_revoked();
