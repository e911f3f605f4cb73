-- A signing key that was stolen is withdrawn: from that moment it signs nothing and is not published.
ALTER TABLE identity.signing_keys
  ADD withdrawn_at      timestamptz,
  ADD withdrawn_by      text CHECK (length(withdrawn_by) BETWEEN 1 AND 200),
  ADD withdrawn_because text CHECK (length(withdrawn_because) BETWEEN 1 AND 200),
  DROP CONSTRAINT signing_keys_state_check,
  ADD CONSTRAINT signing_keys_state_check
    CHECK (state IN ('NEXT', 'SIGNING', 'RETIRED', 'WITHDRAWN')),
  ADD CONSTRAINT withdrawn_for_a_reason CHECK (
    num_nonnulls(withdrawn_at, withdrawn_by, withdrawn_because)
    = CASE state WHEN 'WITHDRAWN' THEN 3 ELSE 0 END),
  DROP CONSTRAINT key_is_of_its_state,
  -- WITHDRAWN: what it was before stands beside it, and it was gone by then at the latest.
  ADD CONSTRAINT key_is_of_its_state CHECK (
    CASE state
      WHEN 'NEXT' THEN
        private_key IS NOT NULL AND num_nonnulls(signing_since, retired_at, gone_at) = 0
      WHEN 'SIGNING' THEN
        num_nulls(private_key, signing_since) = 0 AND num_nonnulls(retired_at, gone_at) = 0
      WHEN 'RETIRED' THEN
        private_key IS NULL AND num_nulls(signing_since, retired_at, gone_at) = 0
      ELSE private_key IS NULL AND gone_at IS NOT NULL AND gone_at <= withdrawn_at
    END);

CREATE OR REPLACE FUNCTION identity.guard_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (OLD.state, NEW.state) NOT IN (
       ('NEXT', 'SIGNING'), ('SIGNING', 'RETIRED'),
       ('NEXT', 'WITHDRAWN'), ('SIGNING', 'WITHDRAWN'), ('RETIRED', 'WITHDRAWN'))
     OR (NEW.kid, NEW.public_key, NEW.published_at)
        IS DISTINCT FROM (OLD.kid, OLD.public_key, OLD.published_at)
     OR OLD.state <> 'NEXT' AND NEW.signing_since IS DISTINCT FROM OLD.signing_since
     OR NEW.state = 'WITHDRAWN' AND (NEW.signing_since, NEW.retired_at)
        IS DISTINCT FROM (OLD.signing_since, OLD.retired_at)
     -- It signs before everybody has it only in the place of one that was withdrawn meanwhile.
     OR NEW.signs_at <> OLD.signs_at AND NOT (
       NEW.state = 'SIGNING' AND NEW.signs_at < OLD.signs_at AND EXISTS (
         SELECT FROM identity.signing_keys
         WHERE state = 'WITHDRAWN' AND withdrawn_at BETWEEN OLD.published_at AND NEW.signs_at)) THEN
    RAISE EXCEPTION
      'key % goes from NEXT to SIGNING to RETIRED, from each to WITHDRAWN, and changes no more', OLD.kid
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION identity.emit_withdrawn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- A key is withdrawn once (guard_key), so it has one event.
  INSERT INTO identity.outbox (aggregate, aggregate_id, aggregate_seq, type, payload) VALUES (
    'key', NEW.kid, 1, 'key.withdrawn',
    jsonb_build_object('kid', NEW.kid, 'was', OLD.state, 'actor', NEW.withdrawn_by,
                       'because', NEW.withdrawn_because));
  RETURN NULL;
END $$;
CREATE TRIGGER emit_withdrawn AFTER UPDATE ON identity.signing_keys
  FOR EACH ROW WHEN (NEW.state = 'WITHDRAWN') EXECUTE FUNCTION identity.emit_withdrawn();
