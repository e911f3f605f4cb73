CREATE SCHEMA echo;
CREATE TABLE echo.messages (
  id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  text text NOT NULL
);
CREATE TABLE echo.gremlins (LIKE inventory.gremlins INCLUDING ALL);
CREATE TABLE echo.gremlin_audit (LIKE inventory.gremlin_audit INCLUDING ALL);
