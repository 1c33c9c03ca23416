package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "example.com/number-orders/gen/orders/v1"
)

const (
	attemptTime = 5 * time.Second
	overallTime = time.Minute
	maxBackoff  = 2 * time.Second
)

// ErrRefused is a definite answer: this call allocated nothing, and repeating it will not help.
var ErrRefused = errors.New("refused")

// Allocate returns the allocation of an order: the same one however often it is called with the same requestID.
func Allocate(
	ctx context.Context, orders ordersv1.OrderNumberServiceClient, storeID int64, requestID string,
) (*ordersv1.Allocation, error) {
	ctx, cancel := context.WithTimeout(ctx, overallTime)
	defer cancel()
	request := &ordersv1.AllocateOrderRequest{StoreId: storeID, RequestId: requestID}
	for attempt := 0; ; attempt++ {
		attemptCtx, cancel := context.WithTimeout(ctx, attemptTime)
		response, err := orders.AllocateOrder(attemptCtx, request)
		cancel()
		if err == nil {
			return response.GetAllocation(), nil
		}
		if err := waitOrRefuse(ctx, requestID, attempt, err); err != nil {
			return nil, err
		}
	}
}

// Watch gives every allocation above the cursor to show, in order_id order, and every new cursor to keep. After a
// restart from the cursor that was kept last, allocations whose handling was interrupted come again.
func Watch(
	ctx context.Context, orders ordersv1.OrderNumberServiceClient, cursor int64,
	show func(*ordersv1.Allocation), keep func(int64) error,
) error {
	for attempt := 0; ; attempt++ {
		stream, err := orders.WatchAllocations(ctx, &ordersv1.WatchAllocationsRequest{AfterOrderId: &cursor})
		for err == nil {
			var step *ordersv1.WatchAllocationsResponse
			if step, err = stream.Recv(); err != nil {
				break
			}
			for _, allocation := range step.GetAllocations() {
				show(allocation)
			}
			cursor, attempt = step.GetCursor(), 0
			if err := keep(cursor); err != nil {
				return err
			}
		}
		if err := waitOrRefuse(ctx, "watch", attempt, err); err != nil {
			return err
		}
	}
}

// waitOrRefuse is the one rule: it returns nil when the same call is to be repeated, with the same request_id.
func waitOrRefuse(ctx context.Context, what string, attempt int, err error) error {
	var info *errdetails.ErrorInfo
	var retry *errdetails.RetryInfo
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.RetryInfo:
			retry = detail
		}
	}
	code := status.Code(err)
	mayHaveSucceeded := code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled
	if info.GetDomain() == "orders.v1" && !mayHaveSucceeded && retry == nil {
		return fmt.Errorf("%s: %w: %s: %s", what, ErrRefused, info.GetReason(), status.Convert(err).Message())
	}
	log.Printf("%s: %s; trying again", what, status.Convert(err))
	backoff := min(maxBackoff, 50*time.Millisecond<<min(attempt, 10))
	select {
	case <-time.After(retry.GetRetryDelay().AsDuration() + rand.N(backoff)):
		return nil
	case <-ctx.Done(): // Nothing is settled: call again later, with the same request_id.
		return fmt.Errorf("gave up, run it again: %s: %w", what, err)
	}
}
