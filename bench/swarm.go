package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const (
	// watchers is how many streams the rows about many watchers open, quickWatchers with -quick.
	watchers      = 10_000
	quickWatchers = 1_000
	// streamsPerConn is how many of them share a connection, on both sides.
	streamsPerConn = 200
	// openAtOnce bounds the streams that wait for their first message.
	openAtOnce = 64
)

func (l *lab) watchers() int {
	if l.quick {
		return quickWatchers
	}
	return watchers
}

// swarm is many streams of one server, each with a goroutine that counts what comes.
type swarm struct {
	conns rig.Clients
	stop  context.CancelFunc
	wg    sync.WaitGroup

	arrived atomic.Int64 // messages that are changes
	want    atomic.Int64 // the count at which full is told
	full    chan struct{}
	failed  chan error
	late    atomic.Pointer[func(*jobsv1.WatchStatusResponse)] // what else to do with a change; may be nil
}

// opener opens stream n and returns when it is known to be open.
type opener func(ctx context.Context, conn *grpc.ClientConn, n int) (grpc.ServerStreamingClient[jobsv1.WatchStatusResponse], error)

// newSwarm opens n streams.
func newSwarm(ctx context.Context, dialer func(conns int) (rig.Clients, error), n int, open opener) (*swarm, error) {
	conns, err := dialer((n + streamsPerConn - 1) / streamsPerConn)
	if err != nil {
		return nil, err
	}
	s := &swarm{conns: conns, full: make(chan struct{}, 1), failed: make(chan error, 1)}
	run, stop := context.WithCancel(ctx)
	s.stop = stop
	var opening sync.WaitGroup
	var opened atomic.Int64
	places := make(chan struct{}, openAtOnce)
	for i := range n {
		places <- struct{}{}
		opening.Go(func() {
			defer func() { <-places }()
			stream, err := open(run, conns.Conn(i), i)
			if err != nil {
				s.fail(fmt.Errorf("open stream %d: %w", i, err))
				return
			}
			opened.Add(1)
			s.wg.Go(func() { s.receive(run, stream) })
		})
	}
	opening.Wait()
	if int(opened.Load()) != n {
		s.close()
		return nil, <-s.failed
	}
	return s, nil
}

func (s *swarm) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

func (s *swarm) receive(ctx context.Context, stream grpc.ServerStreamingClient[jobsv1.WatchStatusResponse]) {
	for {
		m, err := stream.Recv()
		if err != nil {
			if ctx.Err() == nil {
				s.fail(fmt.Errorf("a stream ended: %w", err))
			}
			return
		}
		if m.GetJob() == nil {
			continue
		}
		if late := s.late.Load(); late != nil {
			(*late)(m)
		}
		if s.arrived.Add(1) == s.want.Load() {
			s.full <- struct{}{}
		}
	}
}

// spread calls trigger, which makes n changes come, and answers how long it took until the last has come.
func (s *swarm) spread(ctx context.Context, n int, trigger func(context.Context) error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, rig.CallTimeout)
	defer cancel()
	s.want.Store(s.arrived.Load() + int64(n))
	begin := time.Now()
	if err := trigger(ctx); err != nil {
		return 0, err
	}
	select {
	case <-s.full:
		return time.Since(begin), nil
	case err := <-s.failed:
		return 0, err
	case <-ctx.Done():
		return 0, fmt.Errorf("%d of %d messages came: %w", s.arrived.Load()-s.want.Load()+int64(n), n, ctx.Err())
	}
}

func (s *swarm) close() {
	if s == nil {
		return
	}
	s.stop()
	s.wg.Wait()
	_ = s.conns.Close()
}

// watchOwner opens watches of the jobs of one owner, or of an owner each, and waits for the end of the snapshot.
func watchOwner(owner func(n int) string) opener {
	return func(ctx context.Context, conn *grpc.ClientConn, n int) (grpc.ServerStreamingClient[jobsv1.WatchStatusResponse], error) {
		w, err := jobsv1.NewJobServiceClient(conn).WatchStatus(ctx, &jobsv1.WatchStatusRequest{Owner: owner(n)})
		for err == nil {
			var m *jobsv1.WatchStatusResponse
			if m, err = w.Recv(); err == nil && m.GetSnapshotEnd() != nil {
				return w, nil
			}
		}
		return nil, err
	}
}

// watchEcho opens streams of the echo server, which sends one message at once.
func watchEcho(ctx context.Context, conn *grpc.ClientConn, _ int) (grpc.ServerStreamingClient[jobsv1.WatchStatusResponse], error) {
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fanStream)
	if err != nil {
		return nil, err
	}
	w := &grpc.GenericClientStream[jobsv1.WatchStatusRequest, jobsv1.WatchStatusResponse]{ClientStream: s}
	if err := w.Send(&jobsv1.WatchStatusRequest{}); err != nil {
		return nil, err
	}
	if err := w.CloseSend(); err != nil {
		return nil, err
	}
	_, err = w.Recv()
	return w, err
}
