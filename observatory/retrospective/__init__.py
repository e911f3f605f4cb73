"""Reports on a time that is over: what was asked, what failed and why, what broke its contract,
what was unlike the times before, and which gremlins were on. One function writes them (`writer.py`)
for the page, the API, the command and the schedule."""
