package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const (
	// parallel is how many commands run at a time where many are run.
	parallel = 4
	// startsAtLeast is how many single starts a side measures in a round.
	startsAtLeast = 15
)

// emptyCommand is the script that jobs of the service Bench run.
func emptyCommand() (string, error) {
	return filepath.Abs(filepath.Join("bench", "testdata", "services", "Bench", "run"))
}

// firstRunning measures row 16.
func firstRunning(ctx context.Context, l *lab) ([]result, error) {
	command, err := emptyCommand()
	if err != nil {
		return nil, err
	}
	data, err := l.newData()
	if err != nil {
		return nil, err
	}
	s, err := l.serve(ctx, data, "--cpus", strconv.Itoa(parallel))
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	got, err := rig.Rounds(ctx, l.rounds,
		rig.Side{Name: "fork, exec and wait", Run: l.oneByOne(func(ctx context.Context) (time.Duration, error) {
			begin := time.Now()
			err := exec.CommandContext(ctx, command).Run()
			return time.Since(begin), err
		})},
		rig.Side{Name: "Submit to RUNNING", Run: l.oneByOne(s.toRunning)})
	if err != nil {
		return nil, err
	}
	return []result{ratio("16", rig.Pick(got[1], rig.P50), rig.Pick(got[0], rig.P50),
		figureOf("Submit to RUNNING seen by a watcher, p50", "us", rig.Pick(got[1], rig.P50)),
		figureOf("fork, exec and wait, p50", "us", rig.Pick(got[0], rig.P50)))}, nil
}

// oneByOne repeats something for the time of a side, and at least startsAtLeast times.
func (l *lab) oneByOne(once func(context.Context) (time.Duration, error)) func(context.Context) (rig.Sample, error) {
	return func(ctx context.Context) (rig.Sample, error) {
		var all []time.Duration
		for end := time.Now().Add(l.duration); len(all) < startsAtLeast || time.Now().Before(end); {
			ctx, cancel := context.WithTimeout(ctx, rig.CallTimeout)
			d, err := once(ctx)
			cancel()
			if err != nil {
				return rig.Sample{}, err
			}
			all = append(all, d)
		}
		return rig.Sample{Rate: float64(len(all)) / l.duration.Seconds(), P50: rig.Quantile(all, 0.5), P99: rig.Quantile(all, 0.99)}, nil
	}
}

// toRunning submits a job and answers when a watcher saw that its command runs: by RUNNING, or where the command
// ended before the server looked, by COMPLETED, which is later. It waits for the job's end.
func (s *stintd) toRunning(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	res, err := s.Clients.Jobs(0).Submit(ctx, &jobsv1.SubmitRequest{Job: rig.Job(0)})
	if err != nil {
		return 0, err
	}
	w, err := s.Clients.Jobs(0).WatchStatus(ctx, &jobsv1.WatchStatusRequest{
		Id: res.GetJob().GetId(), AfterCursor: res.GetCursor(), UntilFinal: true,
	})
	if err != nil {
		return 0, err
	}
	var took time.Duration
	for {
		m, err := w.Recv()
		if err != nil {
			return 0, fmt.Errorf("before the job was complete: %w", err)
		}
		switch m.GetJob().GetState() {
		case jobsv1.State_STATE_RUNNING, jobsv1.State_STATE_COMPLETED:
			if took == 0 {
				took = time.Since(begin)
			}
			if m.GetJob().GetState() == jobsv1.State_STATE_COMPLETED {
				return took, nil
			}
		case jobsv1.State_STATE_FAILED, jobsv1.State_STATE_CANCELLED:
			return 0, fmt.Errorf("job %s: %s", res.GetJob().GetId(), m.GetJob().GetMessage())
		default:
		}
	}
}

// manyLocal measures row 17: the same number of the same commands, as many at a time.
func manyLocal(ctx context.Context, l *lab) ([]result, error) {
	command, err := emptyCommand()
	if err != nil {
		return nil, err
	}
	data, err := l.newData()
	if err != nil {
		return nil, err
	}
	s, err := l.serve(ctx, data, "--cpus", strconv.Itoa(parallel))
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	n := 500
	if l.quick {
		n = 50
	}
	got, err := rig.Rounds(ctx, l.rounds,
		rig.Side{Name: "xargs", Run: func(ctx context.Context) (rig.Sample, error) {
			cmd := exec.CommandContext(ctx, "xargs", "-P", strconv.Itoa(parallel), "-n", "1", command)
			cmd.Stdin = strings.NewReader(strings.Repeat("x\n", n))
			begin := time.Now()
			out, err := cmd.CombinedOutput()
			if err != nil {
				return rig.Sample{}, fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
			}
			return inAll(n, time.Since(begin)), nil
		}},
		rig.Side{Name: "local jobs", Run: func(ctx context.Context) (rig.Sample, error) {
			begin := time.Now()
			err := s.runMany(ctx, n)
			return inAll(n, time.Since(begin)), err
		}})
	if err != nil {
		return nil, err
	}
	return []result{ratio("17", rig.Pick(got[1], rig.Rate), rig.Pick(got[0], rig.Rate),
		figureOf("jobs on the local executor", "jobs/s", rig.Pick(got[1], rig.Rate)), figureOf(fmt.Sprint("xargs -P ", parallel), "commands/s", rig.Pick(got[0], rig.Rate)))}, nil
}

func inAll(n int, took time.Duration) rig.Sample {
	each := float64(took.Nanoseconds()) / 1e3 / float64(n)
	return rig.Sample{Rate: float64(n) / took.Seconds(), P50: each, P99: each}
}

// runMany submits n jobs in one call and returns when all are complete.
func (s *stintd) runMany(ctx context.Context, n int) error {
	req := &jobsv1.BatchSubmitRequest{}
	for i := range n {
		req.Jobs = append(req.Jobs, rig.Job(i))
	}
	res, err := s.Clients.Jobs(0).BatchSubmit(ctx, req)
	if err != nil {
		return err
	}
	watch := &jobsv1.WatchStatusRequest{AfterCursor: res.GetCursor(), UntilFinal: true}
	for _, j := range res.GetJobs() {
		watch.Ids = append(watch.Ids, j.GetId())
	}
	w, err := s.Clients.Jobs(0).WatchStatus(ctx, watch)
	if err != nil {
		return err
	}
	for done := 0; done < n; {
		m, err := w.Recv()
		if err != nil {
			return fmt.Errorf("%d of %d jobs were complete: %w", done, n, err)
		}
		switch m.GetJob().GetState() {
		case jobsv1.State_STATE_COMPLETED:
			done++
		case jobsv1.State_STATE_FAILED, jobsv1.State_STATE_CANCELLED:
			return fmt.Errorf("job %s: %s", m.GetJob().GetId(), m.GetJob().GetMessage())
		default:
		}
	}
	return nil
}
