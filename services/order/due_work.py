"""Which orders are not finished: the reconciler claims them when they are due."""

from chassis.due_work import DueWork, lease
from services.order.tables import orders

ORDERS_DUE = DueWork(
    orders,
    key=orders.c.id,
    state=orders.c.status,
    # The partial index orders_due has the same words.
    due=(
        "status IN ('PENDING', 'PENDING_INVENTORY', 'PENDING_PAYMENT', 'CANCELLING')"
        " OR (status = 'CONFIRMED' AND stock_committed_at IS NULL)"
    ),
    # The first attempt in a state is attempts 0, and leaves its outcome behind.
    waiting="attempts > 0 OR last_outcome IS NOT NULL",
    again_s=lease(),
)
