package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

// uploads takes uploads: none of their messages before it may, then all.
type uploads struct {
	workspacev1.UnimplementedWorkspaceServiceServer
	may  chan struct{}
	took atomic.Int64
}

func (u *uploads) Upload(stream grpc.ClientStreamingServer[workspacev1.UploadRequest, workspacev1.UploadResponse]) error {
	<-u.may
	for {
		if _, err := stream.Recv(); err == io.EOF { //nolint:errorlint // gRPC returns io.EOF itself
			return stream.SendAndClose(&workspacev1.UploadResponse{})
		} else if err != nil {
			return err
		}
		u.took.Add(1)
	}
}

// served is a server whose gRPC calls net/http has.
func served(t *testing.T, u *uploads) workspacev1.WorkspaceServiceClient {
	t.Helper()
	g := grpc.NewServer(grpc.StatsHandler(takenMessages{}))
	workspacev1.RegisterWorkspaceServiceServer(g, u)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Handler: paced(g), Protocols: protocols, ReadHeaderTimeout: time.Minute,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 16 << 20},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = s.Close()
		g.Stop()
		<-done
	})
	return workspacev1.NewWorkspaceServiceClient(conn)
}

// What nobody takes is not read: the client is held back by the window of HTTP/2. It goes on once messages are taken.
func TestUploadsThatNobodyReadsAreHeldBack(t *testing.T) {
	const streams, size = 20, 64 << 10
	u := &uploads{may: make(chan struct{})}
	client := served(t, u)
	var sent atomic.Int64
	stopped := make(chan struct{}, streams)
	ended := make(chan error, streams)
	for range streams {
		go func() {
			ended <- func() error {
				stream, err := client.Upload(t.Context())
				for n := 0; err == nil && n < 100; n++ {
					blocked := time.AfterFunc(500*time.Millisecond, func() { stopped <- struct{}{} })
					err = stream.Send(part(size))
					blocked.Stop()
					sent.Add(1)
				}
				if err == nil {
					_, err = stream.CloseAndRecv()
				}
				return err
			}()
		}()
	}
	for range streams {
		<-stopped
	}
	if n := sent.Load(); n > streams*10 {
		t.Errorf("%d messages of %d bytes were taken from %d clients while nobody read them", n, size, streams)
	}
	close(u.may)
	for range streams {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if n := u.took.Load(); n != streams*100 {
		t.Errorf("%d messages of %d came", n, streams*100)
	}
}

// A call that is given up while its body waits leaves nothing behind.
func TestAPacedBodyEndsWithItsCall(t *testing.T) {
	u := &uploads{may: make(chan struct{})}
	client := served(t, u)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.Upload(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := stream.Send(part(1 << 10)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := stream.CloseAndRecv(); err == nil {
		t.Error("a call that was given up succeeded")
	}
	close(u.may) // after the answer, which could otherwise be quicker than the end
}
