-- The gateway's own room: its gremlins, their audit, and the outbox that tells of them.
CREATE SCHEMA edge;
CREATE TABLE edge.gremlins (LIKE inventory.gremlins INCLUDING ALL);
CREATE TABLE edge.gremlin_audit (LIKE inventory.gremlin_audit INCLUDING ALL);
SELECT events.create_outbox('edge', 'gateway-service');
