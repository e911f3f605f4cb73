"""Copies the messages of one exchange while they pass, and hands the copies over at its end."""

from chassis.contracts.checks import LARGEST, Direction, hand_over
from chassis.contracts.routes import RouteContracts
from chassis.http.asgi import Message, Receive, Send


def tapped(receive: Receive, send: Send, contracts: RouteContracts) -> tuple[Receive, Send]:
    """`receive` and `send` of a request whose messages are to be checked. They are outside of
    gremlins, so a wrong answer is seen as its caller sees it."""
    request, answer = _Copy(contracts.request), _Copy(None)

    async def receive_tapped() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            request.add(message)
            if not message.get("more_body", False):
                request.hand_over("received")
        return message

    async def send_tapped(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            media_type = headers.get(b"content-type", b"").decode("latin-1")
            answer.shape = contracts.answer(message["status"], media_type)
        elif message["type"] == "http.response.body":
            answer.add(message)
            if not message.get("more_body", False):
                answer.hand_over("sent")

    return receive_tapped, send_tapped


class _Copy:
    """The pieces of one message, up to the longest that is checked."""

    def __init__(self, shape: type | None) -> None:
        self.shape = shape
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, message: Message) -> None:
        if self.shape is not None and self._size <= LARGEST:
            self._pieces.append(message.get("body", b""))
            self._size += len(self._pieces[-1])

    def hand_over(self, direction: Direction) -> None:
        if self.shape is not None and self._size:
            hand_over(self.shape, direction, b"".join(self._pieces))
        self.shape = None
