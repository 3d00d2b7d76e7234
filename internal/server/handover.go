package server

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stint-jobs/stint/internal/api"
	"github.com/stint-jobs/stint/internal/job"
)

// handover gives the gateway the responses of unary calls as they are. Encoded for a connection in
// memory and decoded behind it, a page of large jobs would be in memory three times before a byte
// of its JSON is written. Requests and streams go over the connection: it is its windows that hold
// a stream back whose client does not read.
//
// A response must not change when its handler has returned it, which holds for every gRPC server.
// The gateway changes none.
type handover struct {
	last atomic.Uint64

	mu    sync.Mutex
	slots map[string]*proto.Message // by the number that a call carries
}

// handoverHeader names the number in the metadata of a call. Requests of clients cannot set it: of
// their headers only those that the gateway names reach a call.
const handoverHeader = "stint-handover"

func newHandover() *handover { return &handover{slots: make(map[string]*proto.Message)} }

// client is the interceptor of the gateway's connection.
//
//nolint:revive // the arguments are gRPC's
func (h *handover) client(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	number := strconv.FormatUint(h.last.Add(1), 10)
	var response proto.Message
	h.mu.Lock()
	h.slots[number] = &response
	h.mu.Unlock()
	err := call(metadata.AppendToOutgoingContext(ctx, handoverHeader, number), method, req, reply, conn, options...)
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.slots, number); err == nil && response != nil {
		alias(reply, response)
	}
	return err
}

// server is the interceptor of the server behind that connection. It goes outermost.
func (h *handover) server(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	resp, err := handle(ctx, req)
	response, ok := resp.(proto.Message)
	numbers := metadata.ValueFromIncomingContext(ctx, handoverHeader)
	if err != nil || !ok || len(numbers) != 1 {
		return resp, err
	}
	if size := proto.Size(response); size > maxResponse {
		return nil, api.Refusal(job.Userf(job.ErrTooLarge, "The response is larger than what is sent at once. Ask for less at a time."))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	slot := h.slots[numbers[0]]
	if slot == nil { // whom it is for has gone
		return resp, nil
	}
	*slot = response
	return &emptypb.Empty{}, nil
}

// alias sets a message to what another one of its type is. They share what is in them.
func alias(to any, from proto.Message) {
	message, ok := to.(proto.Message)
	if !ok {
		return
	}
	out, in := message.ProtoReflect(), from.ProtoReflect()
	for field, value := range in.Range {
		out.Set(field, value)
	}
	out.SetUnknown(in.GetUnknown())
}
