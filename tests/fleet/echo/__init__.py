"""A service that the project does not have: what somebody would add, for test_a_new_process.py."""
