package api

import (
	"bytes"
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that Codec goes through
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/stint-jobs/stint/internal/api/jobs"
	"github.com/stint-jobs/stint/internal/api/status"
)

// A message that cannot be read is a wrong request like any other, but gRPC
// answers it by itself, as an internal error, before any code of a server sees it. So
// Codec lets it pass as an empty message with a mark, and Registrar refuses what has the mark.

// unreadable is the mark: an unknown field, which no client of this contract sends.
var unreadable = []byte("\xfa\xff\xff\xff\x0f\x0aunreadable")

// Codec returns what reads and writes the messages of a server whose services are registered by Registrar.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2("proto")} }

type codec struct{ encoding.CodecV2 }

// Marshal writes a message, or takes the bytes that it has already.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case *answer:
		return v.bytes, nil
	case *jobs.Frame:
		if v.Bytes != nil {
			return mem.BufferSlice{mem.SliceBuffer(v.Bytes)}, nil
		}
		return c.CodecV2.Marshal(v.WatchStatusResponse)
	default:
		return c.CodecV2.Marshal(v)
	}
}

// Unmarshal reads a message, or marks it as one that cannot be read.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	m, ok := message(v)
	if err == nil || !ok {
		return err
	}
	proto.Reset(m)
	m.ProtoReflect().SetUnknown(unreadable)
	return nil
}

func message(v any) (proto.Message, bool) {
	switch m := v.(type) {
	case proto.Message:
		return m, true
	case protoadapt.MessageV1:
		return protoadapt.MessageV2Of(m), true
	default:
		return nil, false
	}
}

// Registrar returns a registrar for r whose services refuse what Codec could not read, and whose calls run as g says.
func Registrar(r grpc.ServiceRegistrar, g Goroutines) grpc.ServiceRegistrar {
	return registrar{r, &calls{Goroutines: g}}
}

type registrar struct {
	grpc.ServiceRegistrar
	calls *calls
}

// RegisterService registers the service with handlers that look for the mark.
func (r registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	d := *desc
	d.Methods = slices.Clone(desc.Methods)
	for i, m := range d.Methods {
		d.Methods[i].Handler = r.calls.unary(func(srv any, ctx context.Context, read func(any) error, in grpc.UnaryServerInterceptor) (any, error) {
			return m.Handler(srv, ctx, func(v any) error { return received(v, read(v)) }, in)
		})
	}
	d.Streams = slices.Clone(desc.Streams)
	for i, m := range d.Streams {
		d.Streams[i].Handler = r.calls.stream(func(srv any, ss grpc.ServerStream) error { return m.Handler(srv, receiver{ss}) })
	}
	r.ServiceRegistrar.RegisterService(&d, impl)
}

// receiver is a stream whose messages are looked at.
type receiver struct{ grpc.ServerStream }

// RecvMsg reads the next message.
func (r receiver) RecvMsg(v any) error { return received(v, r.ServerStream.RecvMsg(v)) }

func received(v any, err error) error {
	if m, ok := message(v); err == nil && ok && bytes.Equal(m.ProtoReflect().GetUnknown(), unreadable) {
		return status.Of(status.ErrUnreadable).Err()
	}
	return err
}
