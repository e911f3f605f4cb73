DELETE FROM inventory.stock WHERE reserved = 0 AND sold = 0 AND product_id IN ('PROD-001', 'PROD-002', 'PROD-003')
  AND NOT EXISTS (SELECT 1 FROM inventory.reservations r WHERE r.product_id = stock.product_id);
DELETE FROM orders.products WHERE product_id IN ('PROD-001', 'PROD-002', 'PROD-003');
