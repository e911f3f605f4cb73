-- Facts that leave the transaction that made them: an outbox a schema, written by triggers, so that no
-- code path can forget it and an order costs no further round trip; what the relay and the consumers keep.
CREATE SCHEMA events;
CREATE SCHEMA metrics;
CREATE SCHEMA audit;

CREATE TABLE events.gremlins (LIKE inventory.gremlins INCLUDING ALL);
CREATE TABLE events.gremlin_audit (LIKE inventory.gremlin_audit INCLUDING ALL);
CREATE TABLE metrics.gremlins (LIKE inventory.gremlins INCLUDING ALL);
CREATE TABLE metrics.gremlin_audit (LIKE inventory.gremlin_audit INCLUDING ALL);
CREATE TABLE audit.gremlins (LIKE inventory.gremlins INCLUDING ALL);
CREATE TABLE audit.gremlin_audit (LIKE inventory.gremlin_audit INCLUDING ALL);

-- ---- outboxes ----------------------------------------------------------------------------------

CREATE FUNCTION events.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- Of a row that exists only where it stands in the order of all events, and that it was taken over, may
-- be written, each once, and in this order.
CREATE FUNCTION events.guard_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.event_id, NEW.aggregate, NEW.aggregate_id, NEW.aggregate_seq, NEW.type, NEW.payload,
      NEW.traceparent, NEW.at)
     IS DISTINCT FROM
     (OLD.id, OLD.event_id, OLD.aggregate, OLD.aggregate_id, OLD.aggregate_seq, OLD.type, OLD.payload,
      OLD.traceparent, OLD.at)
     OR OLD.position IS NOT NULL AND NEW.position IS DISTINCT FROM OLD.position
     OR OLD.confirmed_at IS NOT NULL AND NEW.confirmed_at IS DISTINCT FROM OLD.confirmed_at
     OR NEW.confirmed_at IS NOT NULL AND OLD.position IS NULL THEN
    RAISE EXCEPTION 'event % is a fact: it gets one position and is confirmed once', OLD.event_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  NEW.changed_in := pg_current_xact_id();
  RETURN NEW;
END $$;

-- What happened to a gremlin. Its only argument is the name of the process. Whoever writes the audit's
-- line holds the gremlin's row or the table. A change is a start with other values.
CREATE FUNCTION events.emit_gremlin() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  whose text := TG_ARGV[0] || '/' || NEW.name;
BEGIN
  EXECUTE format($event$
    INSERT INTO %1$I.outbox (aggregate, aggregate_id, aggregate_seq, type, payload)
    SELECT 'gremlin', $1, coalesce(max(aggregate_seq), 0) + 1, $2, $3
    FROM %1$I.outbox WHERE aggregate = 'gremlin' AND aggregate_id = $1 $event$, TG_TABLE_SCHEMA)
  USING whose,
        CASE WHEN NEW.action IN ('started', 'changed') THEN 'gremlin.started' ELSE 'gremlin.ended' END,
        jsonb_build_object('service', TG_ARGV[0], 'name', NEW.name, 'kind', NEW.kind,
                           'action', NEW.action, 'actor', NEW.actor);
  RETURN NULL;
END $$;

