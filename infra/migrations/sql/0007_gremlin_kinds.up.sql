-- The kinds of faults are listed once, in chassis/faults/kinds.py; the API is the only writer.
ALTER TABLE orders.gremlins DROP CONSTRAINT gremlins_kind_check;
ALTER TABLE inventory.gremlins DROP CONSTRAINT gremlins_kind_check;
ALTER TABLE payments.gremlins DROP CONSTRAINT gremlins_kind_check;
