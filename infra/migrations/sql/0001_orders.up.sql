-- The order service's own room: what was ordered, what was decided, and every step on the way.
CREATE SCHEMA orders;

-- The price list. An order keeps a snapshot of the price, so a later change never alters it.
CREATE TABLE orders.products (
  product_id  text PRIMARY KEY,
  name        text NOT NULL,
  price_minor bigint NOT NULL CHECK (price_minor > 0),
  currency    char(3) NOT NULL
);

-- The state machine is data: services/order/domain.py holds the same pairs, a test says they are equal.
CREATE TABLE orders.transitions (src text NOT NULL, dst text NOT NULL, PRIMARY KEY (src, dst));
INSERT INTO orders.transitions (src, dst) VALUES
  ('PENDING', 'PENDING_INVENTORY'),
  ('PENDING', 'PENDING_PAYMENT'),
  ('PENDING', 'FAILED'),
  ('PENDING', 'CANCELLING'),
  ('PENDING_INVENTORY', 'PENDING_INVENTORY'),
  ('PENDING_INVENTORY', 'PENDING_PAYMENT'),
  ('PENDING_INVENTORY', 'FAILED'),
  ('PENDING_INVENTORY', 'CANCELLING'),
  ('PENDING_PAYMENT', 'PENDING_PAYMENT'),
  ('PENDING_PAYMENT', 'CONFIRMED'),
  ('PENDING_PAYMENT', 'CANCELLING'),
  ('CANCELLING', 'CANCELLING'),
  ('CANCELLING', 'FAILED');

CREATE TABLE orders.orders (
  id                 uuid PRIMARY KEY,
  product_id         text NOT NULL,
  quantity           int NOT NULL CHECK (quantity BETWEEN 1 AND 1000),
  unit_price_minor   bigint NOT NULL CHECK (unit_price_minor > 0),
  amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
  currency           char(3) NOT NULL,
  status             text NOT NULL,
  reason             text,
  last_outcome       text,
  stock_committed_at timestamptz,
  version            int NOT NULL DEFAULT 0,
  attempts           int NOT NULL DEFAULT 0,
  next_attempt_at    timestamptz NOT NULL,
  deadline_at        timestamptz NOT NULL,
  traceparent        text,
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now(),
  settled_at         timestamptz,
  CONSTRAINT amount_is_price_times_quantity CHECK (amount_minor = unit_price_minor * quantity),
  CONSTRAINT failed_has_a_reason CHECK (status <> 'FAILED' OR reason IS NOT NULL),
  CONSTRAINT only_confirmed_commits_stock CHECK (stock_committed_at IS NULL OR status = 'CONFIRMED'),
  CONSTRAINT settled_means_terminal CHECK ((settled_at IS NOT NULL) = (status IN ('CONFIRMED', 'FAILED')))
);
CREATE INDEX orders_due ON orders.orders (next_attempt_at)
  WHERE status IN ('PENDING', 'PENDING_INVENTORY', 'PENDING_PAYMENT', 'CANCELLING')
     OR (status = 'CONFIRMED' AND stock_committed_at IS NULL);
CREATE INDEX orders_newest ON orders.orders (created_at DESC, id DESC);

-- Every version of every order, written by the trigger below, so no code path can forget it.
CREATE TABLE orders.history (
  order_id    uuid NOT NULL,
  version     int NOT NULL,
  src         text,
  dst         text NOT NULL,
  reason      text,
  outcome     text,
  attempts    int NOT NULL,
  traceparent text,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (order_id, version)
);

-- Who moved the order: the trace of the driver that wrote this version, set per statement by the service.
CREATE FUNCTION orders.guard_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.version <> OLD.version + 1 THEN
    RAISE EXCEPTION 'order % moved from version % to %', OLD.id, OLD.version, NEW.version
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF (NEW.id, NEW.product_id, NEW.quantity, NEW.unit_price_minor, NEW.amount_minor, NEW.currency)
     IS DISTINCT FROM
     (OLD.id, OLD.product_id, OLD.quantity, OLD.unit_price_minor, OLD.amount_minor, OLD.currency) THEN
    RAISE EXCEPTION 'what was ordered never changes (order %)', OLD.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF OLD.status = 'CONFIRMED' THEN
    IF NEW.status <> 'CONFIRMED' OR OLD.stock_committed_at IS NOT NULL THEN
      RAISE EXCEPTION 'order % is CONFIRMED for good', OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  ELSIF NOT EXISTS (SELECT 1 FROM orders.transitions WHERE src = OLD.status AND dst = NEW.status) THEN
    RAISE EXCEPTION 'order % may not go from % to %', OLD.id, OLD.status, NEW.status
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

-- A later due time is not a move (the reconciler's claim), so only version changes are guarded.
CREATE TRIGGER guard_order BEFORE UPDATE ON orders.orders
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status
                  OR OLD.version IS DISTINCT FROM NEW.version
                  OR OLD.id IS DISTINCT FROM NEW.id
                  OR OLD.product_id IS DISTINCT FROM NEW.product_id
                  OR OLD.quantity IS DISTINCT FROM NEW.quantity
                  OR OLD.amount_minor IS DISTINCT FROM NEW.amount_minor
                  OR OLD.currency IS DISTINCT FROM NEW.currency
                  OR OLD.stock_committed_at IS DISTINCT FROM NEW.stock_committed_at)
  EXECUTE FUNCTION orders.guard_order();

CREATE FUNCTION orders.record_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders.history (order_id, version, src, dst, reason, outcome, attempts, traceparent)
  VALUES (NEW.id, NEW.version, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status,
          NEW.reason, NEW.last_outcome, NEW.attempts, NEW.traceparent);
  RETURN NULL;
END $$;
CREATE TRIGGER record_new_order AFTER INSERT ON orders.orders
  FOR EACH ROW EXECUTE FUNCTION orders.record_order();
CREATE TRIGGER record_moved_order AFTER UPDATE ON orders.orders
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
  EXECUTE FUNCTION orders.record_order();

CREATE FUNCTION orders.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER history_is_append_only BEFORE UPDATE OR DELETE ON orders.history
  FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();
CREATE TRIGGER orders_are_never_deleted BEFORE DELETE ON orders.orders
  FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

-- One claimed key is one order; the stored answer is replayed byte for byte.
CREATE TABLE orders.idempotency (
  scope        text NOT NULL,
  key          text NOT NULL,
  request_hash bytea NOT NULL,
  -- NULL where the answer was that no order can be made (an unknown product).
  order_id     uuid,
  status_code  int,
  response     bytea,
  locked_until timestamptz NOT NULL,
  expires_at   timestamptz NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_expiry ON orders.idempotency (expires_at);
