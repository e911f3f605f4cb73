"""What every page needs: templates, panels, actions, responses, sessions, nudges, static files.

It imports no page."""
