"""gRPC as another wire to the same application.

A call is the HTTP request that its method's `google.api.http` option names, and the same edge
serves both: limits, gremlins, credentials, deadlines, spans and metrics are those of HTTP.
`method.py` reads the option, `bridge.py` is one call, `server.py` listens, `outbound.py` calls
another service, `status.py` is how a refusal looks. The library itself, `grpc`, is loaded by the
server and by the first call alone: it must not be there before a fork."""
