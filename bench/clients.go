package main

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
)

// clients are connections to one server; callers share them evenly.
type clients []*grpc.ClientConn

// bearer sends the token with each call, to the echo server too: the client's part is the same on both sides.
type bearer string

// GetRequestMetadata is the header of a call.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity is false: it is all on this machine.
func (bearer) RequireTransportSecurity() bool { return false }

func dial(address string, token string, n int) (clients, error) {
	var c clients
	for range n {
		conn, err := grpc.NewClient(address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithPerRPCCredentials(bearer(token)),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256<<20)))
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c = append(c, conn)
	}
	return c, nil
}

func (c clients) close() error {
	var errs []error
	for _, conn := range c {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

func (c clients) conn(caller int) *grpc.ClientConn { return c[caller%len(c)] }

func (c clients) jobs(caller int) stintv1.JobServiceClient {
	return stintv1.NewJobServiceClient(c.conn(caller))
}

func (c clients) echo(ctx context.Context, caller int, req *stintv1.SubmitRequest) error {
	return c.conn(caller).Invoke(ctx, echoMethod, req, &stintv1.SubmitResponse{})
}
