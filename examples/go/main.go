// Command number-orders numbers orders exactly once, and follows the numbers that are given.
//
//	go run . allocate COUNT   numbers the orders go-1 to go-COUNT of store 7
//	go run . watch FILE       prints every order; FILE keeps where to resume
//
// ORDERS_SERVER is the server (127.0.0.1:50051), ORDERS_TOKEN its token, ORDERS_CLIENT_TLS_CA the PEM file of its CA.
package main

//go:generate ../../node_modules/.bin/buf generate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	ordersv1 "example.com/number-orders/gen/orders/v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: allocate COUNT | watch FILE")
	}
	orders, err := connect(cmp.Or(os.Getenv("ORDERS_SERVER"), "127.0.0.1:50051"))
	if err == nil && os.Args[1] == "watch" {
		err = watchFrom(orders, os.Args[2])
	} else if err == nil {
		err = allocateAll(orders, os.Args[2])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func connect(server string) (ordersv1.OrderNumberServiceClient, error) {
	transport, err := insecure.NewCredentials(), error(nil)
	if ca := os.Getenv("ORDERS_CLIENT_TLS_CA"); ca != "" {
		transport, err = credentials.NewClientTLSFromFile(ca, "")
	}
	if err != nil {
		return nil, err
	}
	// By default, reconnecting waits up to 2 minutes.
	reconnecting := backoff.DefaultConfig
	reconnecting.MaxDelay = 2 * time.Second
	connection, err := grpc.NewClient(server,
		grpc.WithTransportCredentials(transport),
		grpc.WithPerRPCCredentials(token(os.Getenv("ORDERS_TOKEN"))),
		// Without a ping, a dead connection is detected late.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnecting}),
	)
	return ordersv1.NewOrderNumberServiceClient(connection), err
}

// token is sent with every call, if there is one.
type token string

func (t token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if t == "" {
		return nil, nil
	}
	return map[string]string{"authorization": "Bearer " + string(t)}, nil
}

func (t token) RequireTransportSecurity() bool { return false }

func allocateAll(orders ordersv1.OrderNumberServiceClient, argument string) error {
	count, err := strconv.Atoi(argument)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(16)
	for i := range count {
		group.Go(func() error {
			allocation, err := Allocate(ctx, orders, 7, fmt.Sprintf("go-%d", i+1))
			if err == nil {
				show(allocation)
			}
			return err
		})
	}
	return group.Wait()
}

func watchFrom(orders ordersv1.OrderNumberServiceClient, file string) error {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	cursor, err := strconv.ParseInt(cmp.Or(string(text), "0"), 10, 64)
	if err != nil {
		return err
	}
	keep := func(cursor int64) error {
		if err := os.WriteFile(file+".next", strconv.AppendInt(nil, cursor, 10), 0o600); err != nil {
			return err
		}
		return os.Rename(file+".next", file)
	}
	return Watch(context.Background(), orders, cursor, show, keep)
}

func show(allocation *ordersv1.Allocation) {
	fmt.Println(allocation.GetRequestId(), allocation.GetOrderId(), allocation.GetDisplayNumber())
}
