package layers

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
)

func TestAUnaryCallHasTheSameLayers(t *testing.T) {
	errHandler, errRefused := errors.New("handler"), errors.New("refused")
	for name, tc := range map[string]struct {
		refuse error
		handle grpc.UnaryHandler
		resp   any
		want   error
		notes  string
	}{
		"handled": {nil, func(context.Context, any) (any, error) { return "answer", nil }, "answer", nil, "a begins, b begins, b ends, a ends"},
		"failed":  {nil, func(context.Context, any) (any, error) { return nil, errHandler }, nil, errHandler, "a begins, b begins, b ends, a ends"},
		"refused": {errRefused, func(context.Context, any) (any, error) { panic("not reached") }, nil, errRefused, "a begins, a ends"},
	} {
		t.Run(name, func(t *testing.T) {
			var notes []string
			check := func(c *Call) (func(error) error, error) {
				if c.Method != "/s/m" || c.Request != "request" || c.IsStream() {
					t.Errorf("method %q, request %v, a stream: %t", c.Method, c.Request, c.IsStream())
				}
				return nil, tc.refuse
			}
			in := Unary(noted(&notes, "a"), check, noted(&notes, "b"))
			resp, err := in(t.Context(), "request", &grpc.UnaryServerInfo{FullMethod: "/s/m"}, func(ctx context.Context, req any) (any, error) {
				if req != "request" || ctx.Value(key("a")) == nil || ctx.Value(key("b")) == nil {
					t.Errorf("handled %v with %v", req, ctx)
				}
				return tc.handle(ctx, req)
			})
			if resp != tc.resp || !errors.Is(err, tc.want) {
				t.Errorf("got %v, %v, want %v, %v", resp, err, tc.resp, tc.want)
			}
			if diff := cmp.Diff(tc.notes, strings.Join(notes, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPanicOfAUnaryCallIsAnErrorToTheLayers(t *testing.T) {
	var notes []string
	in := Unary(noted(&notes, "a"))
	resp, err := in(t.Context(), nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { panic("oh") })
	if p, ok := errors.AsType[*PanicError](err); !ok || p.Value != "oh" || resp != nil {
		t.Errorf("got %v, %v", resp, err)
	}
	if diff := cmp.Diff([]string{"a begins", "a ends"}, notes); diff != "" {
		t.Error(diff)
	}
}

// However many layers have something to end, all are ended.
func TestManyLayers(t *testing.T) {
	var notes []string
	var all []Layer
	for range 2*usual + 1 {
		all = append(all, noted(&notes, "x"))
	}
	_, err := Unary(all...)(t.Context(), nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { return nil, nil })
	if err != nil || len(notes) != 2*len(all) {
		t.Errorf("%d notes of %d layers; %v", len(notes), len(all), err)
	}
}
