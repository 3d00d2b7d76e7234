package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
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
	open   []*process
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
	pipe := filepath.Join(dir, "hold")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// Open for both, so that opening waits for nobody.
	if l.pipe, err = os.OpenFile(pipe, os.O_RDWR, 0); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return l, nil
}

func (l *lab) close() {
	for _, p := range l.open {
		p.stop()
	}
	_ = l.pipe.Close() // and with it the jobs that hold
	_ = os.RemoveAll(l.dir)
}

// echoServer is the limit of calls.
type echoServer struct {
	*process
	clients clients
}

// echo is the echo server, started once.
func (l *lab) echo(ctx context.Context) (*echoServer, error) {
	if l.echoes != nil {
		return l.echoes, nil
	}
	p, err := start(ctx, filepath.Join(l.dir, "echo.log"), l.self, "echo")
	if err != nil {
		return nil, err
	}
	l.open = append(l.open, p)
	c, err := dial(p.address, "none", l.conns)
	if err != nil {
		return nil, err
	}
	l.echoes = &echoServer{process: p, clients: c}
	return l.echoes, nil
}

// stintd is a running server with a token of an operator.
type stintd struct {
	*process
	data    string
	token   string // of an operator
	clients clients
}

// newData makes an empty data folder.
func (l *lab) newData() (string, error) {
	l.n++
	data := filepath.Join(l.dir, fmt.Sprint("data-", l.n))
	return data, os.Mkdir(data, 0o700)
}

// unlimited are the settings without which one caller's load would be refused: every call is still
// counted against its limit.
func unlimited() []string {
	return []string{"--max-requests-per-user", "100000000", "--max-streams-per-user", "1000000"}
}

// serve starts stintd on a folder, with one core for local jobs if no flag says otherwise.
func (l *lab) serve(ctx context.Context, data string, flags ...string) (*stintd, error) {
	services, err := filepath.Abs(filepath.Join("bench", "testdata", "services"))
	if err != nil {
		return nil, err
	}
	args := slices.Concat([]string{"--data", data, "--listen", "127.0.0.1:0", "--services", services, "--auth", "token", "--cpus", "1"}, unlimited(), flags)
	p, err := start(ctx, filepath.Join(l.dir, "stintd.log"), l.stintd, args...)
	if err != nil {
		return nil, err
	}
	l.open = append(l.open, p)
	out, err := exec.CommandContext(ctx, l.stintd, "token", "create", "--data", data, "--user", benchUser, "--role", "operator").Output()
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("make a token: %w", err)
	}
	s := &stintd{process: p, data: data, token: strings.TrimSpace(string(out))}
	s.clients, err = dial(p.address, s.token, l.conns)
	return s, err
}

// stop ends the server, which frees its folder.
func (s *stintd) stop() {
	if s == nil {
		return
	}
	_ = s.clients.close()
	s.process.stop()
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
	if err := s.hold(ctx, l.pipe.Name()); err != nil {
		s.stop()
		return nil, fmt.Errorf("take the core: %w", err)
	}
	return s, nil
}

// hold submits a job that takes the core and returns when it runs.
func (s *stintd) hold(ctx context.Context, pipe string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	params, err := parameters(map[string]any{"pipe": pipe})
	if err != nil {
		return err
	}
	req := &stintv1.SubmitRequest{Job: &stintv1.Job{Service: "Hold", Parameters: params}}
	res, err := s.clients.jobs(0).Submit(ctx, req)
	if err != nil {
		return err
	}
	w, err := s.clients.jobs(0).WatchStatus(ctx, &stintv1.WatchStatusRequest{Id: res.GetJob().GetId()})
	if err != nil {
		return err
	}
	for {
		m, err := w.Recv()
		if err != nil {
			return err
		}
		switch m.GetChanged().GetState() {
		case stintv1.State_STATE_RUNNING:
			return nil
		case stintv1.State_STATE_FAILED, stintv1.State_STATE_CANCELLED, stintv1.State_STATE_COMPLETED:
			return fmt.Errorf("the job that should hold it ended: %s", m.GetChanged().GetMessage())
		default:
		}
	}
}
