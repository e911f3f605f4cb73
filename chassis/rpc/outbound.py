"""One call to another service over gRPC: the same peer as over HTTP, on another wire."""

from typing import Any
from urllib.parse import urlsplit

from google.protobuf.descriptor import ServiceDescriptor

from chassis.http.outbound import Peer, classify
from chassis.outcome import CallResult, Failure, Outcome, failed
from chassis.rpc.codes import CODES
from chassis.rpc.method import RpcMethod, methods_of
from chassis.rpc.status import TRAILER, problem_in
from chassis.settings import Settings

_LARGEST = 1 << 20
_OPTIONS = (
    ("grpc.max_receive_message_length", _LARGEST),
    # What may be repeated, and when, is decided by whoever calls: the library must not.
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    # To the address and nowhere else.
    ("grpc.enable_http_proxy", 0),
    # Two peers must not share connections: one would use up the places of the other.
    ("grpc.use_local_subchannel_pool", 1),
    # A process that was restarted is found again within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class RpcPeer(Peer):
    """A service we call over gRPC. What is no method of its proto goes over HTTP, to `base_url`."""

    def __init__(
        self,
        name: str,
        base_url: str,
        settings: Settings,
        *,
        service: ServiceDescriptor,
        rpc_url: str,
        connections: int | None = None,
    ) -> None:
        super().__init__(name, base_url, settings, connections=connections)
        self._target = urlsplit(rpc_url).netloc
        self._methods = methods_of(service)
        self._channel: Any = None

    async def close(self) -> None:
        """Close the connections."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None
        await super().close()

    def _describe(self, method: str, path: str, result: CallResult) -> dict[str, object]:
        if (rpc := self._method(method, path)) is None:
            return super()._describe(method, path, result)
        return {
            "rpc.system.name": "grpc",
            "rpc.method": rpc.name,
            "server.address": self.name,
            "valerix.outcome": result.outcome.value,
        }

    def _span_name(self, method: str, path: str, route: str) -> str:
        rpc = self._method(method, path)
        return super()._span_name(method, path, route) if rpc is None else rpc.name

    def _method(self, verb: str, path: str) -> RpcMethod | None:
        found = (each for each in self._methods if each.verb == verb and each.matches(path))
        return next(found, None)

    async def _send(
        self, method: str, path: str, json: object, headers: dict[str, str]
    ) -> CallResult:
        rpc = self._method(method, path)
        if rpc is None:
            return await super()._send(method, path, json, headers)
        # Only here: a process that calls nobody over gRPC does not load it.
        from grpc import aio

        if self._channel is None:
            self._channel = aio.insecure_channel(self._target, options=_OPTIONS)
        if not await self._connected():
            return failed(Failure.CONNECT_FAILED)
        left_s = int(headers.pop("X-Timeout-Ms")) / 1000
        call = self._channel.unary_unary(f"/{rpc.name}")(
            rpc.write_request(path, json),
            timeout=left_s,
            metadata=tuple((name.lower(), value) for name, value in headers.items()),
        )
        try:
            raw = await call
            return _answered(rpc, raw, _texts(await call.trailing_metadata()))
        except aio.AioRpcError as error:
            return _refused(error)
        finally:
            call.cancel()

    async def _connected(self) -> bool:
        """Whether there is a connection: until there is one, nothing is sent."""
        import grpc

        state = self._channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.READY:
            if state in (
                grpc.ChannelConnectivity.TRANSIENT_FAILURE,
                grpc.ChannelConnectivity.SHUTDOWN,
            ):
                return False
            await self._channel.wait_for_state_change(state)
            state = self._channel.get_state(try_to_connect=True)
        return True


def _texts(metadata: Any) -> dict[str, str]:
    return {name: value for name, value in metadata or () if isinstance(value, str)}


def _answered(rpc: RpcMethod, raw: bytes, metadata: dict[str, str]) -> CallResult:
    try:
        status, body = rpc.read_response(raw, metadata.get("x-valerix-problem", ""))
    except ValueError as error:
        return failed(Failure.BROKEN, code=type(error).__name__)
    exact = metadata.get("x-valerix-status", "")
    if exact.isdigit():
        status = int(exact)
    return classify(status, body, trace_id=metadata.get("x-trace-id", ""))


def _refused(error: Any) -> CallResult:
    """What a status of ours means is what its problem means; of another's nothing can be concluded:
    the call was sent."""
    trailers = error.trailing_metadata() or ()
    metadata = _texts(trailers)
    trace_id = metadata.get("x-trace-id", "")
    for name, value in trailers:
        if name == TRAILER and (found := problem_in(value)) is not None:
            not_executed = metadata.get("x-valerix-executed") == "no"
            return classify(*found, not_executed=not_executed, trace_id=trace_id)
    if error.code().value[0] == CODES["DEADLINE_EXCEEDED"]:
        return failed(Failure.TIMEOUT)
    return CallResult(Outcome.UNKNOWN, code=f"grpc-{error.code().value[1]}", trace_id=trace_id)
