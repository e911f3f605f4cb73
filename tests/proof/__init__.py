"""The proof is tested by breaking each promise: exactly that one must be violated."""
