package layers

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
)

// fakeStream is a stream that receives nothing but an error.
type fakeStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a stream has one
}

var errReceived = errors.New("received by the stream itself")

func (s fakeStream) Context() context.Context { return s.ctx }
func (s fakeStream) RecvMsg(any) error        { return errReceived }

type key string

// noted is a layer that notes when it begins and ends, and leaves its name in the context.
func noted(notes *[]string, name string) Layer {
	return func(c *Call) (func(error) error, error) {
		*notes = append(*notes, name+" begins")
		c.SetContext(context.WithValue(c.Context(), key(name), true))
		return func(err error) error {
			*notes = append(*notes, name+" ends")
			return err
		}, nil
	}
}

func run(t *testing.T, in grpc.StreamServerInterceptor, handle grpc.StreamHandler) error {
	t.Helper()
	return in("server", fakeStream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: "/s/m"}, handle)
}

func TestWhatALayerBeganIsEndedInTheOppositeOrder(t *testing.T) {
	errHandler, errRefused := errors.New("handler"), errors.New("refused")
	for name, tc := range map[string]struct {
		refuse bool
		handle grpc.StreamHandler
		want   error
		notes  string
	}{
		"handled": {false, func(any, grpc.ServerStream) error { return nil }, nil, "a begins, b begins, b ends, a ends"},
		"failed":  {false, func(any, grpc.ServerStream) error { return errHandler }, errHandler, "a begins, b begins, b ends, a ends"},
		"refused": {true, func(any, grpc.ServerStream) error { panic("not reached") }, errRefused, "a begins, a ends"},
	} {
		t.Run(name, func(t *testing.T) {
			var notes []string
			refuse := func(c *Call) (func(error) error, error) {
				if c.Method != "/s/m" {
					t.Errorf("method %q", c.Method)
				}
				if tc.refuse {
					return nil, errRefused
				}
				return nil, nil
			}
			err := run(t, Stream(noted(&notes, "a"), refuse, noted(&notes, "b")), func(srv any, ss grpc.ServerStream) error {
				if srv != "server" || ss.Context().Value(key("a")) == nil || ss.Context().Value(key("b")) == nil {
					t.Errorf("handled for %v with %v", srv, ss.Context())
				}
				return tc.handle(srv, ss)
			})
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if diff := cmp.Diff(tc.notes, strings.Join(notes, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPanicIsAnErrorToTheLayers(t *testing.T) {
	var notes []string
	var seen *PanicError
	outer := func(*Call) (func(error) error, error) {
		return func(err error) error {
			seen, _ = errors.AsType[*PanicError](err)
			return nil
		}, nil
	}
	err := run(t, Stream(outer, noted(&notes, "a")), func(any, grpc.ServerStream) error { panic("oh") })
	if err != nil || seen == nil || seen.Value != "oh" || !strings.Contains(seen.Stack, "TestAPanicIsAnErrorToTheLayers") || seen.Error() != "panic: oh" {
		t.Errorf("got %v, and the layer saw %+v", err, seen)
	}
	if diff := cmp.Diff([]string{"a begins", "a ends"}, notes); diff != "" {
		t.Error(diff)
	}
}

// loud is what a layer makes of a stream.
type loud struct{ grpc.ServerStream }

func (l loud) RecvMsg(m any) error { return errors.Join(errors.New("loud"), l.ServerStream.RecvMsg(m)) }

func TestALayerCanWrapTheStream(t *testing.T) {
	wrap := func(c *Call) (func(error) error, error) {
		c.Wrap(func(inner grpc.ServerStream) grpc.ServerStream {
			if inner.Context().Value(key("a")) == nil || inner.Context().Value(key("b")) != nil {
				t.Error("what is wrapped does not have the context of the layers outside")
			}
			return loud{inner}
		})
		return nil, nil
	}
	var notes []string
	err := run(t, Stream(noted(&notes, "a"), wrap, noted(&notes, "b")), func(_ any, ss grpc.ServerStream) error {
		if ss.Context().Value(key("b")) == nil {
			t.Error("the handler does not have the context of the layers inside")
		}
		return ss.RecvMsg(nil)
	})
	if !errors.Is(err, errReceived) || !strings.HasPrefix(err.Error(), "loud") {
		t.Errorf("got %v", err)
	}
}
