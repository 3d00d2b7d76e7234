package rig

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Clients are connections to one server; callers share them evenly.
type Clients []*grpc.ClientConn

// bearer sends the token with each call, to the echo server too: the client's part is the same on both sides.
type bearer string

// GetRequestMetadata is the header of a call.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity is false: it is all on this machine.
func (bearer) RequireTransportSecurity() bool { return false }

// proxied is bearer with the mark of a proxy: stintd has net/http serve such connections, for they may carry other requests, too.
type proxied struct{ bearer }

// GetRequestMetadata is the header of a call.
func (p proxied) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	header, err := p.bearer.GetRequestMetadata(ctx, uri...)
	header["via"] = "2 bench"
	return header, err
}

// Dial makes n connections, which are opened by their first call.
func Dial(address, token string, n int) (Clients, error) { return dial(address, bearer(token), n) }

// DialProxied is Dial for connections as a proxy makes them.
func DialProxied(address, token string, n int) (Clients, error) {
	return dial(address, proxied{bearer(token)}, n)
}

func dial(address string, each credentials.PerRPCCredentials, n int) (Clients, error) {
	var c Clients
	for range n {
		conn, err := grpc.NewClient(address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithPerRPCCredentials(each),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256<<20)))
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c = append(c, conn)
	}
	return c, nil
}

// Close closes all connections.
func (c Clients) Close() error {
	var errs []error
	for _, conn := range c {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// Conn is the connection of a caller.
func (c Clients) Conn(caller int) *grpc.ClientConn { return c[caller%len(c)] }

// Jobs is a client of stintd on the connection of a caller.
func (c Clients) Jobs(caller int) jobsv1.JobServiceClient {
	return jobsv1.NewJobServiceClient(c.Conn(caller))
}
