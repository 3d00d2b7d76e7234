package api

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that Codec goes through
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/stint-jobs/stint/internal/api/jobs"
	"github.com/stint-jobs/stint/internal/layers"
)

// A message that cannot be read is a wrong request like any other, but gRPC
// answers it by itself, as an internal error, before any code of a server sees it. So
// Codec lets it pass as an empty message with a mark, and Registrar refuses what has the mark.

// unreadable is the mark: an unknown field, which no client of this contract sends.
var (
	unreadable = []byte("\xfa\xff\xff\xff\x0f\x0aunreadable")
	tooLarge   = []byte("\xfa\xff\xff\xff\x0f\x08toolarge")
	overloaded = []byte("\xfa\xff\xff\xff\x0f\x0aoverloaded")
)

// Codec returns what reads and writes the messages of a server whose services are registered by Registrar.
// Messages that become more than their call needs, by the table of sizes, are not decoded. d bounds what all of them
// become together; nil is no such bound.
func Codec(d *Decoding) encoding.CodecV2 { return codec{encoding.GetCodecV2("proto"), d} }

type codec struct {
	encoding.CodecV2
	decoding *Decoding
}

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
	m, ok := message(v)
	if ok && data.Len() > smallMessage {
		whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
		defer whole.Free()
		if mark := c.decoding.check(whole, m); mark != nil {
			m.ProtoReflect().SetUnknown(mark)
			return nil
		}
		data = mem.BufferSlice{whole}
	}
	err := c.CodecV2.Unmarshal(data, v)
	if err == nil || !ok {
		return err
	}
	c.decoding.release(m)
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

// Registrar returns a registrar for r whose services refuse what Codec did not decode, and whose calls run as g says. Requests
// of unary calls reach the interceptors as layers.Unread, so that those can refuse a call whose request nobody has decoded.
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
		d.Methods[i].Handler = r.calls.unary(unread(m.Handler))
	}
	d.Streams = slices.Clone(desc.Streams)
	for i, m := range d.Streams {
		d.Streams[i].Handler = r.calls.stream(func(srv any, ss grpc.ServerStream) error { return m.Handler(srv, receiver{ss, r.calls.Decoding}) })
	}
	r.ServiceRegistrar.RegisterService(&d, impl)
}

// unread hands the request to the interceptors before it is decoded.
func unread(handle grpc.MethodHandler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, read func(any) error, in grpc.UnaryServerInterceptor) (any, error) {
		if in == nil {
			return handle(srv, ctx, func(v any) error { return received(v, read(v)) }, nil)
		}
		request := &layers.Unread{}
		request.Read = func() error { return received(request.Message, read(request.Message)) }
		return handle(srv, ctx,
			func(v any) error { request.Message = v; return nil },
			func(ctx context.Context, _ any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
				return in(ctx, request, info, handle)
			})
	}
}

// receiver is a stream whose messages are looked at.
type receiver struct {
	grpc.ServerStream
	decoding *Decoding
}

// RecvMsg reads the next message. How long its handler keeps it nobody knows; what it takes is bounded while it is decoded.
func (r receiver) RecvMsg(v any) error {
	defer r.decoding.release(v)
	return received(v, r.ServerStream.RecvMsg(v))
}

func received(v any, err error) error {
	if m, ok := message(v); err == nil && ok && len(m.ProtoReflect().GetUnknown()) > 0 {
		return refusalOf(m.ProtoReflect().GetUnknown())
	}
	return err
}
