"""Who asks: the caller that a request's credential names, and what a role may do."""

from chassis.identity.caller import ANONYMOUS, Caller, caller_of, needs_role

__all__ = ["ANONYMOUS", "Caller", "caller_of", "needs_role"]
