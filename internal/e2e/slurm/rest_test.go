package slurm_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/slurm"
	"github.com/stint-jobs/stint/internal/executor/slurm/slurmtest"
	"github.com/stint-jobs/stint/internal/job"
)

// testThousand checks that a thousand jobs cost as many polls as one.
func testThousand(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	const many = 1000
	l := newLab(t, c)
	journal := filepath.Join(t.TempDir(), "journal")
	l.change = func(cfg *slurm.Config) {
		for _, name := range []string{"squeue", "sacct"} {
			cfg.Commands[name] = script(t, `begin=$(date +%s%N); `+name+` "$@"; status=$?; echo "`+name+` $begin $(date +%s%N)" >>'`+journal+`'; exit $status`)
		}
	}
	ex, stop := running(t, l.config())
	began := time.Now()
	l.bringAll(ex, many, always(order{script: counted}), zero)
	took := time.Since(began)
	stop()
	data, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	calls := make(map[string][][2]int64)
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		from, errFrom := strconv.ParseInt(f[1], 10, 64)
		to, errTo := strconv.ParseInt(f[2], 10, 64)
		if err := errors.Join(errFrom, errTo); err != nil {
			t.Fatal(err)
		}
		calls[f[0]] = append(calls[f[0]], [2]int64{from, to})
	}
	for name, spans := range calls {
		slices.SortFunc(spans, func(a, b [2]int64) int { return int(a[0] - b[0]) })
		for i := 1; i < len(spans); i++ {
			if spans[i][0] < spans[i-1][1] {
				t.Errorf("two %s at the same time", name)
			}
		}
		t.Logf("%d %s for %d jobs in %v", len(spans), name, many, took.Round(time.Second))
		// The pace allows for so many, whatever the number of jobs; each poll takes its time besides.
		if most := int(took/(300*time.Millisecond)) + 10; len(spans) > most {
			t.Errorf("%d %s in %v: more than the pace of %d", len(spans), name, took, most)
		}
	}
}

// testNetwork cuts a node off and heals the cut.
func testNetwork(t *testing.T, c *slurmtest.Cluster) {
	t.Helper()
	const wait = `echo began >>"$JOB/began"; while [ ! -e "$JOB/go" ]; do sleep 0.1; done; echo done >>"$JOB/done"`
	node := c.NodePrefix() + "2"
	l := newLab(t, c)
	l.change = func(cfg *slurm.Config) {
		cfg.Services["There"] = slurm.Options{Extra: []string{"--nodelist=" + node}}
		cfg.Patience.Confirm = 30 * time.Second
	}
	ex, _ := running(t, l.config())
	ended, lost := nextJob(), nextJob()
	var follows []*follow
	for _, id := range []job.ID{ended, lost} {
		h, err := ex.Start(t.Context(), l.task(id, 1, order{script: wait, service: "There"}))
		if err != nil {
			t.Fatal(err)
		}
		f := l.follow(ex, h)
		f.untilRunning()
		l.untilFile(id, "began")
		follows = append(follows, f)
	}
	c.CutNode(2, true)
	// One ends by itself behind the cut, before Slurm gives the node up: its result counts.
	release := func(id job.ID) {
		if err := os.WriteFile(filepath.Join(l.root.Job(id).Path(), "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	release(ended)
	follows[0].want(byItself, 0, 0, "")
	// The other is still at it, as far as Slurm knows nowhere: it is begun anew, elsewhere.
	follows[1].want(jobsv1.Reason_REASON_NODE_FAILED, -1, 0, node)
	h, err := ex.Start(t.Context(), l.task(lost, 2, order{script: `echo second >"$JOB/second"`}))
	if err != nil {
		t.Fatal(err)
	}
	l.follow(ex, h).want(byItself, 0, 0, "")
	// When the node is back, what the first attempt does there changes nothing any more.
	c.CutNode(2, false)
	release(lost)
	c.Until("node "+node+" to be back", func() bool {
		out, _ := c.Try("sinfo", "-h", "-n", node, "-o", "%T")
		return out == "idle"
	})
	h, err = ex.Start(t.Context(), l.task(nextJob(), 1, order{script: "exit 5", service: "There"}))
	if err != nil {
		t.Fatal(err)
	}
	if x := l.follow(ex, h).want(byItself, 5, 0, ""); x.Node != node {
		t.Errorf("ran on %s", x.Node)
	}
	l.follow(ex, follows[1].handle).want(jobsv1.Reason_REASON_NODE_FAILED, -1, 0, node)
}
