package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

const (
	// activeMany and activeFew are the jobs on the cluster that row 18 compares, activeQuick the first with -quick.
	activeMany, activeFew, activeQuick = 5000, 50, 300
	// afterSubmits is when polls are back to their usual pace (docs/slurm.md: half a minute after a submit).
	afterSubmits = 35 * time.Second
	// countFor is how long commands are counted in a round.
	countFor = 20 * time.Second
	// countRounds is how often: both are counted at the same time, and a count hardly differs from the next.
	countRounds = 3
	// pollInterval is the pace of polls while something has just been submitted (docs/slurm.md).
	pollInterval = 2 * time.Second
	// stamped is how many jobs tell of themselves in a round of a side.
	stamped = 3
)

// slurmCommands are what the executor calls; those that answer questions are counted.
var slurmCommands = []string{"squeue", "sacct", "scontrol", "sbatch", "scancel"}

// cluster is a real, throw-away Slurm of one machine, by tools/slurm/up.sh.
type cluster struct{ dir string }

func newCluster(ctx context.Context) (*cluster, error) {
	for _, name := range []string{"slurmctld", "slurmd", "sbatch", "munged"} {
		if _, err := exec.LookPath(name); err != nil {
			if _, err := os.Stat("/usr/sbin/" + name); err != nil {
				return nil, fmt.Errorf("%s is not there; `tools/setup-debian.sh slurm` installs Slurm", name)
			}
		}
	}
	// The paths of Slurm's sockets must be short.
	dir, err := os.MkdirTemp("/tmp", "stint-bench-slurm-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir}
	up := exec.CommandContext(ctx, "tools/slurm/up.sh", "-I", "-n", "1", "-c", "4", "-x", "MaxJobCount=20000", dir)
	if out, err := up.CombinedOutput(); err != nil {
		c.down()
		return nil, fmt.Errorf("bring up Slurm: %w: %s", err, bytes.TrimSpace(out))
	}
	return c, nil
}

func (c *cluster) down() {
	_ = exec.Command("tools/slurm/down.sh", "-k", "-d", c.dir).Run() //nolint:noctx // it bounds itself
}

// onCluster is a stintd whose jobs go to a cluster, and that counts the commands it asks Slurm with.
type onCluster struct {
	*stintd
	counts string
}

// serveOn starts stintd on a cluster. With hints the script around a command reaches it.
func (l *lab) serveOn(ctx context.Context, c *cluster, hints bool) (*onCluster, error) {
	data, err := l.newData()
	if err != nil {
		return nil, err
	}
	counts := filepath.Join(data, "counts")
	if err := os.Mkdir(counts, 0o700); err != nil {
		return nil, err
	}
	var config strings.Builder
	fmt.Fprintf(&config, "executor: slurm\nclusters:\n  slurm:\n    slurm-conf: %s\n    max-jobs: 10000\n    commands:\n", filepath.Join(c.dir, "etc", "slurm.conf"))
	for _, name := range slurmCommands {
		program, err := exec.LookPath(name)
		if err != nil {
			return nil, err
		}
		counter := filepath.Join(counts, name)
		script := fmt.Sprintf("#!/bin/sh\necho >>%q\nexec %q \"$@\"\n", counter+".n", program)
		if err := os.WriteFile(counter, []byte(script), 0o700); err != nil {
			return nil, err
		}
		fmt.Fprintf(&config, "      %s: %s\n", name, counter)
	}
	file := filepath.Join(data, "stintd.yaml")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return nil, err
	}
	flags := []string{"--config", file, "--job-report-url", "none"}
	if hints {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		flags = []string{"--config", file, "--listen", address, "--job-report-url", "http://" + address}
	}
	s, err := l.serve(ctx, data, flags...)
	if err != nil {
		return nil, err
	}
	return &onCluster{s, counts}, nil
}

// freeAddress is an address that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listening does not block
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// called is how often commands were called.
func (s *onCluster) called(names ...string) (int, error) {
	n := 0
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(s.counts, name+".n"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
		n += bytes.Count(b, []byte("\n"))
	}
	return n, nil
}

// polls measures row 18 on a real cluster, with both servers on it at the same time.
func polls(ctx context.Context, l *lab) ([]result, error) {
	c, err := newCluster(ctx)
	if err != nil {
		return nil, err
	}
	defer c.down()
	n := activeMany
	if l.quick {
		n = activeQuick
	}
	large, err := l.serveOn(ctx, c, false)
	if err != nil {
		return nil, err
	}
	defer large.Stop()
	small, err := l.serveOn(ctx, c, false)
	if err != nil {
		return nil, err
	}
	defer small.Stop()
	if err := small.fillCluster(ctx, activeFew, l.pipe.Name()); err != nil {
		return nil, err
	}
	if err := large.fillCluster(ctx, n, l.pipe.Name()); err != nil {
		return nil, err
	}
	if err := rig.Wait(ctx, afterSubmits); err != nil {
		return nil, err
	}
	var ofMany, ofFew rig.Series
	for range countRounds {
		a, b, err := countBoth(ctx, large, small)
		if err != nil {
			return nil, err
		}
		ofMany, ofFew = append(ofMany, a), append(ofFew, b)
	}
	return []result{ratio("18", ofMany, ofFew,
		figureOf(fmt.Sprint("with ", n, " active jobs, real Slurm"), "commands/min", ofMany),
		figureOf(fmt.Sprint("with ", activeFew, " active jobs, real Slurm"), "commands/min", ofFew))}, nil
}

