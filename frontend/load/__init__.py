"""Load profiles from the dashboard: start, watch, stop, compare; the fleet runs them.

What a profile is, is in `scenarios/load_profiles.py`; how a run is judged, in `loadtests/`. Start
reading at `desk.py`."""