-- The outbox of a process in its schema `room`; what happens to its gremlins goes there as well.
CREATE FUNCTION events.create_outbox(room text, owner text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format($table$
CREATE TABLE %1$I.outbox (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id      uuid NOT NULL DEFAULT gen_random_uuid(),
  aggregate     text NOT NULL,
  aggregate_id  text NOT NULL,
  -- Counts this aggregate's events: 1, 2, ...
  aggregate_seq int NOT NULL CHECK (aggregate_seq > 0),
  type          text NOT NULL,
  payload       jsonb NOT NULL,
  -- Of the work that made it: chassis/database/pool.py hands it to each transaction.
  traceparent   text DEFAULT nullif(current_setting('valerix.traceparent', true), ''),
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_in    xid8 NOT NULL DEFAULT pg_current_xact_id(),
  -- Given by the relay, gapless over all outboxes.
  position      bigint UNIQUE,
  -- When the transport confirmed this very message.
  confirmed_at  timestamptz,
  UNIQUE (aggregate, aggregate_id, aggregate_seq)
);
CREATE INDEX outbox_unpositioned ON %1$I.outbox (id) WHERE position IS NULL;
CREATE TRIGGER guard_outbox BEFORE UPDATE ON %1$I.outbox
  FOR EACH ROW EXECUTE FUNCTION events.guard_outbox();
CREATE TRIGGER outbox_is_append_only BEFORE DELETE ON %1$I.outbox
  FOR EACH ROW EXECUTE FUNCTION events.refuse_change();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON %1$I.outbox
  EXECUTE FUNCTION events.refuse_change();
  $table$, room);
  EXECUTE format('CREATE TRIGGER emit_gremlin AFTER INSERT ON %I.gremlin_audit'
                 ' FOR EACH ROW EXECUTE FUNCTION events.emit_gremlin(%L)', room, owner);
END $$;
SELECT events.create_outbox(room, owner) FROM (VALUES
  ('orders', 'order-service'), ('inventory', 'inventory-service'), ('payments', 'payment-service'),
  ('events', 'event-relay'), ('metrics', 'metrics-consumer'), ('audit', 'audit-consumer')) AS t (room, owner);

-- ---- what happened to an order -------------------------------------------------------------------

-- An order ends once (guard_order), so its events are numbered without a look: 1 created, 2 its end.
CREATE FUNCTION orders.emit_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, payload) VALUES (
    'order', NEW.id, CASE TG_OP WHEN 'INSERT' THEN 1 ELSE 2 END,
    CASE WHEN TG_OP = 'INSERT' THEN 'order.created' WHEN NEW.status = 'CONFIRMED' THEN 'order.confirmed'
         ELSE 'order.failed' END,
    NEW.traceparent,
    CASE
      WHEN TG_OP = 'INSERT' THEN jsonb_build_object(
        'order_id', NEW.id, 'payment_id', NEW.payment_id, 'product_id', NEW.product_id,
        'quantity', NEW.quantity, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency)
      WHEN NEW.status = 'FAILED' THEN jsonb_build_object(
        'order_id', NEW.id, 'payment_id', NEW.payment_id, 'amount_minor', NEW.amount_minor,
        'currency', NEW.currency, 'reason', NEW.reason)
      ELSE jsonb_build_object(
        'order_id', NEW.id, 'payment_id', NEW.payment_id, 'amount_minor', NEW.amount_minor,
        'currency', NEW.currency)
    END);
  RETURN NULL;
END $$;
CREATE TRIGGER emit_new_order AFTER INSERT ON orders.orders
  FOR EACH ROW EXECUTE FUNCTION orders.emit_order();
CREATE TRIGGER emit_ended_order AFTER UPDATE ON orders.orders
  FOR EACH ROW WHEN (OLD.status <> NEW.status AND NEW.status IN ('CONFIRMED', 'FAILED'))
  EXECUTE FUNCTION orders.emit_order();

-- ---- what happened to goods ----------------------------------------------------------------------

-- Units that moved for an order have a line in the stock ledger, written with the move: at most one
-- that holds them, then one that sells them or gives them back. A refusal or a tombstone moves nothing.
CREATE FUNCTION inventory.emit_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO inventory.outbox (aggregate, aggregate_id, aggregate_seq, type, payload) VALUES (
    'stock', NEW.cause, CASE NEW.kind WHEN 'reserved' THEN 1 ELSE 2 END,
    CASE NEW.kind WHEN 'sold' THEN 'stock.committed' ELSE 'stock.' || NEW.kind END,
    jsonb_build_object('order_id', NEW.cause, 'product_id', NEW.product_id, 'quantity', NEW.quantity));
  RETURN NULL;
END $$;
CREATE TRIGGER emit_move AFTER INSERT ON inventory.stock_moves
  FOR EACH ROW WHEN (NEW.kind <> 'delivered') EXECUTE FUNCTION inventory.emit_move();

-- ---- what happened to money ----------------------------------------------------------------------

-- A payment has an event when somebody is asked for money: a tombstone asks nobody. Each time it comes to
-- one of its ends is an event.
CREATE FUNCTION payments.emit_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  fact jsonb := jsonb_build_object(
    'payment_id', NEW.payment_id, 'order_id', NEW.order_id, 'amount_minor', NEW.amount_minor,
    'currency', NEW.currency);
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO payments.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, payload)
    VALUES ('payment', NEW.payment_id, 1, 'payment.created', NEW.traceparent, fact);
  END IF;
  IF NEW.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') THEN
    INSERT INTO payments.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, payload)
    SELECT 'payment', NEW.payment_id, coalesce(max(aggregate_seq), 0) + 1,
           CASE NEW.state WHEN 'SUCCEEDED' THEN 'payment.completed' ELSE 'payment.failed' END, NEW.traceparent,
           CASE NEW.state WHEN 'SUCCEEDED' THEN fact
                ELSE fact || jsonb_build_object('state', NEW.state, 'decline_code', NEW.decline_code) END
    FROM payments.outbox WHERE aggregate = 'payment' AND aggregate_id = NEW.payment_id::text;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER emit_new_payment AFTER INSERT ON payments.payments
  FOR EACH ROW WHEN (NEW.amount_minor IS NOT NULL) EXECUTE FUNCTION payments.emit_payment();
