"""Why an act cannot begin, or could not do one of its things."""


class CannotPlay(Exception):
    """The act cannot begin, and why; nothing was done."""


class ActionFailed(Exception):
    """The shop refused what an act asked for, and why."""
