package cli

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// retryDelays are the waits between the tries of a call: four tries within about 1.5 s.
var retryDelays = []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond}

// longestRetryDelay is the longest wait that a server may ask for before the
// user is told instead.
const longestRetryDelay = 5 * time.Second

// waiter waits, or ends with the context's error.
type waiter func(ctx context.Context, d time.Duration) error

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// call makes a unary call that is safe to repeat. It is repeated a bounded
// number of times when the connection was lost, also when it is not known
// whether the server acted, and when the server itself asks for that.
func (a *app) call(ctx context.Context, fn func(context.Context) error) error {
	for try := 0; ; try++ {
		err := a.once(ctx, fn)
		delay, again := worthRepeating(err)
		if !again || try == len(retryDelays) || ctx.Err() != nil {
			return err
		}
		if waitErr := a.wait(ctx, max(delay, retryDelays[try])); waitErr != nil {
			return err
		}
	}
}

// once makes a unary call with the deadline of --timeout.
func (a *app) once(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.link.timeout)
	defer cancel()
	return fn(ctx)
}

// worthRepeating reports whether the same call may succeed in a moment, and the wait the server asks for.
func worthRepeating(err error) (time.Duration, bool) {
	s, ok := callStatus(err)
	if !ok {
		return 0, false
	}
	if d, asked := retryDelay(s); asked {
		return d, d <= longestRetryDelay
	}
	return 0, lostConnection(err) && s.Code() != codes.DeadlineExceeded
}

// callStatus answers the status that a call ended with; false when err did not come from a call.
func callStatus(err error) (*status.Status, bool) {
	var call interface{ GRPCStatus() *status.Status }
	if err == nil || !errors.As(err, &call) {
		return nil, false
	}
	return call.GRPCStatus(), true
}

// lostConnection reports whether a call failed on the way to the server or
// back. The server's own errors carry an ErrorInfo; what comes without is the
// connection's, or that of something between.
func lostConnection(err error) bool {
	s, ok := callStatus(err)
	if !ok || fromServer(s) {
		return false
	}
	return s.Code() == codes.Unavailable || s.Code() == codes.DeadlineExceeded
}

// streamLost reports whether a stream that had begun ended for a reason that
// reconnecting can cure. Beyond a lost connection these are resets by proxies
// (INTERNAL and UNKNOWN without an ErrorInfo), a server that drains and one that is overloaded.
func streamLost(err error) bool {
	s, ok := callStatus(err)
	if !ok {
		return false
	}
	switch s.Code() {
	case codes.Unavailable:
		return true
	case codes.ResourceExhausted:
		_, asked := retryDelay(s)
		return asked
	case codes.Internal, codes.Unknown:
		return !fromServer(s)
	default:
		return false
	}
}

// fromServer reports whether the server itself wrote a status, and not something between.
func fromServer(s *status.Status) bool { return errorReason(s) != "" }

// errorReason returns the reason in the ErrorInfo of a status, or "" where there is none.
func errorReason(s *status.Status) string {
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// takenOver reports whether another client goes on with an upload.
func takenOver(s *status.Status) bool {
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetMetadata()["taken_over"] == "true" {
			return true
		}
	}
	return false
}

func retryDelay(s *status.Status) (time.Duration, bool) {
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}

// backoff gives the waits between reconnects: doubling from 200 ms to 10 s,
// and an end once a connection has been missing for too long.
type backoff struct {
	patience time.Duration
	next     time.Duration
	waited   time.Duration
}

const (
	firstReconnect = 200 * time.Millisecond
	mostReconnect  = 10 * time.Second
)

// reset is called when the connection works.
func (b *backoff) reset() { b.next, b.waited = 0, 0 }

// delay answers the next wait; false when the patience is used up.
func (b *backoff) delay() (time.Duration, bool) {
	if b.waited >= b.patience {
		return 0, false
	}
	b.next = min(max(2*b.next, firstReconnect), mostReconnect)
	b.waited += b.next
	return b.next, true
}
