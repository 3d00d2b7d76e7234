package slurm_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
)

// stintd is a real server on the cluster.
type stintd struct {
	binary, data, config, services string
	options                        stintdOptions
	address                        string
	cmd                            *exec.Cmd
	log                            *os.File
	conn                           *grpc.ClientConn
}

// stintdOptions are what is special about a server.
type stintdOptions struct {
	commands map[string]string // of Slurm, by name
	env      []string          // besides the test's own
	flags    []string
	cluster  string // further keys of the cluster, as YAML
}

// newSlowStintd is a server with an sbatch that is slow enough to be surprised by a kill.
func newSlowStintd(t *testing.T, c *slurmtest.Cluster) *stintd {
	t.Helper()
	return newStintd(t, c, stintdOptions{commands: map[string]string{"sbatch": script(t, `sleep 0.2; sbatch "$@"; status=$?; sleep 0.2; exit $status`)}})
}

// newStintd builds the server and starts it.
func newStintd(t *testing.T, c *slurmtest.Cluster, o stintdOptions) *stintd {
	t.Helper()
	dir := t.TempDir()
	s := &stintd{binary: filepath.Join(dir, "stintd"), data: filepath.Join(dir, "data"), config: filepath.Join(dir, "stintd.yaml"), options: o}
	build := exec.CommandContext(t.Context(), "go", "build", "-race", "-buildvcs=false", "-o", s.binary, "github.com/stint-jobs/stint/cmd/stintd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stintd: %v\n%s", err, out)
	}
	var config strings.Builder
	fmt.Fprintf(&config, "executor: slurm\nclusters:\n  slurm:\n    slurm-conf: %s\n    commands:\n", c.Conf)
	for name, path := range o.commands {
		fmt.Fprintf(&config, "      %s: %s\n", name, path)
	}
	config.WriteString(o.cluster)
	var err error
	if s.services, err = filepath.Abs("../testdata/services"); err == nil {
		err = os.WriteFile(s.config, []byte(config.String()), 0o600)
	}
	if err == nil {
		s.log, err = os.Create(filepath.Join(dir, "log"))
	}
	if err == nil {
		err = s.start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(syscall.SIGTERM); err != nil {
			t.Errorf("stintd ended with %v", err)
		}
		log, _ := os.ReadFile(s.log.Name())
		if t.Failed() || strings.Contains(string(log), "DATA RACE") {
			t.Errorf("end of the log of stintd:\n%s", log[max(0, len(log)-5000):])
		}
		s.log.Close()
	})
	return s
}

// start runs the server and waits until it serves.
func (s *stintd) start() error {
	args := append([]string{"--data", s.data, "--listen", "127.0.0.1:0", "--services", s.services, "--config", s.config}, s.options.flags...)
	s.cmd = exec.Command(s.binary, args...)
	s.cmd.Env = append(os.Environ(), s.options.env...)
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return errors.Join(err, s.cmd.Wait())
	}
	s.address = strings.TrimPrefix(strings.TrimSpace(line), "stintd is serving on http://")
	s.conn, err = grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return err
}

// end ends the server. A killed one leaves its sbatch behind, as in life.
func (s *stintd) end(sig syscall.Signal) error {
	s.conn.Close()
	if err := s.cmd.Process.Signal(sig); err != nil {
		return err
	}
	err := s.cmd.Wait()
	if sig == syscall.SIGKILL {
		return nil
	}
	return err
}

// killedAgainAndAgain submits jobs and kills the server while it hands them to
// Slurm. In the end each has run exactly once, in its first attempt.
func (s *stintd) killedAgainAndAgain(ctx context.Context) error {
	const many, kills = 40, 4
	jobs := jobsv1.NewJobServiceClient(s.conn)
	for range many {
		_, err := jobs.Submit(ctx, &jobsv1.SubmitRequest{Job: &jobsv1.Job{
			Service: "Append", Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"seconds": structpb.NewNumberValue(0.1)}},
		}})
		if err != nil {
			return err
		}
	}
	for range kills {
		alive := time.NewTimer(700 * time.Millisecond) // eight sbatch of 0.4 s each are under way all the time
		select {
		case <-alive.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := errors.Join(s.end(syscall.SIGKILL), s.start()); err != nil {
			return err
		}
	}
	jobs = jobsv1.NewJobServiceClient(s.conn)
	if err := untilFinal(ctx, jobs); err != nil {
		return err
	}
	list, err := jobs.List(ctx, &jobsv1.ListRequest{PageSize: many + 1})
	if err != nil {
		return err
	}
	ledger, err := os.ReadFile(filepath.Join(s.data, "runs"))
	if err != nil {
		return err
	}
	runs := make(map[string]int)
	for id := range strings.FieldsSeq(string(ledger)) {
		runs[id]++
	}
	var errs []error
	for _, j := range list.GetJobs() {
		if j.GetState() != jobsv1.State_STATE_COMPLETED || runs[j.GetId()] != 1 {
			errs = append(errs, fmt.Errorf("job %s ran %d times and is %v: %v %q, attempts %v", j.GetId(), runs[j.GetId()], j.GetState(), j.GetReason(), j.GetMessage(), j.GetAttempts()))
		}
	}
	if len(list.GetJobs()) != many {
		errs = append(errs, fmt.Errorf("%d of %d jobs are there", len(list.GetJobs()), many))
	}
	return errors.Join(errs...)
}

// untilFinal waits until no job is queued or running.
func untilFinal(ctx context.Context, jobs jobsv1.JobServiceClient) error {
	stream, err := jobs.WatchStatus(ctx, &jobsv1.WatchStatusRequest{Owner: "*", View: jobsv1.WatchView_WATCH_VIEW_COUNTS})
	if err != nil {
		return err
	}
	var last *jobsv1.Summary
	for {
		m, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("jobs are stuck: %w; last counts %v", err, last)
		}
		if c := m.GetCounts(); c != nil {
			if last = c; c.GetTotal().GetQueued()+c.GetTotal().GetRunning() == 0 {
				return nil
			}
		}
	}
}
