"""Numbers orders exactly once, and follows the numbers that are given.

    python number_orders.py allocate COUNT   numbers the orders python-1 to python-COUNT of store 7
    python number_orders.py watch FILE       prints every order; FILE keeps where to resume

ORDERS_SERVER is the server (127.0.0.1:50051), ORDERS_TOKEN its token, ORDERS_CLIENT_TLS_CA the PEM file of its CA.
"""

import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from orders.v1 import orders_pb2, orders_pb2_grpc

MAY_HAVE_SUCCEEDED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
ATTEMPT_S, OVERALL_S, MAX_BACKOFF_S = 5, 60, 2
TOKEN = os.environ.get("ORDERS_TOKEN")
METADATA = [("authorization", f"Bearer {TOKEN}")] if TOKEN else []


class Refused(Exception):
    """A definite answer: this call allocated nothing, and repeating it will not help."""


def wait_or_refuse(error, attempt, what):
    """The one rule: returns when the same call is to be repeated, with the same request_id, and raises otherwise."""
    status = rpc_status.from_call(error)
    details = status.details if status else []
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    is_ours = any(detail.Unpack(info) for detail in details) and info.domain == "orders.v1"
    may_retry = any(detail.Unpack(retry) for detail in details)
    if is_ours and error.code() not in MAY_HAVE_SUCCEEDED and not may_retry:
        raise Refused(f"{what}: {info.reason}: {error.details()}") from error
    print(f"{what}: {error.code().name}: {error.details()}; trying again", file=sys.stderr)
    backoff_s = random.uniform(0, min(MAX_BACKOFF_S, 0.05 * 2 ** min(attempt, 10)))
    time.sleep(retry.retry_delay.ToTimedelta().total_seconds() + backoff_s)


def allocate(orders, store_id, request_id):
    """Returns the allocation of an order: the same one however often this is called with the same request_id."""
    give_up, attempt = time.monotonic() + OVERALL_S, 0
    request = orders_pb2.AllocateOrderRequest(store_id=store_id, request_id=request_id)
    while True:
        try:
            return orders.AllocateOrder(request, timeout=ATTEMPT_S, metadata=METADATA).allocation
        except grpc.RpcError as error:
            wait_or_refuse(error, attempt, request_id)
            if time.monotonic() > give_up:
                raise  # Nothing is settled: call again later, with the same request_id.
            attempt += 1


def watch(orders, cursor_file):
    """Yields every allocation in order_id order. One whose handling was interrupted comes again after a restart."""
    attempt = 0
    while True:
        cursor = int(cursor_file.read_text()) if cursor_file.exists() else 0
        try:
            request = orders_pb2.WatchAllocationsRequest(after_order_id=cursor)
            for step in orders.WatchAllocations(request, metadata=METADATA):
                yield from step.allocations
                cursor_file.with_suffix(".next").write_text(str(step.cursor))
                cursor_file.with_suffix(".next").replace(cursor_file)
                attempt = 0
        except grpc.RpcError as error:
            wait_or_refuse(error, attempt, "watch")
            attempt += 1


def allocate_all(orders, count):
    with ThreadPoolExecutor(max_workers=16) as callers:
        yield from callers.map(lambda i: allocate(orders, 7, f"python-{i}"), range(1, count + 1))


def connect():
    server, ca = os.environ.get("ORDERS_SERVER", "127.0.0.1:50051"), os.environ.get("ORDERS_CLIENT_TLS_CA")
    # Without a ping, a dead connection is detected late; by default, reconnecting waits up to 2 minutes.
    options = [("grpc.keepalive_time_ms", 10_000), ("grpc.max_reconnect_backoff_ms", 2_000)]
    if ca:
        return grpc.secure_channel(server, grpc.ssl_channel_credentials(Path(ca).read_bytes()), options)
    return grpc.insecure_channel(server, options)


def main(command, argument):
    with connect() as channel:
        orders = orders_pb2_grpc.OrderNumberServiceStub(channel)
        found = watch(orders, Path(argument)) if command == "watch" else allocate_all(orders, int(argument))
        for allocation in found:
            print(allocation.request_id, allocation.order_id, allocation.display_number, flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: allocate COUNT | watch FILE")
    try:
        main(*sys.argv[1:])
    except Refused as refused:
        sys.exit(str(refused))
    except grpc.RpcError as error:
        sys.exit(f"gave up, run it again: {error.code().name}: {error.details()}")
    except KeyboardInterrupt:
        sys.exit(130)
