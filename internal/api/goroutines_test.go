package api

import (
	"bytes"
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/warm"
)

// registered takes what is registered.
type registered struct{ desc *grpc.ServiceDesc }

func (r *registered) RegisterService(desc *grpc.ServiceDesc, _ any) { r.desc = desc }

// oneOfEach registers a service with a method and a stream for Goroutines.
func oneOfEach(g Goroutines, method grpc.MethodHandler, stream grpc.StreamHandler) (grpc.MethodHandler, grpc.StreamHandler) {
	var r registered
	Registrar(&r, g).RegisterService(&grpc.ServiceDesc{
		Methods: []grpc.MethodDesc{{MethodName: "M", Handler: method}}, Streams: []grpc.StreamDesc{{StreamName: "S", Handler: stream}},
	}, nil)
	return r.desc.Methods[0].Handler, r.desc.Streams[0].Handler
}

// Unary calls run on goroutines that are kept when so many streams are open that there may be no workers for them.
func TestCallsBesideStreamsRunOnKeptGoroutines(t *testing.T) {
	kept := warm.New(2)
	defer kept.Close()
	var call func(want bool)
	nested := 0
	var stream grpc.StreamHandler
	method := func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
		return &jobsv1.GetRequest{Id: map[bool]string{true: "kept", false: "other"}[strings.Contains(string(debug.Stack()), "warm.(*kept).run")]}, nil
	}
	unary, stream := oneOfEach(Goroutines{Kept: kept, Streams: 2}, method, func(any, grpc.ServerStream) error {
		if nested++; nested == 1 {
			call(false)
			return stream(nil, nil)
		}
		call(true)
		return errors.New("over")
	})
	call = func(want bool) {
		t.Helper()
		resp, err := unary(nil, t.Context(), func(any) error { return nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Codec(nil).Marshal(resp)
		if err != nil {
			t.Fatal(err)
		}
		var got jobsv1.GetRequest
		if err := proto.Unmarshal(out.Materialize(), &got); err != nil || (got.GetId() == "kept") != want {
			t.Errorf("ran on a goroutine that is %s, want kept: %t; %v", got.GetId(), want, err)
		}
	}
	call(false)
	if err := stream(nil, nil); err == nil || err.Error() != "over" {
		t.Errorf("the stream ended with %v", err)
	}
	call(false) // they are over
}

// What a handler answers is the same to a client, whatever it ran on.
func TestAnswersOfKeptGoroutines(t *testing.T) {
	kept := warm.New(1)
	defer kept.Close()
	job, failure := &jobsv1.Job{Id: "7", Owner: "ada"}, errors.New("no")
	for name, c := range map[string]struct {
		resp any
		err  error
	}{
		"a message": {job, nil}, "an error": {nil, failure}, "what cannot be encoded": {"no message", nil},
	} {
		t.Run(name, func(t *testing.T) {
			unary, _ := oneOfEach(Goroutines{Kept: kept}, func(_ any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				if ctx != t.Context() {
					t.Errorf("the context is %v", ctx)
				}
				return c.resp, errors.Join(read(&jobsv1.GetRequest{}), c.err)
			}, nil)
			read := 0
			resp, err := unary(nil, t.Context(), func(any) error { read++; return nil }, nil)
			if read != 1 || !errors.Is(err, c.err) {
				t.Errorf("read %d times; %v", read, err)
			}
			if c.err != nil {
				return
			}
			want, errWant := Codec(nil).Marshal(c.resp)
			got, err := Codec(nil).Marshal(resp)
			if (err == nil) != (errWant == nil) || !bytes.Equal(got.Materialize(), want.Materialize()) {
				t.Errorf("%q, %v, want %q, %v", got.Materialize(), err, want.Materialize(), errWant)
			}
		})
	}
}
