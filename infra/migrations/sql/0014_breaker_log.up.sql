-- Probes are on record as well as openings, and what is on record is watched; a policy that allows no
-- second try says so on the leg.

ALTER TABLE payments.legs
  -- Whether a request for the money may be repeated within an attempt, where that is safe.
  ADD may_retry boolean NOT NULL DEFAULT true;

-- When it last moved. A payment whose transaction is older does not know how it stands.
ALTER TABLE payments.breakers ADD since timestamptz NOT NULL DEFAULT '-infinity';
CREATE FUNCTION payments.date_breaker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.since := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER date_breaker BEFORE UPDATE ON payments.breakers
  FOR EACH ROW WHEN ((OLD.state, OLD.probe_until) IS DISTINCT FROM (NEW.state, NEW.probe_until))
  EXECUTE FUNCTION payments.date_breaker();

-- `half-open` is an open one that somebody probes; `until` is when the next may be, or the next probe.
ALTER TABLE payments.breaker_transitions ADD until timestamptz,
  ADD changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE OR REPLACE FUNCTION payments.record_breaker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO payments.breaker_transitions (account, src, dst, reason, until, at)
  VALUES (NEW.account,
          CASE WHEN TG_OP = 'INSERT' THEN NULL WHEN OLD.probe_until IS NULL THEN OLD.state ELSE 'half-open' END,
          CASE WHEN NEW.probe_until IS NULL THEN NEW.state ELSE 'half-open' END,
          NEW.reason, coalesce(NEW.probe_until, NEW.open_until),
          CASE WHEN TG_OP = 'INSERT' THEN clock_timestamp() ELSE NEW.since END);
  RETURN NULL;
END $$;
DROP TRIGGER record_moved_breaker ON payments.breakers;
CREATE TRIGGER record_moved_breaker AFTER UPDATE ON payments.breakers
  FOR EACH ROW WHEN ((OLD.state, OLD.probe_until) IS DISTINCT FROM (NEW.state, NEW.probe_until))
  EXECUTE FUNCTION payments.record_breaker();

CREATE INDEX breaker_transitions_changed ON payments.breaker_transitions (changed_in);
CREATE FUNCTION proof.mark_breaker_transitions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO proof.removals (book, order_ref, was)
  VALUES ('payments.breaker_transitions', OLD.account, to_jsonb(OLD));
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  NEW.changed_in := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER mark_change BEFORE UPDATE OR DELETE ON payments.breaker_transitions
  FOR EACH ROW EXECUTE FUNCTION proof.mark_breaker_transitions();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON payments.breaker_transitions
  EXECUTE FUNCTION proof.refuse_truncation();
CREATE TRIGGER note_truncation AFTER TRUNCATE ON payments.breaker_transitions
  EXECUTE FUNCTION proof.note_truncation();
ALTER TABLE payments.breaker_transitions ENABLE ALWAYS TRIGGER mark_change,
  ENABLE ALWAYS TRIGGER note_truncation;
