"""Runs one request through the gremlins that bite it; what each kind does is in `kinds.py`."""

import asyncio

from chassis.faults.gremlins import Active, Gremlins
from chassis.faults.kinds import ORDER
from chassis.faults.request import FaultyRequest
from chassis.http.asgi import App, Receive, Scope, Send


async def inject(
    app: App,
    scope: Scope,
    receive: Receive,
    send: Send,
    biting: list[Active],
    gremlins: Gremlins,
) -> None:
    """Serve one bitten request. Raises `CallerLeft` or `Dropped` instead of answering."""
    for gremlin in biting:
        gremlins.mark(gremlin.view)
    request = await FaultyRequest.read(app, scope, receive, send)
    faults = [(gremlin.kind, gremlins.bite(gremlin)) for gremlin in biting]
    for kind, bite in faults:
        if kind.before is not None:
            await kind.before(request, bite)
    for kind, bite in reversed(faults):
        if kind.instead is not None:
            await kind.instead(request, bite)
            return
    afterwards = [(kind, bite) for kind, bite in faults if kind.after is not None]
    beside = [kind.beside(request, bite) for kind, bite in faults if kind.beside is not None]
    await asyncio.gather(request.serve(hold=bool(afterwards)), *beside)
    for kind, bite in sorted(afterwards, key=lambda fault: ORDER[fault[0].kind]):
        if kind.after is not None:
            await kind.after(request, bite)
    await request.release()
