package com.example.orders;

import com.orders.v1.Allocation;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * <pre>
 * java -jar target/number-orders.jar allocate COUNT   numbers the orders java-1 to java-COUNT of store 7
 * java -jar target/number-orders.jar watch FILE       prints every order; FILE keeps where to resume
 * </pre>
 *
 * ORDERS_SERVER is the server (127.0.0.1:50051), ORDERS_TOKEN its token, ORDERS_CLIENT_TLS_CA the PEM file of its CA.
 */
public final class Main {
  private static final int CALLERS = 16;

  public static void main(String[] args) throws Exception {
    if (args.length != 2) {
      System.err.println("usage: allocate COUNT | watch FILE");
      System.exit(2);
    }
    ManagedChannel channel = connect();
    OrderNumbers orders = new OrderNumbers(channel);
    try {
      if (args[0].equals("watch")) {
        Path file = Path.of(args[1]);
        orders.watch(Files.exists(file) ? Long.parseLong(Files.readString(file)) : 0, Main::show, c -> keep(file, c));
      } else {
        allocate(orders, Integer.parseInt(args[1]));
      }
    } catch (OrderNumbers.RefusedException refused) {
      System.err.println(refused.getMessage());
      System.exit(1);
    } catch (StatusRuntimeException error) {
      System.err.println("gave up, run it again: " + error.getMessage());
      System.exit(1);
    } finally {
      channel.shutdownNow();
    }
  }

  private static ManagedChannel connect() throws IOException {
    var environment = System.getenv();
    String ca = environment.get("ORDERS_CLIENT_TLS_CA");
    ChannelCredentials credentials = ca == null
        ? InsecureChannelCredentials.create()
        : TlsChannelCredentials.newBuilder().trustManager(new File(ca)).build();
    var headers = new Metadata();
    String token = environment.get("ORDERS_TOKEN");
    if (token != null) {
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    }
    return Grpc.newChannelBuilder(environment.getOrDefault("ORDERS_SERVER", "127.0.0.1:50051"), credentials)
        .intercept(MetadataUtils.newAttachHeadersInterceptor(headers))
        .keepAliveTime(10, TimeUnit.SECONDS) // Without a ping, a dead connection is detected late.
        .build();
  }

  private static void allocate(OrderNumbers orders, int count) throws Exception {
    ExecutorService callers = Executors.newFixedThreadPool(CALLERS);
    try {
      var numbered = new ArrayList<Future<Allocation>>();
      for (int i = 1; i <= count; i++) {
        String requestId = "java-" + i;
        numbered.add(callers.submit(() -> orders.allocate(7, requestId)));
      }
      for (Future<Allocation> allocation : numbered) {
        show(allocation.get());
      }
    } catch (ExecutionException failed) {
      throw failed.getCause() instanceof RuntimeException cause ? cause : failed;
    } finally {
      callers.shutdownNow();
    }
  }

  private static void keep(Path file, long cursor) {
    Path next = file.resolveSibling(file.getFileName() + ".next");
    try {
      Files.writeString(next, Long.toString(cursor));
      Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static void show(Allocation allocation) {
    System.out.println(allocation.getRequestId() + " " + allocation.getOrderId() + " " + allocation.getDisplayNumber());
  }
}
