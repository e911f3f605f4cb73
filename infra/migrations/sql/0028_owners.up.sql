-- An order, and a payment, belongs to who placed it: the subject of the token that was shown, or
-- 'anonymous'. It is written with the row, never changes, and is in what the events tell.
ALTER TABLE orders.orders ADD owner text NOT NULL DEFAULT 'anonymous'
  CHECK (owner ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  -- Who asked for it to end: its owner, or an operator; NULL where nobody did.
  ADD cancelled_by text CHECK (cancelled_by ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$');
ALTER TABLE payments.payments ADD owner text NOT NULL DEFAULT 'anonymous'
  CHECK (owner ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$');
-- Nobody lists what belongs to nobody by its owner, so an anonymous order costs no entry.
CREATE INDEX orders_of_owner ON orders.orders (owner, created_at DESC, id DESC) WHERE owner <> 'anonymous';
CREATE INDEX payments_of_owner ON payments.payments (owner, created_at DESC, payment_id DESC)
  WHERE owner <> 'anonymous';

CREATE FUNCTION orders.guard_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'who placed order %, and who cancelled it, never changes', OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_owner BEFORE UPDATE ON orders.orders
  FOR EACH ROW WHEN (OLD.owner <> NEW.owner
                     OR OLD.cancelled_by IS NOT NULL AND OLD.cancelled_by IS DISTINCT FROM NEW.cancelled_by)
  EXECUTE FUNCTION orders.guard_owner();
CREATE FUNCTION payments.guard_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'whose payment % is never changes', OLD.payment_id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_owner BEFORE UPDATE ON payments.payments
  FOR EACH ROW WHEN (OLD.owner <> NEW.owner) EXECUTE FUNCTION payments.guard_owner();

-- A key is its owner's: nobody gets the answer to another's request, nor takes its name away.
ALTER TABLE payments.payments DROP CONSTRAINT payments_idempotency_key_key,
  ADD CONSTRAINT one_payment_a_key UNIQUE (idempotency_key, owner);
ALTER TABLE payments.requests ADD owner text NOT NULL DEFAULT 'anonymous',
  DROP CONSTRAINT requests_pkey, ADD PRIMARY KEY (merchant_id, request_id, owner);
CREATE OR REPLACE FUNCTION payments.guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.answer IS NOT NULL
     OR (NEW.merchant_id, NEW.request_id, NEW.owner, NEW.request_hash, NEW.payment_id, NEW.at, NEW.inputs)
        IS DISTINCT FROM
        (OLD.merchant_id, OLD.request_id, OLD.owner, OLD.request_hash, OLD.payment_id, OLD.at, OLD.inputs) THEN
    RAISE EXCEPTION 'request % of % is answered for good', OLD.request_id, OLD.merchant_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

-- ---- what the events tell ------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION orders.emit_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  fact jsonb := jsonb_build_object(
    'order_id', NEW.id, 'owner', NEW.owner, 'payment_id', NEW.payment_id, 'amount_minor', NEW.amount_minor,
    'currency', NEW.currency);
BEGIN
  INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, traceparent, payload) VALUES (
    'order', NEW.id, CASE TG_OP WHEN 'INSERT' THEN 1 ELSE 2 END,
    CASE WHEN TG_OP = 'INSERT' THEN 'order.created' WHEN NEW.status = 'CONFIRMED' THEN 'order.confirmed'
         ELSE 'order.failed' END,
    NEW.traceparent,
    CASE
      WHEN TG_OP = 'INSERT' THEN
        fact || jsonb_build_object('product_id', NEW.product_id, 'quantity', NEW.quantity)
      WHEN NEW.status = 'FAILED' THEN
        fact || jsonb_build_object('reason', NEW.reason, 'actor', NEW.cancelled_by)
      ELSE fact
    END);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION payments.emit_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  fact jsonb := jsonb_build_object(
    'payment_id', NEW.payment_id, 'order_id', NEW.order_id, 'owner', NEW.owner,
    'amount_minor', NEW.amount_minor, 'currency', NEW.currency,
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
         jsonb_build_object('payment_id', p.payment_id, 'order_id', p.order_id, 'owner', p.owner,
                            'leg_n', NEW.leg_n, 'attempt_n', NEW.n, 'amount_minor', NEW.amount_minor,
                            'currency', NEW.currency, 'merchant_id', r.merchant_id)
  FROM payments.payments p LEFT JOIN payments.requests r USING (payment_id)
  WHERE p.payment_id = NEW.payment_id;
  RETURN NULL;
END $$;

-- Whose doing a line of the audit log is: who acted, or else whose order, payment or wallet it is about.
ALTER TABLE audit.log ADD subject text
  GENERATED ALWAYS AS (coalesce(data ->> 'actor', data ->> 'owner', data ->> 'user_id')) STORED;
CREATE INDEX log_by_subject ON audit.log (subject, n);

-- ---- who is signed in at the dashboard -----------------------------------------------------------

-- Not the operator alone any more. `sealed` are the person's tokens, encrypted under the cookie, of which a
-- row has the SHA-256 only; the operator's session has none.
ALTER TABLE dashboard.sessions ADD subject text NOT NULL DEFAULT 'operator',
  ADD roles text[] NOT NULL DEFAULT '{operator}',
  ADD sealed bytea;
