"""The echo service: keeps what it is sent and sends it back.

Owns schema `echo`. Calls no other service. Start reading at `app.py`.
"""
