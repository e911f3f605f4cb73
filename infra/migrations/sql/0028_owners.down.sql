-- Whose orders and payments they are is forgotten. Where two owners used one key or one request_id, this is
-- refused: without owners one of the two would be the other's.
-- Who signed in with a password signs in with the operator's token again.
DELETE FROM dashboard.sessions WHERE sealed IS NOT NULL;
ALTER TABLE dashboard.sessions DROP subject, DROP roles, DROP sealed;
DROP INDEX audit.log_by_subject;
ALTER TABLE audit.log DROP subject;
CREATE OR REPLACE FUNCTION orders.emit_order() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE OR REPLACE FUNCTION payments.guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.answer IS NOT NULL
     OR (NEW.merchant_id, NEW.request_id, NEW.request_hash, NEW.payment_id, NEW.at, NEW.inputs)
        IS DISTINCT FROM (OLD.merchant_id, OLD.request_id, OLD.request_hash, OLD.payment_id, OLD.at, OLD.inputs) THEN
    RAISE EXCEPTION 'request % of % is answered for good', OLD.request_id, OLD.merchant_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
ALTER TABLE payments.requests DROP CONSTRAINT requests_pkey, ADD PRIMARY KEY (merchant_id, request_id), DROP owner;
DROP TRIGGER guard_owner ON payments.payments;
DROP FUNCTION payments.guard_owner();
ALTER TABLE payments.payments DROP CONSTRAINT one_payment_a_key,
  ADD CONSTRAINT payments_idempotency_key_key UNIQUE (idempotency_key);
DROP INDEX payments.payments_of_owner;
ALTER TABLE payments.payments DROP owner;
DROP TRIGGER guard_owner ON orders.orders;
DROP FUNCTION orders.guard_owner();
DROP INDEX orders.orders_of_owner;
ALTER TABLE orders.orders DROP owner, DROP cancelled_by;
