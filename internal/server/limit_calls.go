package server

import (
	"context"
	"net/netip"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/limit"
)

// origin says where a gRPC server learns its callers' addresses.
type origin struct {
	address func(ctx context.Context) (context.Context, netip.Addr)
	// counted is set where the requests that the calls come from were counted already.
	counted bool
	// logged is set where those requests have a line in the log.
	logged bool
}

// fromNowhere is for the operator's socket.
var fromNowhere = origin{address: func(ctx context.Context) (context.Context, netip.Addr) { return ctx, netip.Addr{} }}

// fromNetwork is for connections of others, some of which may be proxies.
func fromNetwork(l *limits) origin { return origin{address: l.proxies.call} }

// fromGateway takes the gateway's word, which is the address of the request
// after limits.front. The gateway hands on no such header of a client's, and has asked admitRequest.
var fromGateway = origin{address: addressOfGateway, counted: true, logged: true}

// fromWeb is for calls that net/http has: they were counted as requests, and are logged as calls.
func fromWeb(l *limits) origin { return origin{address: l.proxies.call, counted: true} }

func addressOfGateway(ctx context.Context) (context.Context, netip.Addr) {
	values := metadata.ValueFromIncomingContext(ctx, forwardedFor)
	if len(values) == 0 {
		return ctx, netip.Addr{}
	}
	addr, _ := parseHost(values[0])
	return ctx, addr
}

// address holds addresses to their limits, and bounds the number of their streams. It goes outside of the authentication, whose failures it counts.
func (l *limits) address(from origin) layers.Layer {
	return func(c *layers.Call) (func(error) error, error) {
		ctx, addr := from.address(c.Context())
		c.SetContext(ctx)
		if !byAddress(addr) {
			return nil, nil
		}
		addr = limit.Network(addr)
		if wait, ok := l.takeCall(addr, from.counted); !ok {
			return nil, &job.UserError{Sentinel: job.ErrTooFast, Message: "Too many requests come from your address. Send fewer a second.", RetryAfter: wait}
		}
		stream := c.IsStream()
		if stream && !l.streams.Acquire(addr) {
			return nil, l.refuse(addressStreams, job.ErrTooManyOpen, busy, "Too many streams are open from your address. Close some, or try again later.")
		}
		return func(err error) error {
			if stream {
				l.streams.Release(addr)
			}
			return l.signedIn(addr, err)
		}, nil
	}
}

// takeCall is takeAddress for a call whose request was not counted already.
func (l *limits) takeCall(addr netip.Addr, counted bool) (wait time.Duration, ok bool) {
	if counted {
		return 0, true
	}
	return l.takeAddress(addr)
}

// takeAddress counts a request of an address, or its refusal.
func (l *limits) takeAddress(addr netip.Addr) (wait time.Duration, ok bool) {
	if wait, ok = l.requests.Take(addr); !ok {
		l.refused[addressRate].Add(1)
	}
	return wait, ok
}

// signedIn counts attempts to sign in with what nobody gave out. An address with too many of them is told to wait, and not
// whether it guessed right. A good credential is never held back, whatever came from its address before, nor is one that
// was good once counted.
func (l *limits) signedIn(addr netip.Addr, err error) error {
	if !auth.IsGuess(err) {
		return err
	}
	if wait, ok := l.failures.Take(addr); !ok {
		return l.refuse(signIns, job.ErrTooManyFailures, roundUp(wait), "Too many attempts to sign in from your address have failed. Wait a moment.")
	}
	return err
}

// user holds users to their limits: how many calls they make and streams they have, and for uploads how fast and how much. It
// goes after the authentication.
func (l *limits) user(c *layers.Call) (end func(error) error, err error) {
	p, ok := auth.FromContext(c.Context())
	if !ok {
		return nil, nil
	}
	key, mine, err := l.admitUser(p)
	if err != nil {
		return nil, err
	}
	if !c.IsStream() {
		return nil, nil
	}
	if !mine.streams.Acquire(key) {
		return nil, l.refuse(userStreams, job.ErrTooManyOpen, busy, "You have too many streams open. Close some, or try again later.")
	}
	switch c.Method {
	case workspacev1.WorkspaceService_Upload_FullMethodName, workspacev1.WorkspaceService_AppendUpload_FullMethodName:
		c.Wrap(func(inner grpc.ServerStream) grpc.ServerStream {
			return &boundedUpload{ServerStream: inner, limits: l, rate: mine.upload, key: key}
		})
	}
	return func(err error) error {
		mine.streams.Release(key)
		return err
	}, nil
}

// received notes that the request of a unary call is its handler's. It goes behind the layer that decodes it.
func (l *limits) received(c *layers.Call) (end func(error) error, err error) {
	if !c.IsStream() {
		paid(c.Context(), c.Request)
	}
	return nil, nil
}

func (l *limits) admitUser(p auth.Principal) (who, class, error) {
	key, mine := l.of(p)
	if wait, ok := mine.requests.Take(key); !ok {
		return key, mine, l.refuse(userRate, job.ErrTooFast, wait, "You send too many requests. Send fewer a second, or many things with one request.")
	}
	return key, mine, nil
}

// roundUp makes a wait one that a client can obey: it lets the bucket get a little ahead.
func roundUp(wait time.Duration) time.Duration { return wait.Truncate(time.Second) + time.Second }
