-- Who there is, with what they are known, and the keys that say so.

CREATE SCHEMA identity;
CREATE TABLE identity.gremlins (LIKE inventory.gremlins INCLUDING ALL);
CREATE TABLE identity.gremlin_audit (LIKE inventory.gremlin_audit INCLUDING ALL);
SELECT events.create_outbox('identity', 'identity-service');

CREATE TABLE identity.users (
  user_id       text PRIMARY KEY CHECK (user_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  -- None where only the operator token opens the account.
  password_hash text CHECK (password_hash LIKE '$argon2id$%'),
  roles         text[] NOT NULL CHECK (cardinality(roles) > 0 AND roles <@ '{shopper,operator,admin}'),
  -- Its password is known to everybody: refused wherever the shop is guarded.
  is_demo       boolean NOT NULL DEFAULT false,
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- ---- refresh tokens ------------------------------------------------------------------------------

-- What began with one login: a chain of refresh tokens, of which one is good.
CREATE TABLE identity.families (
  family_id       uuid PRIMARY KEY,
  user_id         text NOT NULL REFERENCES identity.users,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  ends_at         timestamptz NOT NULL,
  revoked_at      timestamptz,
  revoked_because text,
  CONSTRAINT revoked_for_a_reason CHECK ((revoked_at IS NULL) = (revoked_because IS NULL))
);
CREATE TABLE identity.refresh_tokens (
  token_id  uuid PRIMARY KEY,
  family_id uuid NOT NULL REFERENCES identity.families,
  digest    bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
  -- The one it was given for.
  parent    uuid CONSTRAINT one_successor UNIQUE REFERENCES identity.refresh_tokens,
  state     text NOT NULL DEFAULT 'LIVE' CHECK (state IN ('LIVE', 'SPENT', 'REVOKED')),
  issued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at  timestamptz,
  CONSTRAINT ended_or_live CHECK ((state = 'LIVE') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX one_live_token ON identity.refresh_tokens (family_id) WHERE state = 'LIVE';
CREATE UNIQUE INDEX one_first_token ON identity.refresh_tokens (family_id) WHERE parent IS NULL;

CREATE FUNCTION identity.guard_family() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.revoked_at IS NOT NULL
     OR (NEW.family_id, NEW.user_id, NEW.created_at, NEW.ends_at)
        IS DISTINCT FROM (OLD.family_id, OLD.user_id, OLD.created_at, OLD.ends_at) THEN
    RAISE EXCEPTION 'family % stays as it is, until it is revoked for good', OLD.family_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  -- Who revokes it holds its row, and so does who gives a successor.
  UPDATE identity.refresh_tokens SET state = 'REVOKED', ended_at = clock_timestamp()
  WHERE family_id = NEW.family_id AND state = 'LIVE';
  RETURN NEW;
END $$;
CREATE TRIGGER guard_family BEFORE UPDATE ON identity.families
  FOR EACH ROW EXECUTE FUNCTION identity.guard_family();

CREATE FUNCTION identity.guard_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM FROM identity.families
    WHERE family_id = NEW.family_id AND revoked_at IS NULL AND ends_at > now() FOR SHARE;
    IF NOT FOUND OR NEW.parent IS NOT NULL AND NOT EXISTS (
         SELECT FROM identity.refresh_tokens p
         WHERE p.token_id = NEW.parent AND p.family_id = NEW.family_id AND p.state = 'SPENT') THEN
      RAISE EXCEPTION 'family % gets no such token', NEW.family_id
        USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  ELSIF OLD.state <> 'LIVE'
     OR (NEW.token_id, NEW.family_id, NEW.digest, NEW.parent, NEW.issued_at)
        IS DISTINCT FROM (OLD.token_id, OLD.family_id, OLD.digest, OLD.parent, OLD.issued_at) THEN
    RAISE EXCEPTION 'refresh token % has ended', OLD.token_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_token BEFORE INSERT OR UPDATE ON identity.refresh_tokens
  FOR EACH ROW EXECUTE FUNCTION identity.guard_token();

-- ---- signing keys --------------------------------------------------------------------------------

-- NEXT is published and waits; SIGNING signs; RETIRED stays published until `gone_at`, when the last
-- token that it signed has ended.
CREATE TABLE identity.signing_keys (
  kid           text PRIMARY KEY CHECK (kid ~ '^[A-Za-z0-9_-]{43}$'),
  state         text NOT NULL CHECK (state IN ('NEXT', 'SIGNING', 'RETIRED')),
  public_key    jsonb NOT NULL,
  -- Forgotten when it is retired: nobody can sign with it afterwards.
  private_key   text,
  published_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- When whoever keeps keys has it: not before may it sign. Of the first key there is nobody to wait for.
  signs_at      timestamptz NOT NULL,
  signing_since timestamptz,
  retired_at    timestamptz,
  gone_at       timestamptz,
  CONSTRAINT signs_when_known CHECK (signs_at >= published_at AND signing_since >= signs_at),
  CONSTRAINT key_is_of_its_state CHECK (
    (state = 'RETIRED') = (private_key IS NULL) AND (state = 'RETIRED') = (retired_at IS NOT NULL)
    AND (state = 'RETIRED') = (gone_at IS NOT NULL) AND (state = 'NEXT') = (signing_since IS NULL))
);
CREATE UNIQUE INDEX one_signing_key ON identity.signing_keys (state) WHERE state = 'SIGNING';
CREATE UNIQUE INDEX one_next_key ON identity.signing_keys (state) WHERE state = 'NEXT';

CREATE FUNCTION identity.guard_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (OLD.state, NEW.state) NOT IN (('NEXT', 'SIGNING'), ('SIGNING', 'RETIRED'))
     OR (NEW.kid, NEW.public_key, NEW.published_at, NEW.signs_at)
        IS DISTINCT FROM (OLD.kid, OLD.public_key, OLD.published_at, OLD.signs_at) THEN
    RAISE EXCEPTION 'key % goes from NEXT to SIGNING to RETIRED, and changes no more', OLD.kid
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_key BEFORE UPDATE OR DELETE ON identity.signing_keys
  FOR EACH ROW EXECUTE FUNCTION identity.guard_key();
