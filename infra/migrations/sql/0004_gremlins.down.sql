DROP TABLE payments.gremlin_audit, payments.gremlins;
DROP TABLE inventory.gremlin_audit, inventory.gremlins;
DROP TABLE orders.gremlin_audit, orders.gremlins;