CREATE TRIGGER emit_ended_payment AFTER UPDATE ON payments.payments
  FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')
                     AND NEW.amount_minor IS NOT NULL)
  EXECUTE FUNCTION payments.emit_payment();

CREATE FUNCTION payments.emit_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Whoever orders a refund has moved the payment before, and so holds its row; the number must not
  -- hang on that.
  PERFORM FROM payments.payments WHERE payment_id = NEW.payment_id FOR UPDATE;
  INSERT INTO payments.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, payload)
  SELECT 'payment', p.payment_id,
         1 + (SELECT coalesce(max(aggregate_seq), 0) FROM payments.outbox
              WHERE aggregate = 'payment' AND aggregate_id = p.payment_id::text),
         'refund.created', p.traceparent,
         jsonb_build_object('payment_id', p.payment_id, 'order_id', p.order_id, 'leg_n', NEW.leg_n,
                            'attempt_n', NEW.n, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency)
  FROM payments.payments p WHERE p.payment_id = NEW.payment_id;
  RETURN NULL;
END $$;
CREATE TRIGGER emit_refund AFTER INSERT ON payments.refunds
  FOR EACH ROW EXECUTE FUNCTION payments.emit_refund();

-- ---- what there was before -----------------------------------------------------------------------

-- As if it had been written then: an aggregate whose first event is missing would look like a gap.
INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, at, payload)
  SELECT 'order', o.id, 1, 'order.created', o.traceparent, o.created_at,
         jsonb_build_object('order_id', o.id, 'payment_id', o.payment_id, 'product_id', o.product_id,
                            'quantity', o.quantity, 'amount_minor', o.amount_minor, 'currency', o.currency)
  FROM orders.orders o ORDER BY o.created_at, o.id;
INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, at, payload)
  SELECT 'order', o.id, 2, CASE o.status WHEN 'CONFIRMED' THEN 'order.confirmed' ELSE 'order.failed' END,
         o.traceparent, o.settled_at,
         jsonb_build_object('order_id', o.id, 'payment_id', o.payment_id, 'amount_minor', o.amount_minor,
                            'currency', o.currency)
         || CASE o.status WHEN 'FAILED' THEN jsonb_build_object('reason', o.reason) ELSE '{}' END
  FROM orders.orders o WHERE o.settled_at IS NOT NULL ORDER BY o.settled_at, o.id;
INSERT INTO inventory.outbox (aggregate, aggregate_id, aggregate_seq, type, at, payload)
  SELECT 'stock', cause, CASE kind WHEN 'reserved' THEN 1 ELSE 2 END,
         CASE kind WHEN 'sold' THEN 'stock.committed' ELSE 'stock.' || kind END, at,
         jsonb_build_object('order_id', cause, 'product_id', product_id, 'quantity', quantity)
  FROM inventory.stock_moves WHERE kind <> 'delivered' ORDER BY at, cause;
INSERT INTO payments.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, at, payload)
  SELECT 'payment', payment_id, row_number() OVER (PARTITION BY payment_id ORDER BY step, at), type, traceparent, at, fact
  FROM (
    SELECT p.payment_id, 1 AS step, 'payment.created' AS type, p.traceparent, p.created_at AS at,
           jsonb_build_object('payment_id', p.payment_id, 'order_id', p.order_id,
                              'amount_minor', p.amount_minor, 'currency', p.currency) AS fact
    FROM payments.payments p WHERE p.amount_minor IS NOT NULL
    UNION ALL
    SELECT p.payment_id, 2, 'payment.completed', p.traceparent, p.updated_at,
           jsonb_build_object('payment_id', p.payment_id, 'order_id', p.order_id,
                              'amount_minor', p.amount_minor, 'currency', p.currency)
    FROM payments.payments p WHERE p.amount_minor IS NOT NULL AND p.state IN ('SUCCEEDED', 'REFUNDED')
    UNION ALL
    SELECT p.payment_id, 3, 'refund.created', p.traceparent, r.at,
           jsonb_build_object('payment_id', p.payment_id, 'order_id', p.order_id, 'leg_n', r.leg_n,
                              'attempt_n', r.n, 'amount_minor', r.amount_minor, 'currency', r.currency)
    FROM payments.refunds r JOIN payments.payments p USING (payment_id)
    UNION ALL
    SELECT p.payment_id, 4, 'payment.failed', p.traceparent, p.updated_at,
           jsonb_build_object('payment_id', p.payment_id, 'order_id', p.order_id,
                              'amount_minor', p.amount_minor, 'currency', p.currency,
                              'state', p.state, 'decline_code', p.decline_code)
    FROM payments.payments p WHERE p.amount_minor IS NOT NULL AND p.state IN ('FAILED', 'CANCELLED')
  ) AS past ORDER BY at, payment_id, step;

