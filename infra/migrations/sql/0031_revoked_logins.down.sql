DROP TRIGGER emit_revoked ON identity.families;
DROP FUNCTION identity.emit_revoked();
