package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/stint-jobs/stint/internal/gateway"
)

// A proxy's connections are those of many clients, so that the port for everything serves their calls by way of net/http, at
// several times the processor time. --grpc-listen is a port for calls alone, whichever way they came.

// listenGRPC opens the port for calls alone. It returns nil where there is none.
func (f *front) listenGRPC() (net.Listener, error) {
	if f.cfg.GRPCListen == "" {
		return nil, nil //nolint:nilnil // no address, no listener
	}
	l, err := net.Listen("tcp", f.cfg.GRPCListen) //nolint:noctx // listening does not block
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", f.cfg.GRPCListen, err)
	}
	return l, nil
}

// runGRPCPort serves the port for calls alone.
func (f *front) runGRPCPort(ctx context.Context, l net.Listener, transport *tls.Config) {
	if l == nil {
		return
	}
	split := NewSplit(f.limits.bound(l), SplitOptions{TLS: transport, MaxUndecided: maxUndecided(), GRPCOnly: true})
	message := fmt.Sprintf("This port takes gRPC alone. REST, gRPC-Web, Connect and the pages are on the other port, %s.", f.address)
	f.misplaced = gateway.NewServer(ctx, knowTLS(f.calls.begin(gateway.Misplaced(message))), f.log)
	f.run("split the port for gRPC", func() error { return split.Run(ctx) })
	f.run("serve gRPC on its own port", func() error { return f.grpc.Serve(split.GRPC()) })
	f.run("say where other requests belong", func() error { return notClosed(f.misplaced.Serve(split.HTTP())) })
	f.log.Info("serving gRPC alone", "address", l.Addr().String(), "scheme", f.cfg.TLS.scheme())
}
