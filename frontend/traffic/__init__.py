"""The switch for steady traffic: a panel for any page, two actions, and the same as JSON.

Who comes, and what they do, is `scenarios/steady_traffic.py`. Start reading at `switch.py`."""
