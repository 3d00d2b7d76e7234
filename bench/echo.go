package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
)

// echoMethod answers a SubmitRequest with a SubmitResponse that has the same job: the messages of Submit, without its work.
const echoMethod = "/stint.bench.v1.Echo/Echo"

// serveEcho is the limit: a gRPC server with stintd's options for its port, but
// without interceptors, so that it neither counts nor logs nor looks at the token.
func serveEcho(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listening does not block
	if err != nil {
		return err
	}
	g := grpc.NewServer(
		grpc.MaxConcurrentStreams(1000),
		grpc.MaxRecvMsgSize(4<<20),
		grpc.MaxSendMsgSize(256<<20),
		grpc.ConnectionTimeout(20*time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	)
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: "stint.bench.v1.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: echo}},
	}, nil)
	context.AfterFunc(ctx, g.Stop)
	fmt.Fprintf(os.Stdout, "echo is serving on http://%s\n", l.Addr())
	return g.Serve(l)
}

func echo(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // the order is gRPC's
	in := &stintv1.SubmitRequest{}
	if err := decode(in); err != nil {
		return nil, err
	}
	return &stintv1.SubmitResponse{Job: in.GetJob()}, nil
}
