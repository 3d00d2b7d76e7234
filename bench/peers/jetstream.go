package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stint-jobs/stint/bench/rig"
)

const (
	// jetStreamArgument makes this program the NATS server, in a process of its own.
	jetStreamArgument = "jetstream"
	jetStreamReady    = "NATS is serving on "
	subject           = "jobs.bench"
)

// jetStreamQueue is a stream of NATS JetStream in files that are synced before each answer. Nobody consumes it, so that messages wait.
type jetStreamQueue struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	ids    kept[uint64]
}

// serveJetStream is the server.
func serveJetStream(ctx context.Context, dir string) error {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, SyncAlways: true, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(time.Minute) {
		return errors.New("the NATS server does not start")
	}
	fmt.Fprintln(os.Stdout, jetStreamReady+s.ClientURL())
	<-ctx.Done()
	return nil
}

func startJetStream(ctx context.Context, l *lab) (peer, *rig.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	dir, err := l.folder("nats")
	if err != nil {
		return nil, nil, err
	}
	p, err := l.start(ctx, "nats", rig.Command{Program: self, Args: []string{jetStreamArgument, dir}, Ready: jetStreamReady})
	if err != nil {
		return nil, nil, err
	}
	conn, err := nats.Connect(p.Address)
	if err != nil {
		return nil, nil, err
	}
	l.later(func() error { conn.Close(); return nil })
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, nil, err
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs.>"}, Storage: jetstream.FileStorage})
	return &jetStreamQueue{js: js, stream: stream}, p, err
}

func (q *jetStreamQueue) submit(ctx context.Context) error {
	ack, err := q.js.Publish(ctx, subject, []byte(payload))
	if err == nil {
		q.ids.add(ack.Sequence)
	}
	return err
}

// batch sends the messages one after the other and then waits for all answers.
func (q *jetStreamQueue) batch(ctx context.Context) error {
	acks := make([]jetstream.PubAckFuture, batchSize)
	for i := range acks {
		var err error
		if acks[i], err = q.js.PublishAsync(subject, []byte(payload), jetstream.WithStallWait(10*time.Second)); err != nil {
			return err
		}
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (q *jetStreamQueue) get(ctx context.Context) error {
	_, err := q.stream.GetMsg(ctx, q.ids.one())
	return err
}

func (*jetStreamQueue) list(context.Context) error { return errLacks }
