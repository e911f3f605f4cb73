-- The shop opens with three products; a catalogue that already exists is left alone.
INSERT INTO orders.products (product_id, name, price_minor, currency) VALUES
  ('PROD-001', 'Glass lantern', 9999, 'EUR'),
  ('PROD-002', 'Copper kettle', 9999, 'EUR'),
  ('PROD-003', 'Walnut clock', 9999, 'EUR')
ON CONFLICT DO NOTHING;
INSERT INTO inventory.stock (product_id, total, stock) VALUES
  ('PROD-001', 100, 100),
  ('PROD-002', 50, 50),
  ('PROD-003', 25, 25)
ON CONFLICT DO NOTHING;
