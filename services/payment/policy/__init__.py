"""A merchant's rules for a payment: read, checked and asked; no I/O.

Start at `reading.py` (what a policy looks like), then `condition.py` (what its conditions can say;
`checker.py` checks and compiles them), then `evaluate.py` (what a policy says of a payment).
`variables.py` is the table of what a condition can ask about, and where the values come from;
`rules.py` has the structs.
"""

from services.payment.policy.demo import DEMO_POLICY
from services.payment.policy.evaluate import PolicyDecision, RuleTrace, evaluate
from services.payment.policy.reading import read_policy, stored_policy
from services.payment.policy.rules import Mistake, Policy, PolicyAction, Rule
from services.payment.policy.variables import VARIABLES, BadInput, Inputs, policy_inputs

__all__ = [
    "DEMO_POLICY",
    "VARIABLES",
    "BadInput",
    "Inputs",
    "Mistake",
    "Policy",
    "PolicyAction",
    "PolicyDecision",
    "Rule",
    "RuleTrace",
    "evaluate",
    "policy_inputs",
    "read_policy",
    "stored_policy",
]
