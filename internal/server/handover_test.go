package server

import (
	"context"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// oneJob returns a job, and refuses those that it does not have.
type oneJob struct {
	jobsv1.UnimplementedJobServiceServer

	job *jobsv1.Job
}

func (s oneJob) Get(_ context.Context, req *jobsv1.GetRequest) (*jobsv1.GetResponse, error) {
	if req.GetId() != s.job.GetId() {
		return nil, status.Error(codes.NotFound, "there is none")
	}
	return &jobsv1.GetResponse{Job: s.job}, nil
}

// handedOver is a client of a server in memory. Its interceptors come before those that hand over.
func handedOver(t *testing.T, h *handover, s jobsv1.JobServiceServer, before ...grpc.UnaryClientInterceptor) jobsv1.JobServiceClient {
	t.Helper()
	memory := bufconn.Listen(1 << 20)
	g := grpc.NewServer(grpc.ChainUnaryInterceptor(h.server))
	jobsv1.RegisterJobServiceServer(g, s)
	go func() { _ = g.Serve(memory) }()
	t.Cleanup(g.Stop)
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(append([]grpc.UnaryClientInterceptor{h.client}, before...)...),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return jobsv1.NewJobServiceClient(conn)
}

// open is how many calls are under way.
func (h *handover) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.slots)
}

func TestResponsesAreHandedOverAndNotCopied(t *testing.T) {
	h := newHandover()
	one := &jobsv1.Job{Id: "1", Service: "Sleep"}
	client := handedOver(t, h, oneJob{job: one})
	resp, err := client.Get(t.Context(), &jobsv1.GetRequest{Id: "1"})
	if err != nil || resp.GetJob() != one {
		t.Errorf("the job is a copy: %v, %v", resp, err)
	}
	if _, err := client.Get(t.Context(), &jobsv1.GetRequest{Id: "2"}); status.Code(err) != codes.NotFound {
		t.Errorf("a job that there is not: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Get(gone, &jobsv1.GetRequest{Id: "1"}); status.Code(err) != codes.Canceled {
		t.Errorf("a caller who has gone: %v", err)
	}
	if n := h.open(); n != 0 {
		t.Errorf("%d calls are kept", n)
	}
}

// A call that nobody waits for under its number, or that has none, is answered as by any server.
func TestCallsWithoutASlotAreAnsweredOverTheConnection(t *testing.T) {
	h := newHandover()
	one := &jobsv1.Job{Id: "1", Service: "Sleep"}
	for name, change := range map[string]func(metadata.MD){
		"no number":      func(md metadata.MD) { md.Delete(handoverHeader) },
		"another number": func(md metadata.MD) { md.Set(handoverHeader, "999") },
		"two numbers":    func(md metadata.MD) { md.Append(handoverHeader, "999") },
	} {
		client := handedOver(t, h, oneJob{job: one}, func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
			md, _ := metadata.FromOutgoingContext(ctx)
			change(md)
			return call(metadata.NewOutgoingContext(ctx, md), method, req, reply, conn, options...)
		})
		resp, err := client.Get(t.Context(), &jobsv1.GetRequest{Id: "1"})
		if err != nil || resp.GetJob().GetService() != "Sleep" || resp.GetJob() == one {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
}

func TestAResponseThatIsTooLargeIsNotHandedOver(t *testing.T) {
	client := handedOver(t, newHandover(), oneJob{job: &jobsv1.Job{Id: "1", Message: strings.Repeat("x", maxResponse)}})
	_, err := client.Get(t.Context(), &jobsv1.GetRequest{Id: "1"})
	if status.Code(err) != codes.InvalidArgument && status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%v", err)
	}
}
