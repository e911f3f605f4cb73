-- Users are made again, and everybody signs in again.
DROP SCHEMA identity CASCADE;
