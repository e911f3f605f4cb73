-- What providers tell us: events as they happen, and a day's money as a file that is matched with ours.

-- ---- events ------------------------------------------------------------------------------------

-- Where an account sends its events. The secret that signs them is payments.secrets 'webhook <account>'.
CREATE TABLE payments.webhook_endpoints (
  account  text PRIMARY KEY,
  endpoint text NOT NULL,
  url      text NOT NULL,
  at       timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE payments.secrets DROP CONSTRAINT secrets_value_check,
  ADD CONSTRAINT secrets_value_check CHECK (length(value) BETWEEN 16 AND 255);

-- The inbox: an event is here before it is answered, and has its effect once. What it says is a hint
-- where to look; `payment_id` is the payment it names, and once it is processed the one it concerned.
CREATE TABLE payments.provider_events (
  provider        text NOT NULL,
  event_id        text NOT NULL CHECK (length(event_id) BETWEEN 1 AND 255),
  id              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  type            text NOT NULL,
  intent          text,
  attempt_key     text,
  happened_at     timestamptz NOT NULL,
  received_at     timestamptz NOT NULL DEFAULT now(),
  payment_id      uuid,
  leg_n           int,
  n               int,
  result          text CHECK (result IN ('settled', 'nothing-new', 'ignored', 'foreign')),
  processed_at    timestamptz,
  attempts        int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  changed_in      xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (provider, event_id),
  CONSTRAINT processed_whole CHECK ((processed_at IS NULL) = (result IS NULL)),
  CONSTRAINT settled_names_its_attempt CHECK (result IS DISTINCT FROM 'settled' OR n IS NOT NULL),
  FOREIGN KEY (payment_id, leg_n, n) REFERENCES payments.attempts
);
CREATE INDEX provider_events_due ON payments.provider_events (next_attempt_at) WHERE processed_at IS NULL;
CREATE INDEX provider_events_by_payment ON payments.provider_events (payment_id);
-- The attempt that an account knows by a name.
CREATE INDEX attempts_by_ref ON payments.attempts (provider_ref) WHERE provider_ref IS NOT NULL;

-- What an account has to say about one of its intents.
CREATE INDEX events_by_object ON acquirer.events ((object ->> 'id'));

CREATE FUNCTION payments.guard_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.processed_at IS NOT NULL
     OR (NEW.provider, NEW.event_id, NEW.id, NEW.type, NEW.intent, NEW.attempt_key, NEW.happened_at, NEW.received_at)
        IS DISTINCT FROM
        (OLD.provider, OLD.event_id, OLD.id, OLD.type, OLD.intent, OLD.attempt_key, OLD.happened_at, OLD.received_at)
     OR NEW.processed_at IS NULL AND NEW.payment_id IS DISTINCT FROM OLD.payment_id THEN
    RAISE EXCEPTION 'event % of % is kept as it came, and processed once', OLD.event_id, OLD.provider
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_event BEFORE UPDATE OR DELETE ON payments.provider_events
  FOR EACH ROW EXECUTE FUNCTION payments.guard_event();

-- ---- reconciliation ----------------------------------------------------------------------------

-- Each time a day's file of an account was fetched and matched.
CREATE TABLE payments.reconciliation_runs (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account    text NOT NULL,
  day        date NOT NULL,
  result     text NOT NULL CHECK (result IN ('matched', 'breaks', 'failed')),
  -- Why it failed, in words.
  reason     text,
  lines      int NOT NULL CHECK (lines >= 0),
  matched    int NOT NULL CHECK (matched >= 0),
  -- Lines whose payment may still be settled.
  young      int NOT NULL CHECK (young >= 0),
  started_at timestamptz NOT NULL,
  ended_at   timestamptz NOT NULL DEFAULT now(),
  changed_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT failed_says_why CHECK ((result = 'failed') = (reason IS NOT NULL))
);
CREATE INDEX runs_by_day ON payments.reconciliation_runs (account, day, started_at);

-- The lines of the accounts' files, each as it was first read.
CREATE TABLE payments.settlement_lines (
  account      text NOT NULL,
  line_id      text NOT NULL,
  day          date NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('capture', 'refund')),
  intent       text NOT NULL,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  fee_minor    bigint NOT NULL,
  currency     char(3) NOT NULL,
  booked_at    timestamptz NOT NULL,
  run          bigint NOT NULL REFERENCES payments.reconciliation_runs,
  changed_in   xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (account, line_id)
);
CREATE INDEX settlement_lines_by_intent ON payments.settlement_lines (intent);

