package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// soakOptions is what `bench soak` does.
type soakOptions struct {
	options
	watchers, submitters int
	rate                 int // submits a second of all together
	length, every        time.Duration
}

// soak has many watchers, submitters and stored jobs at once for some minutes, and
// shows what grows. It fails when any call failed or any watch ended.
func soak(ctx context.Context, args []string) error {
	o := soakOptions{options: options{conns: 4, rounds: 3}}
	f := flag.NewFlagSet("bench soak", flag.ContinueOnError)
	f.IntVar(&o.watchers, "watchers", watchers, "streams, each of the jobs of an owner of its own")
	f.IntVar(&o.submitters, "submitters", many, "callers of Submit")
	f.IntVar(&o.rate, "rate", 2000, "submits a second of all callers together; the store grows by as many")
	f.IntVar(&o.jobs, "jobs", targetJobs, "jobs stored before")
	f.DurationVar(&o.length, "time", 5*time.Minute, "how long")
	f.DurationVar(&o.every, "every", 15*time.Second, "how often to look")
	f.StringVar(&o.stintd, "stintd", "bin/stintd", "the binary to measure")
	f.StringVar(&o.dir, "dir", os.TempDir(), "folder on the disk to measure")
	f.BoolVar(&o.write, "write", false, "write bench/SOAK.md too")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.command = strings.Join(append([]string{"go run ./bench soak"}, args...), " ")
	var err error
	if o.stintd, err = filepath.Abs(o.stintd); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.length+20*time.Minute)
	defer cancel()
	l, err := newLab(o.options)
	if err != nil {
		return err
	}
	defer l.close()
	b := &bath{soakOptions: o, lab: l}
	if err := b.run(ctx); err != nil {
		return err
	}
	b.print(os.Stdout)
	if !o.write {
		return b.failure()
	}
	var text strings.Builder
	b.print(&text)
	return errors.Join(b.failure(), os.WriteFile(filepath.Join("bench", "SOAK.md"), []byte("# Soak\n\n    "+o.command+"\n\n```\n"+text.String()+"```\n"), 0o644))
}

// bath is one run of soak.
type bath struct {
	soakOptions
	lab    *lab
	server *stintd
	looks  []look
	errors atomic.Int64
	first  atomic.Pointer[error]

	mu      sync.Mutex
	submits []time.Duration
	changes []time.Duration
	report  *report
}

// look is how the server was at a time.
type look struct {
	at                         time.Duration
	anonymous                  float64
	goroutines, files, submits int
	changes                    int
	submitP99, changeP99       float64
}

func (b *bath) run(ctx context.Context) error {
	data, err := b.lab.stored(ctx, b.jobs)
	if err != nil {
		return err
	}
	if b.server, err = b.lab.serve(ctx, data); err != nil {
		return err
	}
	defer b.server.Stop()
	if err := b.server.Hold(ctx, b.lab.pipe.Name()); err != nil {
		return err
	}
	b.report = newReport(b.options, b.lab.dir)
	open, err := newSwarm(ctx, b.lab.dialer(b.server.Process, b.server.Token), b.watchers, watchOwner(idleOwner))
	if err != nil {
		return err
	}
	defer open.close()
	arrived := b.arrived
	open.late.Store(&arrived)
	submitting, stop := context.WithTimeout(ctx, b.length)
	defer stop()
	var callers sync.WaitGroup
	for i := range b.submitters {
		callers.Go(func() { b.submit(submitting, i) })
	}
	begin := time.Now()
	for submitting.Err() == nil {
		b.look(ctx, time.Since(begin))
		select {
		case <-submitting.Done():
		case <-time.After(b.every):
		case err := <-open.failed:
			b.fail(err)
		}
	}
	callers.Wait()
	b.look(ctx, time.Since(begin))
	b.report.end()
	return ctx.Err()
}

