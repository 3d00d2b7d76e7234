package rig

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

	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// User is who calls stintd, an operator.
const User = "bench"

// Job is the job that is submitted and stored everywhere here, about 600 bytes on the wire.
func Job(n int) *jobsv1.Job {
	return &jobsv1.Job{
		Service: "Bench", OutputName: fmt.Sprint("sample-", n, "-phage"), OutputFolder: "/home/run1",
		Labels: map[string]string{"project": fmt.Sprint("p", n%100)},
		Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{
			"reads": structpb.NewStringValue(strings.Repeat("/home/reads/sample_R1.fastq.gz,", 15)),
			"k":     structpb.NewNumberValue(21),
		}},
	}
}

// Stintd is a running server with a token of an operator.
type Stintd struct {
	*Process
	Data    string // folder
	Token   string // of User
	Clients Clients
}

// StintdConfig says which server to start.
type StintdConfig struct {
	Binary   string
	Services string   // the folder bench/testdata/services
	Data     string   // an empty folder or one that a server left
	Log      string   // file
	Conns    int      // connections of Clients
	Flags    []string // further flags, which win
}

// unlimited are the settings without which one caller's load would be refused: every call is still
// counted against its limit.
func unlimited() []string {
	return []string{"--max-requests-per-user", "100000000", "--max-streams-per-user", "1000000", "--max-audited-per-user", "100000000"}
}

// Serve starts stintd, with one core for local jobs if no flag says otherwise.
func Serve(ctx context.Context, c StintdConfig) (*Stintd, error) {
	args := slices.Concat([]string{"--data", c.Data, "--listen", "127.0.0.1:0", "--services", c.Services, "--auth", "token", "--cpus", "1"}, unlimited(), c.Flags)
	p, err := Start(ctx, Command{Program: c.Binary, Args: args, Log: c.Log})
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, c.Binary, "token", "create", "--data", c.Data, "--user", User, "--role", "operator").Output()
	if err != nil {
		p.Stop()
		return nil, fmt.Errorf("make a token: %w", err)
	}
	s := &Stintd{Process: p, Data: c.Data, Token: strings.TrimSpace(string(out))}
	if s.Clients, err = Dial(p.Address, s.Token, c.Conns); err != nil {
		p.Stop()
		return nil, err
	}
	return s, nil
}

// Stop ends the server, which frees its folder. It may be called of nil, and more than once.
func (s *Stintd) Stop() {
	if s == nil {
		return
	}
	_ = s.Clients.Close()
	s.Process.Stop()
}

// Pipe makes a named pipe in the folder for Hold. The jobs that hold it end when it is closed.
func Pipe(dir string) (*os.File, error) {
	path := filepath.Join(dir, "hold")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, err
	}
	// Open for both, so that opening waits for nobody.
	return os.OpenFile(path, os.O_RDWR, 0)
}

// Hold submits a job that takes the core, so that what is submitted behind it waits, and returns when it runs.
func (s *Stintd) Hold(ctx context.Context, pipe string) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	params, err := structpb.NewStruct(map[string]any{"pipe": pipe})
	if err != nil {
		return err
	}
	req := &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Hold", Parameters: params}}
	res, err := s.Clients.Jobs(0).Submit(ctx, req)
	if err != nil {
		return err
	}
	w, err := s.Clients.Jobs(0).WatchStatus(ctx, &jobsv1.WatchStatusRequest{Id: res.GetJob().GetId()})
	if err != nil {
		return err
	}
	for {
		m, err := w.Recv()
		if err != nil {
			return err
		}
		switch m.GetJob().GetState() {
		case jobsv1.State_STATE_RUNNING:
			return nil
		case jobsv1.State_STATE_FAILED, jobsv1.State_STATE_CANCELLED, jobsv1.State_STATE_COMPLETED:
			return errors.New("the job that should hold the core ended: " + m.GetJob().GetMessage())
		default:
		}
	}
}
