"""Events: what happened, what is on its way, what was put aside, and the audit log."""
