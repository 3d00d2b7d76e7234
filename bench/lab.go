package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// lab has what experiments share: a folder on the disk to measure and the
// processes on it. Whatever it started ends with close.
type lab struct {
	options
	dir    string
	self   string // this binary
	pipe   *os.File
	echoes *echoServer
	stores map[int]string // data folders by number of jobs
	open   []*rig.Process
	n      int
}

func newLab(o options) (*lab, error) {
	if _, err := os.Stat(o.stintd); err != nil {
		return nil, fmt.Errorf("the binary to measure (see -stintd): %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.dir, "stint-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{options: o, dir: dir, self: self, stores: map[int]string{}}
	if l.pipe, err = rig.Pipe(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return l, nil
}

func (l *lab) close() {
	for _, p := range l.open {
		p.Stop()
	}
	_ = l.pipe.Close() // and with it the jobs that hold
	_ = os.RemoveAll(l.dir)
}

// echoServer is the limit of calls.
type echoServer struct {
	*rig.Process
	clients rig.Clients
}

// echo makes a call for a caller.
func (e *echoServer) echo(ctx context.Context, caller int, req *jobsv1.SubmitRequest) error {
	return e.clients.Conn(caller).Invoke(ctx, echoMethod, req, &jobsv1.SubmitResponse{})
}

// startEcho starts this program as `bench echo`.
func (l *lab) startEcho(ctx context.Context) (*rig.Process, error) {
	return rig.Start(ctx, rig.Command{Program: l.self, Args: []string{"echo"}, Log: filepath.Join(l.dir, "echo.log")})
}

// echo is the echo server, started once.
func (l *lab) echo(ctx context.Context) (*echoServer, error) {
	if l.echoes != nil {
		return l.echoes, nil
	}
	p, err := l.startEcho(ctx)
	if err != nil {
		return nil, err
	}
	l.open = append(l.open, p)
	c, err := rig.Dial(p.Address, "none", l.conns)
	if err != nil {
		return nil, err
	}
	l.echoes = &echoServer{Process: p, clients: c}
	return l.echoes, nil
}

// stintd is a running server on a folder of the lab.
type stintd struct{ *rig.Stintd }

// newData makes an empty data folder.
func (l *lab) newData() (string, error) {
	l.n++
	data := filepath.Join(l.dir, fmt.Sprint("data-", l.n))
	return data, os.Mkdir(data, 0o700)
}

// serve starts stintd on a folder, with one core for local jobs if no flag says otherwise.
func (l *lab) serve(ctx context.Context, data string, flags ...string) (*stintd, error) {
	services, err := filepath.Abs(filepath.Join("bench", "testdata", "services"))
	if err != nil {
		return nil, err
	}
	s, err := rig.Serve(ctx, rig.StintdConfig{
		Binary: l.stintd, Services: services, Data: data, Log: filepath.Join(l.dir, "stintd.log"), Conns: l.conns, Flags: flags,
	})
	if err != nil {
		return nil, err
	}
	l.open = append(l.open, s.Process)
	return &stintd{s}, nil
}

// serveBusy starts stintd on a new folder with its only core taken, so that what is submitted waits.
func (l *lab) serveBusy(ctx context.Context) (*stintd, error) {
	data, err := l.newData()
	if err != nil {
		return nil, err
	}
	s, err := l.serve(ctx, data)
	if err != nil {
		return nil, err
	}
	if err := s.Hold(ctx, l.pipe.Name()); err != nil {
		s.Stop()
		return nil, fmt.Errorf("take the core: %w", err)
	}
	return s, nil
}
