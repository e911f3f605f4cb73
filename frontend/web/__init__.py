"""The web itself: templates, responses, sessions, server-sent events, static files."""
