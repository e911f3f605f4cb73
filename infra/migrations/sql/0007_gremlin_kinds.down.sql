-- A gremlin of a later kind cannot stay; it would have ended by itself within the hour.
DELETE FROM orders.gremlins WHERE kind NOT IN (
  'latency', 'late', 'error', 'lost_response', 'refuse', 'hang', 'duplicate', 'slow_database');
ALTER TABLE orders.gremlins ADD CONSTRAINT gremlins_kind_check CHECK (kind IN (
  'latency', 'late', 'error', 'lost_response', 'refuse', 'hang', 'duplicate', 'slow_database'));
DELETE FROM inventory.gremlins WHERE kind NOT IN (
  'latency', 'late', 'error', 'lost_response', 'refuse', 'hang', 'duplicate', 'slow_database');
ALTER TABLE inventory.gremlins ADD CONSTRAINT gremlins_kind_check CHECK (kind IN (
  'latency', 'late', 'error', 'lost_response', 'refuse', 'hang', 'duplicate', 'slow_database'));
DELETE FROM payments.gremlins WHERE kind NOT IN (
  'latency', 'late', 'error', 'lost_response', 'refuse', 'hang', 'duplicate', 'slow_database');
ALTER TABLE payments.gremlins ADD CONSTRAINT gremlins_kind_check CHECK (kind IN (
  'latency', 'late', 'error', 'lost_response', 'refuse', 'hang', 'duplicate', 'slow_database'));
