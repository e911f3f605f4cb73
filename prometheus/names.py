"""The few PromQL words that rules and dashboards must spell alike."""

# Not the shop's work: probes, the scrape itself, the API page, the switches. The dashboard's own
# light leaves out the same routes; a test compares the two expressions.
NOT_BUSINESS = r"^(/health.*|/metrics|/schema.*|/gremlin.*)$"
# The three services of the shop; the dashboard only watches and has no light.
SHOP = 'service=~".+-service"'
BUSINESS = f'{SHOP},path!~"{NOT_BUSINESS}"'
ORDERS = 'service="order-service",method="POST",path="/orders"'
# 000 is how a service counts an answer that never came: a dropped connection.
FAILURE = 'status_code=~"5..|000"'

# SPEC section 5: green under one second on average over thirty seconds, red from it.
SLA_S = 1
WINDOW = "30s"

AVERAGE = "service:http_request_duration_seconds:avg30s"
RATE = "service:http_requests:rate30s"
ERRORS = "service:http_request_errors:ratio30s"
