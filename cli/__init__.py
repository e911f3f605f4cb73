"""The valerix command: every verb a person or a script can say to the shop."""
