package com.example.orders;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.Durations;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.orders.v1.AllocateOrderRequest;
import com.orders.v1.Allocation;
import com.orders.v1.OrderNumberServiceGrpc;
import com.orders.v1.WatchAllocationsRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import java.util.function.LongConsumer;

/** Numbers orders exactly once, and follows the numbers that are given. */
public final class OrderNumbers {
  /** A definite answer: this call allocated nothing, and repeating it will not help. */
  public static final class RefusedException extends RuntimeException {
    RefusedException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  private static final Set<Status.Code> MAY_HAVE_SUCCEEDED =
      Set.of(Status.Code.UNAVAILABLE, Status.Code.DEADLINE_EXCEEDED, Status.Code.CANCELLED);
  private static final Duration ATTEMPT = Duration.ofSeconds(5);
  private static final Duration OVERALL = Duration.ofMinutes(1);
  private static final long MAX_BACKOFF_MS = 2_000;

  private final ManagedChannel channel;
  private final OrderNumberServiceGrpc.OrderNumberServiceBlockingStub orders;

  public OrderNumbers(ManagedChannel channel) {
    this.channel = channel;
    this.orders = OrderNumberServiceGrpc.newBlockingStub(channel);
  }

  /** Returns the allocation of an order: the same one however often this is called with the same requestId. */
  public Allocation allocate(long storeId, String requestId) throws InterruptedException {
    Instant giveUp = Instant.now().plus(OVERALL);
    AllocateOrderRequest request =
        AllocateOrderRequest.newBuilder().setStoreId(storeId).setRequestId(requestId).build();
    for (int attempt = 0; ; attempt++) {
      try {
        return orders.withDeadlineAfter(ATTEMPT).allocateOrder(request).getAllocation();
      } catch (StatusRuntimeException error) {
        waitOrRefuse(error, attempt, requestId);
        if (Instant.now().isAfter(giveUp)) {
          throw error; // Nothing is settled: call again later, with the same requestId.
        }
      }
    }
  }

  /**
   * Shows every allocation above the cursor, in order_id order, and keeps every new cursor. After a restart from the
   * cursor that was kept last, allocations whose handling was interrupted come again.
   */
  public void watch(long cursor, Consumer<Allocation> show, LongConsumer keep) throws InterruptedException {
    for (int attempt = 0; ; attempt++) {
      try {
        var request = WatchAllocationsRequest.newBuilder().setAfterOrderId(cursor).build();
        for (var steps = orders.watchAllocations(request); steps.hasNext(); attempt = 0) {
          var step = steps.next();
          step.getAllocationsList().forEach(show);
          cursor = step.getCursor();
          keep.accept(cursor);
        }
      } catch (StatusRuntimeException error) {
        waitOrRefuse(error, attempt, "watch");
      }
    }
  }

  /** The one rule: returns when the same call is to be repeated, with the same requestId, and throws otherwise. */
  private void waitOrRefuse(StatusRuntimeException error, int attempt, String what) throws InterruptedException {
    ErrorInfo info = ErrorInfo.getDefaultInstance();
    RetryInfo retry = null;
    try {
      for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          info = detail.unpack(ErrorInfo.class);
        } else if (detail.is(RetryInfo.class)) {
          retry = detail.unpack(RetryInfo.class);
        }
      }
    } catch (InvalidProtocolBufferException unreadable) {
      // Then it is not an answer of the server's own.
    }
    Status status = error.getStatus();
    if (info.getDomain().equals("orders.v1") && !MAY_HAVE_SUCCEEDED.contains(status.getCode()) && retry == null) {
      throw new RefusedException(what + ": " + info.getReason() + ": " + status.getDescription(), error);
    }
    System.err.println(what + ": " + error.getMessage() + "; trying again");
    long delayMs = retry == null ? 0 : Durations.toMillis(retry.getRetryDelay());
    long backoffMs = Math.min(MAX_BACKOFF_MS, 50L << Math.min(attempt, 10));
    Thread.sleep(delayMs + ThreadLocalRandom.current().nextLong(backoffMs));
    channel.resetConnectBackoff(); // The channel's own wait between two connections grows up to 2 minutes.
  }
}