-- ---- the relay ---------------------------------------------------------------------------------

-- The last position that was given, and who leads.
CREATE TABLE events.head (
  one       boolean PRIMARY KEY DEFAULT true CHECK (one),
  position  bigint NOT NULL DEFAULT 0,
  -- Up to here every event is confirmed.
  confirmed bigint NOT NULL DEFAULT 0,
  leader    text,
  since     timestamptz
);
INSERT INTO events.head DEFAULT VALUES;

-- The embedded transport: what was published, to be read by position.
CREATE TABLE events.messages (
  position bigint PRIMARY KEY,
  event_id uuid NOT NULL,
  type     text NOT NULL,
  envelope text NOT NULL,
  at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER messages_are_append_only BEFORE UPDATE OR DELETE ON events.messages
  FOR EACH ROW EXECUTE FUNCTION events.refuse_change();

-- ---- consumers ---------------------------------------------------------------------------------

-- One row a consumer; whoever takes events for it holds the row. `types` are the patterns of types it
-- takes, `is_ordered` whether it insists on each aggregate's order. `position`: the embedded transport's.
CREATE TABLE events.consumers (
  consumer   text PRIMARY KEY,
  types      text[] NOT NULL,
  is_ordered boolean NOT NULL,
  position   bigint NOT NULL DEFAULT 0,
  -- Up to here every event it takes has taken effect, or is parked; the relay finds out.
  consumed   bigint NOT NULL DEFAULT 0,
  seen_at    timestamptz NOT NULL DEFAULT now()
);
-- What took effect, in the transaction of the effect.
CREATE TABLE events.inbox (
  consumer      text NOT NULL,
  event_id      uuid NOT NULL,
  aggregate     text NOT NULL,
  aggregate_id  text NOT NULL,
  aggregate_seq int NOT NULL,
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_by_aggregate ON events.inbox (consumer, aggregate, aggregate_id, aggregate_seq);
CREATE TRIGGER inbox_is_append_only BEFORE UPDATE OR DELETE ON events.inbox
  FOR EACH ROW EXECUTE FUNCTION events.refuse_change();
-- What could not take effect ('failed', with its reason), and what waits for an earlier event of its
-- aggregate ('waiting'). It stays, with when it took effect after all.
CREATE TABLE events.parked (
  consumer      text NOT NULL,
  event_id      uuid NOT NULL,
  kind          text NOT NULL CHECK (kind IN ('failed', 'waiting')),
  reason        text NOT NULL,
  aggregate     text NOT NULL,
  aggregate_id  text NOT NULL,
  aggregate_seq int NOT NULL,
  type          text NOT NULL,
  -- As it came.
  message       bytea NOT NULL,
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Somebody asked for another try.
  retry_at      timestamptz,
  done_at       timestamptz,
  PRIMARY KEY (consumer, event_id)
);
CREATE INDEX parked_open ON events.parked (consumer, aggregate, aggregate_id, aggregate_seq) WHERE done_at IS NULL;
CREATE INDEX parked_retried ON events.parked (consumer) WHERE done_at IS NULL AND retry_at IS NOT NULL;

-- ---- what the consumers make of it ---------------------------------------------------------------

-- A counter is counted in the transaction of the inbox, so neither a restart nor a second delivery
-- counts twice.
CREATE TABLE metrics.counters (
  type         text NOT NULL,
  currency     text NOT NULL DEFAULT '',
  reason       text NOT NULL DEFAULT '',
  events       bigint NOT NULL CHECK (events >= 0),
  amount_minor bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (type, currency, reason)
);

-- The audit log: each line carries the hash of the line before.
CREATE TABLE audit.log (
  n             bigint PRIMARY KEY CHECK (n > 0),
  event_id      uuid NOT NULL UNIQUE,
  type          text NOT NULL,
  aggregate     text NOT NULL,
  aggregate_id  text NOT NULL,
  aggregate_seq int NOT NULL,
  source        text NOT NULL,
  happened_at   timestamptz NOT NULL,
  data          jsonb NOT NULL,
  traceparent   text,
  at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  hash          bytea NOT NULL CHECK (length(hash) = 32),
  UNIQUE (aggregate, aggregate_id, aggregate_seq)
);
CREATE INDEX log_by_type ON audit.log (type, n);
CREATE TRIGGER log_is_append_only BEFORE UPDATE OR DELETE ON audit.log
  FOR EACH ROW EXECUTE FUNCTION events.refuse_change();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON audit.log
  EXECUTE FUNCTION events.refuse_change();
