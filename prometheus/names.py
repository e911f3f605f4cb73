"""The PromQL fragments that rules and dashboards share."""

# Routes that do no business: probes, scrapes, API pages, gremlins. The dashboard's own light
# excludes the same routes; a test compares the two expressions.
NOT_BUSINESS = r"^(/health.*|/metrics|/schema.*|/gremlin.*)$"
# The services of the shop; the dashboard only watches and has no light.
SHOP = 'service=~".+-service"'
BUSINESS = f'{SHOP},path!~"{NOT_BUSINESS}"'
ORDERS = 'service="order-service",method="POST",path="/orders"'
# A service counts a dropped connection, which has no status, as 000.
FAILURE = 'status_code=~"5..|000"'

# Green below one second on average over thirty seconds, red from one second.
SLA_S = 1
WINDOW = "30s"

AVERAGE = "service:http_request_duration_seconds:avg30s"
RATE = "service:http_requests:rate30s"
ERRORS = "service:http_request_errors:ratio30s"