// submit submits for one owner after the other, at its share of the rate.
func (b *bath) submit(ctx context.Context, caller int) {
	pace := time.NewTicker(time.Duration(float64(time.Second) * float64(b.submitters) / float64(b.rate)))
	defer pace.Stop()
	for n := caller; ; n += b.submitters {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		j := rig.Job(n)
		j.Owner = idleOwner(n % b.watchers)
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), rig.CallTimeout)
		begin := time.Now()
		_, err := b.server.Clients.Jobs(caller).Submit(call, &jobsv1.SubmitRequest{Job: j, Reason: "a soak"})
		took := time.Since(begin)
		cancel()
		if err != nil {
			b.fail(fmt.Errorf("submit: %w", err))
			continue
		}
		b.mu.Lock()
		b.submits = append(b.submits, took)
		b.mu.Unlock()
	}
}

// arrived notes how long after its submission a job was seen by the watcher of its owner.
func (b *bath) arrived(m *jobsv1.WatchStatusResponse) {
	took := time.Since(m.GetJob().GetSubmitTime().AsTime())
	b.mu.Lock()
	b.changes = append(b.changes, took)
	b.mu.Unlock()
}

func (b *bath) fail(err error) {
	b.errors.Add(1)
	b.first.CompareAndSwap(nil, &err)
}

func (b *bath) look(ctx context.Context, at time.Duration) {
	v := look{at: at.Round(time.Second)}
	var err error
	if v.anonymous, err = b.server.Anonymous(); err != nil {
		b.fail(err)
	}
	if v.goroutines, err = b.server.goroutines(ctx); err != nil {
		b.fail(err)
	}
	files, err := os.ReadDir("/proc/" + strconv.Itoa(b.server.PID()) + "/fd")
	if err != nil {
		b.fail(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	v.files, v.submits, v.changes = len(files), len(b.submits), len(b.changes)
	if last := len(b.looks); last > 0 {
		v.submitP99 = p99After(b.submits, b.looks[last-1].submits)
		v.changeP99 = p99After(b.changes, b.looks[last-1].changes)
	}
	b.looks = append(b.looks, v)
}

// p99After is of those from the n-th on, in microseconds; 0 of none.
func p99After(d []time.Duration, n int) float64 {
	if n >= len(d) {
		return 0
	}
	return rig.Quantile(append([]time.Duration(nil), d[n:]...), 0.99)
}

// goroutines counts those of the server, by its socket for profiles.
func (s *stintd) goroutines(ctx context.Context) (int, error) {
	body, err := s.debug(ctx, http.MethodGet, "pprof/goroutine?debug=1")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(body, "\n")
	return strconv.Atoi(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]))
}

func (b *bath) failure() error {
	if n := b.errors.Load(); n > 0 {
		return fmt.Errorf("%d errors, the first: %w", n, *b.first.Load())
	}
	return nil
}

func (b *bath) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n%d watchers of as many owners, %d submitters with %d submits a second, %d jobs stored before, %v; errors: %d\n",
		strings.Join(b.report.Lines(), "\n"), b.watchers, b.submitters, b.rate, b.jobs, b.length, b.errors.Load())
	fmt.Fprintf(w, "p99 of all: Submit %.1f ms, from Submit to the watcher %.1f ms (a watcher of an owner reads at most every 200 ms)\n\n",
		p99After(b.submits, 0)/1e3, p99After(b.changes, 0)/1e3)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "after\tsubmits\tchanges seen\tanonymous MB\tgoroutines\tfiles\tSubmit p99 ms\tchange p99 ms\t")
	for _, v := range b.looks {
		fmt.Fprintf(t, "%v\t%d\t%d\t%.0f\t%d\t%d\t%.1f\t%.1f\t\n", v.at, v.submits, v.changes, v.anonymous/1e6, v.goroutines, v.files, v.submitP99/1e3, v.changeP99/1e3)
	}
	_ = t.Flush()
}
