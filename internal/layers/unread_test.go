package layers

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
)

func TestTheRequestIsReadBehindTheLayersThatMayRefuse(t *testing.T) {
	errRefused, errBroken := errors.New("refused"), errors.New("broken")
	info := &grpc.UnaryServerInfo{FullMethod: "/s/m"}
	for name, c := range map[string]struct {
		refuse, broken, want error
		reads                int
	}{
		"taken":       {reads: 1},
		"refused":     {refuse: errRefused, want: errRefused},
		"not decoded": {broken: errBroken, want: errBroken, reads: 1},
	} {
		t.Run(name, func(t *testing.T) {
			reads, message := 0, new(string)
			request := &Unread{Message: message, Read: func() error {
				reads++
				*message = "request"
				return c.broken
			}}
			refuse := func(call *Call) (func(error) error, error) {
				if *message != "" || call.Request != message {
					t.Errorf("request %v, %q", call.Request, *message)
				}
				return nil, c.refuse
			}
			receive := func(call *Call) (func(error) error, error) { return nil, call.Receive() }
			_, err := Unary(refuse, receive)(t.Context(), request, info, func(_ context.Context, req any) (any, error) {
				if req != message || *message != "request" {
					t.Errorf("handled %v, %q", req, *message)
				}
				return "answer", nil
			})
			if !errors.Is(err, c.want) || reads != c.reads {
				t.Errorf("%v after %d reads", err, reads)
			}
		})
	}
}

func TestARefusalPassesTheLayersThatItIsToldTo(t *testing.T) {
	errFirst, errLimit, errSeen := errors.New("first"), errors.New("limit"), errors.New("as clients see it")
	var ended error
	outer := func(*Call) (func(error) error, error) {
		return func(err error) error { ended = err; return errSeen }, nil
	}
	if err := Refuse(t.Context(), "/s/m", errFirst, outer); !errors.Is(err, errSeen) || !errors.Is(ended, errFirst) {
		t.Errorf("%v, ended with %v", err, ended)
	}
	limit := func(*Call) (func(error) error, error) { return nil, errLimit }
	if err := Refuse(t.Context(), "/s/m", errFirst, outer, limit); !errors.Is(err, errSeen) || !errors.Is(ended, errLimit) {
		t.Errorf("%v, ended with %v", err, ended)
	}
}
