DROP TRIGGER emit_withdrawn ON identity.signing_keys;
DROP FUNCTION identity.emit_withdrawn();

-- None may be published again, and the state before has no other way to say so. What became of each
-- stands in the outbox and in the audit log.
ALTER TABLE identity.signing_keys DISABLE TRIGGER guard_key;
DELETE FROM identity.signing_keys WHERE state = 'WITHDRAWN';
ALTER TABLE identity.signing_keys ENABLE TRIGGER guard_key;

CREATE OR REPLACE FUNCTION identity.guard_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (OLD.state, NEW.state) NOT IN (('NEXT', 'SIGNING'), ('SIGNING', 'RETIRED'))
     OR (NEW.kid, NEW.public_key, NEW.published_at, NEW.signs_at)
        IS DISTINCT FROM (OLD.kid, OLD.public_key, OLD.published_at, OLD.signs_at) THEN
    RAISE EXCEPTION 'key % goes from NEXT to SIGNING to RETIRED, and changes no more', OLD.kid
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

ALTER TABLE identity.signing_keys
  DROP COLUMN withdrawn_at,
  DROP COLUMN withdrawn_by,
  DROP COLUMN withdrawn_because,
  DROP CONSTRAINT signing_keys_state_check,
  ADD CONSTRAINT signing_keys_state_check CHECK (state IN ('NEXT', 'SIGNING', 'RETIRED')),
  DROP CONSTRAINT IF EXISTS key_is_of_its_state,
  ADD CONSTRAINT key_is_of_its_state CHECK (
    (state = 'RETIRED') = (private_key IS NULL) AND (state = 'RETIRED') = (retired_at IS NOT NULL)
    AND (state = 'RETIRED') = (gone_at IS NOT NULL) AND (state = 'NEXT') = (signing_since IS NULL));
