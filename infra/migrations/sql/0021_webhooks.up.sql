-- Webhooks out to merchants: what happened to a payment is brought to the addresses its merchant named.

-- ---- whose payment it is -------------------------------------------------------------------------

-- Events of payments name the merchant; it is null where an order is paid for. A merchant's request is
-- written after its payment, in one transaction.
CREATE OR REPLACE FUNCTION payments.emit_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  fact jsonb := jsonb_build_object(
    'payment_id', NEW.payment_id, 'order_id', NEW.order_id, 'amount_minor', NEW.amount_minor,
    'currency', NEW.currency,
    'merchant_id', (SELECT merchant_id FROM payments.requests WHERE payment_id = NEW.payment_id));
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
-- A merchant's payment begins in PROCESSING and of no order: its event is written at the commit, when
-- its request is there. Any other (an order's, or a capture that nobody asked for) may have further
-- events in the same transaction, and is announced at once.
DROP TRIGGER emit_new_payment ON payments.payments;
CREATE TRIGGER emit_new_payment AFTER INSERT ON payments.payments
  FOR EACH ROW WHEN (NEW.amount_minor IS NOT NULL AND (NEW.order_id IS NOT NULL OR NEW.state <> 'PROCESSING'))
  EXECUTE FUNCTION payments.emit_payment();
CREATE CONSTRAINT TRIGGER emit_merchants_payment AFTER INSERT ON payments.payments
  DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.amount_minor IS NOT NULL AND NEW.order_id IS NULL AND NEW.state = 'PROCESSING')
  EXECUTE FUNCTION payments.emit_payment();

CREATE OR REPLACE FUNCTION payments.emit_refund() RETURNS trigger LANGUAGE plpgsql AS $$
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
                            'attempt_n', NEW.n, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency,
                            'merchant_id', r.merchant_id)
  FROM payments.payments p LEFT JOIN payments.requests r USING (payment_id)
  WHERE p.payment_id = NEW.payment_id;
  RETURN NULL;
END $$;

-- ---- the sender's own room -----------------------------------------------------------------------

CREATE SCHEMA webhooks;
CREATE TABLE webhooks.gremlins (LIKE inventory.gremlins INCLUDING ALL);
CREATE TABLE webhooks.gremlin_audit (LIKE inventory.gremlin_audit INCLUDING ALL);
SELECT events.create_outbox('webhooks', 'webhook-sender');

-- An address that a merchant named. It gets what happens after `created_at` and before `disabled_at`:
-- both are read under the lock of the sender's inbox, so that an event is on one side of each for good.
CREATE TABLE webhooks.endpoints (
  endpoint_id      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  merchant_id      text NOT NULL REFERENCES payments.merchants,
  url              text NOT NULL CHECK (length(url) BETWEEN 8 AND 2000),
  -- What its messages are signed with: it must be readable, and is shown to the merchant once.
  secret           text NOT NULL CHECK (secret LIKE 'whsec\_%'),
  types            text[] NOT NULL CHECK (cardinality(types) > 0),
  created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  disabled_at      timestamptz,
  disabled_because text,
  CONSTRAINT disabled_for_a_reason CHECK ((disabled_at IS NULL) = (disabled_because IS NULL))
);
CREATE INDEX endpoints_of_merchant ON webhooks.endpoints (merchant_id);
CREATE FUNCTION webhooks.guard_endpoint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.disabled_at IS NOT NULL
     OR (NEW.endpoint_id, NEW.merchant_id, NEW.url, NEW.secret, NEW.types, NEW.created_at)
        IS DISTINCT FROM
        (OLD.endpoint_id, OLD.merchant_id, OLD.url, OLD.secret, OLD.types, OLD.created_at) THEN
    RAISE EXCEPTION 'endpoint % stays as it is, until it is disabled for good', OLD.endpoint_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_endpoint BEFORE UPDATE OR DELETE ON webhooks.endpoints
  FOR EACH ROW EXECUTE FUNCTION webhooks.guard_endpoint();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON webhooks.endpoints
  EXECUTE FUNCTION events.refuse_change();

-- One event on its way to one endpoint. `event_id` is the receiver's webhook-id, `body` the very bytes.
CREATE TABLE webhooks.deliveries (
  delivery_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  endpoint_id     uuid NOT NULL REFERENCES webhooks.endpoints,
  event_id        uuid NOT NULL,
  payment_id      uuid NOT NULL,
  type            text NOT NULL,
  body            text NOT NULL,
  traceparent     text,
  state           text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'SENT', 'DEAD')),
  attempts        int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  -- What came back last: a status, or none and why.
  last_status     int,
  last_reason     text,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Since when it is tried: a replay begins anew.
  tried_since     timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at        timestamptz,
  updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_in      xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT once_an_endpoint UNIQUE (event_id, endpoint_id),
  CONSTRAINT ended_or_waiting CHECK ((state = 'WAITING') = (ended_at IS NULL)),
  CONSTRAINT sent_is_accepted CHECK (state <> 'SENT' OR last_status BETWEEN 200 AND 299),
  CONSTRAINT dead_for_a_reason CHECK (state <> 'DEAD' OR last_reason IS NOT NULL)
);
-- services/events/webhook_sender/store.py claims with the same words.
CREATE INDEX deliveries_due ON webhooks.deliveries (next_attempt_at) WHERE state = 'WAITING';
CREATE INDEX deliveries_dead ON webhooks.deliveries (delivery_id) WHERE state = 'DEAD';
CREATE INDEX deliveries_of_payment ON webhooks.deliveries (payment_id);
CREATE INDEX deliveries_changed ON webhooks.deliveries (changed_in);
CREATE FUNCTION webhooks.guard_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.delivery_id, NEW.endpoint_id, NEW.event_id, NEW.payment_id, NEW.type, NEW.body, NEW.traceparent,
      NEW.created_at)
     IS DISTINCT FROM
     (OLD.delivery_id, OLD.endpoint_id, OLD.event_id, OLD.payment_id, OLD.type, OLD.body, OLD.traceparent,
      OLD.created_at) THEN
    RAISE EXCEPTION 'delivery % is of one event, and its body stays as it is', OLD.delivery_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  NEW.changed_in := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER guard_delivery BEFORE UPDATE ON webhooks.deliveries
  FOR EACH ROW EXECUTE FUNCTION webhooks.guard_delivery();
CREATE TRIGGER deliveries_are_never_deleted BEFORE DELETE ON webhooks.deliveries
  FOR EACH ROW EXECUTE FUNCTION events.refuse_change();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON webhooks.deliveries
  EXECUTE FUNCTION events.refuse_change();