// fillCluster hands n jobs that do not end to Slurm.
func (s *onCluster) fillCluster(ctx context.Context, n int, pipe string) error {
	params, err := structpb.NewStruct(map[string]any{"pipe": pipe})
	if err != nil {
		return err
	}
	for left := n; left > 0; left -= batch {
		req := &jobsv1.BatchSubmitRequest{}
		for range min(left, batch) {
			req.Jobs = append(req.Jobs, &jobsv1.Job{Service: "Hold", Parameters: params})
		}
		if _, err := s.Clients.Jobs(0).BatchSubmit(ctx, req); err != nil {
			return err
		}
	}
	for {
		had, err := s.called("sbatch")
		if err != nil || had >= n {
			return err
		}
		if err := rig.Wait(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d jobs were handed to Slurm: %w", had, n, err)
		}
	}
}

// countBoth counts the commands of both servers over the same time, in commands a minute.
func countBoth(ctx context.Context, large, small *onCluster) (a, b float64, err error) {
	asking := []string{"squeue", "sacct", "scontrol"}
	both := func() (x, y int, err error) {
		if x, err = large.called(asking...); err == nil {
			y, err = small.called(asking...)
		}
		return x, y, err
	}
	x0, y0, err := both()
	if err != nil {
		return 0, 0, err
	}
	if err := rig.Wait(ctx, countFor); err != nil {
		return 0, 0, err
	}
	x1, y1, err := both()
	minutes := countFor.Minutes()
	return float64(x1-x0) / minutes, float64(y1-y0) / minutes, err
}

// seenFromSlurm measures row 19: how long after a command begins and ends a watcher sees it, with and without hints.
func seenFromSlurm(ctx context.Context, l *lab) ([]result, error) {
	c, err := newCluster(ctx)
	if err != nil {
		return nil, err
	}
	defer c.down()
	hinted, err := l.serveOn(ctx, c, true)
	if err != nil {
		return nil, err
	}
	defer hinted.Stop()
	polled, err := l.serveOn(ctx, c, false)
	if err != nil {
		return nil, err
	}
	defer polled.Stop()
	s, err := rig.Rounds(ctx, l.rounds, rig.Side{Name: "without hints", Run: polled.stampedRound}, rig.Side{Name: "with hints", Run: hinted.stampedRound})
	if err != nil {
		return nil, err
	}
	interval := make(rig.Series, l.rounds)
	for i := range interval {
		interval[i] = float64(pollInterval.Microseconds())
	}
	return []result{ratio("19", rig.Pick(s[1], rig.P50), interval,
		figureOf("from a command's begin or end to a watcher, with hints, p50", "us", rig.Pick(s[1], rig.P50)),
		figureOf("without hints, p50", "us", rig.Pick(s[0], rig.P50)),
		figureOf("poll interval after a submit", "us", interval))}, nil
}

func (s *onCluster) stampedRound(ctx context.Context) (rig.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	delays, errs := make([][]time.Duration, stamped), make([]error, stamped)
	var wg sync.WaitGroup
	for i := range stamped {
		wg.Go(func() { delays[i], errs[i] = s.stamped(ctx) })
	}
	wg.Wait()
	var all []time.Duration
	for _, d := range delays {
		all = append(all, d...)
	}
	if err := rig.FirstOf(errs); err != nil {
		return rig.Sample{}, err
	}
	return rig.Sample{P50: rig.Quantile(all, 0.5), P99: rig.Quantile(all, 0.99)}, nil
}

// stamped runs a job that writes when it began and ended, and answers how long after that it was seen.
func (s *onCluster) stamped(ctx context.Context) ([]time.Duration, error) {
	dir, err := os.MkdirTemp(s.counts, "stamp-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "at")
	params, err := structpb.NewStruct(map[string]any{"file": file})
	if err != nil {
		return nil, err
	}
	res, err := s.Clients.Jobs(0).Submit(ctx, &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Stamp", Parameters: params}})
	if err != nil {
		return nil, err
	}
	w, err := s.Clients.Jobs(0).WatchStatus(ctx, &jobsv1.WatchStatusRequest{
		Id: res.GetJob().GetId(), AfterCursor: res.GetCursor(), UntilFinal: true,
	})
	if err != nil {
		return nil, err
	}
	var ran, ended time.Time
	for ended.IsZero() {
		m, err := w.Recv()
		if err != nil {
			return nil, err
		}
		switch now := time.Now(); m.GetJob().GetState() {
		case jobsv1.State_STATE_RUNNING:
			if ran.IsZero() {
				ran = now
			}
		case jobsv1.State_STATE_COMPLETED:
			ended = now
		case jobsv1.State_STATE_FAILED, jobsv1.State_STATE_CANCELLED:
			return nil, fmt.Errorf("job %s: %s", m.GetJob().GetId(), m.GetJob().GetMessage())
		default:
		}
	}
	if ran.IsZero() {
		ran = ended
	}
	began, err := stampIn(file + ".begin")
	if err != nil {
		return nil, err
	}
	over, err := stampIn(file + ".end")
	return []time.Duration{ran.Sub(began), ended.Sub(over)}, err
}

func stampIn(file string) (time.Time, error) {
	b, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return time.Time{}, err
	}
	seconds, nanos, _ := strings.Cut(strings.TrimSpace(string(b)), ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	n, err := strconv.ParseInt(nanos, 10, 64)
	return time.Unix(s, n), err
}