-- Where the two disagree, who looks at it, and how it ended.
CREATE TABLE payments.reconciliation_breaks (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account        text NOT NULL,
  day            date NOT NULL,
  kind           text NOT NULL CONSTRAINT known_kind CHECK (kind IN (
    'missing_here', 'missing_there', 'amount_differs', 'currency_differs', 'fee_differs', 'payment_differs',
    'duplicate_line', 'line_changed')),
  reference      text NOT NULL,
  payment_id     uuid,
  expected_minor bigint,
  found_minor    bigint,
  currency       char(3),
  reason         text NOT NULL,
  run            bigint NOT NULL REFERENCES payments.reconciliation_runs,
  found_at       timestamptz NOT NULL DEFAULT now(),
  state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'resolved')),
  state_at       timestamptz NOT NULL DEFAULT now(),
  note           text,
  -- The run that found it matched; without one a person resolved it.
  resolved_in    bigint REFERENCES payments.reconciliation_runs,
  changed_in     xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT a_person_says_why CHECK (state = 'open' OR note IS NOT NULL)
);
-- One that is found again is the same break; once resolved, a new one.
CREATE UNIQUE INDEX one_break_a_reference ON payments.reconciliation_breaks (account, kind, reference)
  WHERE state <> 'resolved';
CREATE INDEX breaks_by_reference ON payments.reconciliation_breaks (account, reference);
CREATE FUNCTION payments.guard_break() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.state = 'resolved' OR OLD.state = 'accepted' AND NEW.state = 'open'
     OR (NEW.id, NEW.account, NEW.day, NEW.kind, NEW.reference, NEW.payment_id, NEW.expected_minor, NEW.found_minor,
         NEW.currency, NEW.reason, NEW.run, NEW.found_at)
        IS DISTINCT FROM
        (OLD.id, OLD.account, OLD.day, OLD.kind, OLD.reference, OLD.payment_id, OLD.expected_minor, OLD.found_minor,
         OLD.currency, OLD.reason, OLD.run, OLD.found_at) THEN
    RAISE EXCEPTION 'a break is kept as it was found, and resolved once (%)', OLD.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_break BEFORE UPDATE OR DELETE ON payments.reconciliation_breaks
  FOR EACH ROW EXECUTE FUNCTION payments.guard_break();

-- ---- append-only, and watched by the proof -------------------------------------------------------

DO $$
DECLARE
  book  text;
  owner text;
  gone  text;
  name  text;
BEGIN
  FOR book, owner, gone IN VALUES
    ('payments.provider_events', 'coalesce(OLD.payment_id::text, OLD.event_id)', 'OLD.processed_at IS NOT NULL'),
    ('payments.reconciliation_runs', 'OLD.account', 'true'),
    ('payments.settlement_lines', 'OLD.line_id', 'true'),
    ('payments.reconciliation_breaks', 'coalesce(OLD.payment_id::text, OLD.reference)', 'OLD.state = ''resolved''')
  LOOP
    name := split_part(book, '.', 2);
    EXECUTE format('CREATE INDEX %s_changed ON %s (changed_in)', name, book);
    EXECUTE format($function$
CREATE FUNCTION proof.mark_%1$s() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  IF TG_OP = 'DELETE' OR %4$s THEN
    INSERT INTO proof.removals (book, order_ref, was) VALUES (%2$L, %3$s, to_jsonb(OLD));
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  NEW.changed_in := pg_current_xact_id();
  RETURN NEW;
END $body$
    $function$, name, book, owner, gone);
    EXECUTE format('CREATE TRIGGER mark_change BEFORE UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION proof.mark_%s()', book, name);
    EXECUTE format('CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON %s'
                   ' EXECUTE FUNCTION proof.refuse_truncation()', book);
    EXECUTE format('CREATE TRIGGER note_truncation AFTER TRUNCATE ON %s'
                   ' EXECUTE FUNCTION proof.note_truncation()', book);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER mark_change,'
                   ' ENABLE ALWAYS TRIGGER note_truncation', book);
  END LOOP;
  FOREACH book IN ARRAY '{payments.reconciliation_runs,payments.settlement_lines}'::text[] LOOP
    EXECUTE format('CREATE TRIGGER %s_are_append_only BEFORE UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION payments.refuse_change()', split_part(book, '.', 2), book);
  END LOOP;
END $$;
