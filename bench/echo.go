package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

const (
	echoService = "stint.bench.v1.Echo"
	// echoMethod answers a SubmitRequest with a SubmitResponse that has the same job: the messages of Submit, without its work.
	echoMethod = "/" + echoService + "/Echo"
	// fanStream is a stream that says nothing but its first message until somebody calls fanMethod.
	fanStream = "/" + echoService + "/Watch"
	// fanMethod sends one message to all streams, directly, and returns when all are sent.
	fanMethod = "/" + echoService + "/Fan"
	// getMethod answers a GetRequest with a job, always the same.
	getMethod = "/" + echoService + "/Get"
	// restMethod collects the garbage and gives back what is free, so that memory can be compared.
	restMethod = "/" + echoService + "/Rest"
)

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
		grpc.NumStreamWorkers(512),
		grpc.StaticStreamWindowSize(1<<20), grpc.StaticConnWindowSize(1<<20),
		grpc.ConnectionTimeout(20*time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	)
	one, err := oneJob()
	if err != nil {
		return err
	}
	f := &fan{streams: map[grpc.ServerStream]struct{}{}}
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: echoService, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			{MethodName: "Echo", Handler: handle(func(in *jobsv1.SubmitRequest) (any, error) { return &jobsv1.SubmitResponse{Job: in.GetJob()}, nil })},
			{MethodName: "Get", Handler: handle(func(*jobsv1.GetRequest) (any, error) { return one, nil })},
			{MethodName: "Fan", Handler: handle(f.send)},
			{MethodName: "Rest", Handler: handle(func(*jobsv1.SubmitRequest) (any, error) { debug.FreeOSMemory(); return &jobsv1.SubmitResponse{}, nil })},
		},
		Streams: []grpc.StreamDesc{{StreamName: "Watch", ServerStreams: true, Handler: f.watch}},
	}, nil)
	context.AfterFunc(ctx, g.Stop)
	fmt.Fprintf(os.Stdout, "echo is serving on http://%s\n", l.Addr())
	return g.Serve(l)
}

// handle makes a method of a function.
func handle[M any](f func(in *M) (any, error)) grpc.MethodHandler {
	return func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(M)
		if err := decode(in); err != nil {
			return nil, err
		}
		return f(in)
	}
}

// oneJob is a job as large as those of a fixture, that answers every Get.
func oneJob() (*jobsv1.Job, error) {
	j := rig.Job(0)
	j.Id, j.Owner, j.State, j.Executor, j.Revision, j.SubmitTime = "123456", rig.User, jobsv1.State_STATE_QUEUED, "local", 1234567, timestamppb.Now()
	rec := &storev1.Record{Job: j}
	return j, errors.Join(startJob(rec), endJob(rec))
}

// fan has the streams that are open.
type fan struct {
	mu      sync.Mutex
	streams map[grpc.ServerStream]struct{}
}

// watch holds a stream open.
func (f *fan) watch(_ any, s grpc.ServerStream) error {
	if err := s.RecvMsg(&jobsv1.WatchStatusRequest{}); err != nil {
		return err
	}
	if err := s.SendMsg(&jobsv1.WatchStatusResponse{}); err != nil {
		return err
	}
	f.mu.Lock()
	f.streams[s] = struct{}{}
	f.mu.Unlock()
	<-s.Context().Done()
	f.mu.Lock()
	delete(f.streams, s)
	f.mu.Unlock()
	return nil
}

// echoCursor is as long as a cursor of stintd.
const echoCursor = "AU5nQk0Yx3yFAAAAAAB0y7E"

// send sends the job to all streams, as directly as gRPC can: a goroutine a processor, each with its share.
func (f *fan) send(in *jobsv1.SubmitRequest) (any, error) {
	j := in.GetJob()
	status := &jobsv1.Job{
		Id: "1234567", Owner: rig.User, Service: j.GetService(), OutputName: j.GetOutputName(), State: jobsv1.State_STATE_QUEUED,
		Reason: jobsv1.Reason_REASON_WAITING_FOR_TURN, Message: "Waiting for its turn.", OutputFolder: "/jobs", Executor: "local",
		Resources: &jobsv1.Resources{Cpus: 1, MemoryBytes: 1 << 30}, SubmitTime: timestamppb.Now(), ChangeTime: timestamppb.Now(),
		Revision: 7654321, Etag: "4k22x",
	}
	f.mu.Lock()
	var all []grpc.ServerStream
	for s := range f.streams {
		all = append(all, s)
	}
	f.mu.Unlock()
	n := runtime.GOMAXPROCS(0)
	errs := make([]error, n)
	var wg sync.WaitGroup
	share := (len(all) + n - 1) / n
	for i, some := range slices.Collect(slices.Chunk(all, max(1, share))) {
		wg.Go(func() {
			for _, s := range some {
				m := &jobsv1.WatchStatusResponse{Cursor: echoCursor, Event: &jobsv1.WatchStatusResponse_Job{Job: status}}
				errs[i] = errors.Join(errs[i], s.SendMsg(m))
			}
		})
	}
	wg.Wait()
	return &jobsv1.SubmitResponse{}, errors.Join(errs...)
}
