"""The identity service: who there is, and tokens that say it for a while.

Owns      the schema `identity`: users with their passwords' hashes, families of refresh tokens, and
          the keys that access tokens are signed with.
Calls     nobody.
Promises  that a refresh token is good once, and that a stolen one ends what it belongs to; that a
          key is published before it signs, and until the last token of it has ended, unless it
          was withdrawn. Nothing else of the shop waits for it: tokens are checked where they are
          shown (chassis/identity/).
Start at  `tokens.py` (what a token says and whom it is for), then `signing_keys.py`.
"""
