"""The PromQL fragments that rules and dashboards share."""

from observatory import sla

# The services of the shop; the dashboard only watches and has no light.
SHOP = 'service=~".+-service"'
BUSINESS = f'{SHOP},path!~"{sla.NOT_BUSINESS}"'
ORDERS = 'service="order-service",method="POST",path="/orders"'
FAILURE = f'status_code=~"{sla.FAILED}"'
ACCEPTED = f'status_code="{sla.PENDING}"'

# The light, as the shop's own page has it.
SLA_S = sla.LIMIT_S
WINDOW = f"{sla.WINDOW_S:g}s"
FAILING_SHARE, PENDING_SHARE = sla.FAILING_SHARE, sla.PENDING_SHARE

AVERAGE = "service:http_request_duration_seconds:avg30s"
RATE = "service:http_requests:rate30s"
ERRORS = "service:http_request_errors:ratio30s"
PENDING = "service:http_requests_pending:ratio30s"
