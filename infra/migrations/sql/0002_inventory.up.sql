-- The inventory service's own room: stock that is conserved by a row constraint, and who holds it.
CREATE SCHEMA inventory;

CREATE TABLE inventory.stock (
  product_id text PRIMARY KEY,
  total      int NOT NULL,
  stock      int NOT NULL CHECK (stock >= 0),
  reserved   int NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  sold       int NOT NULL DEFAULT 0 CHECK (sold >= 0),
  CONSTRAINT conserved CHECK (stock + reserved + sold = total)
);

-- One row an order. A RELEASED row without a product is a tombstone: the release came first.
CREATE TABLE inventory.reservations (
  order_id   uuid PRIMARY KEY,
  product_id text REFERENCES inventory.stock,
  quantity   int NOT NULL DEFAULT 0 CHECK (quantity >= 0),
  state      text NOT NULL CHECK (state IN ('HELD', 'COMMITTED', 'RELEASED', 'REJECTED')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT only_a_tombstone_has_no_product
    CHECK (state = 'RELEASED' OR (product_id IS NOT NULL AND quantity > 0))
);
CREATE INDEX reservations_by_product ON inventory.reservations (product_id, state) INCLUDE (quantity);

CREATE TABLE inventory.transitions (src text NOT NULL, dst text NOT NULL, PRIMARY KEY (src, dst));
INSERT INTO inventory.transitions (src, dst) VALUES ('HELD', 'COMMITTED'), ('HELD', 'RELEASED'), ('HELD', 'REJECTED');

-- HELD -> REJECTED happens only inside the reserving transaction, before anyone else can see HELD.
CREATE FUNCTION inventory.guard_reservation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'reservations are never deleted' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM inventory.transitions WHERE src = OLD.state AND dst = NEW.state) THEN
    RAISE EXCEPTION 'reservation % may not go from % to %', OLD.order_id, OLD.state, NEW.state
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_reservation BEFORE UPDATE OR DELETE ON inventory.reservations
  FOR EACH ROW EXECUTE FUNCTION inventory.guard_reservation();
