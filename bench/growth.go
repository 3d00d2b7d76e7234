package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// growthSizes are the stores that the study compares.
const growthSizes = "10000,100000,1000000,5000000"

// grown is what was measured with so many jobs. Times are medians in microseconds.
type grown struct {
	Jobs    int                `json:"jobs"`
	Figures map[string]float64 `json:"figures"`
}

// growthReport is bench/growth.json; bench/plot draws it.
type growthReport struct {
	Conditions []string `json:"conditions"`
	Command    string   `json:"command"`
	// Names are the figures in the order of their rows, with their units in parentheses.
	Names []string `json:"names"`
	Sizes []grown  `json:"sizes"`
}

// growth measures the same on stores of growing size.
func growth(ctx context.Context, args []string) error {
	o := options{conns: 1, rounds: 3}
	var sizes string
	f := flag.NewFlagSet("bench growth", flag.ContinueOnError)
	f.StringVar(&sizes, "jobs", growthSizes, "jobs of each store, separated by commas")
	f.DurationVar(&o.duration, "time", 2*time.Second, "time of each measurement")
	f.StringVar(&o.stintd, "stintd", "bin/stintd", "the binary to measure")
	f.StringVar(&o.dir, "dir", os.TempDir(), "folder on the disk to measure")
	f.BoolVar(&o.write, "write", false, "write bench/GROWTH.md and bench/growth.json too")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.command = strings.Join(append([]string{"go run ./bench growth"}, args...), " ")
	var err error
	if o.stintd, err = filepath.Abs(o.stintd); err != nil {
		return err
	}
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer l.close()
	machine := rig.NewMachine(o.stintd, l.dir)
	rep := &growthReport{Command: o.command}
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < smallStore {
			return fmt.Errorf("-jobs: %q is no number from %d", text, smallStore)
		}
		g := &grower{lab: l, n: n, rep: rep, figures: map[string]float64{}}
		if err := g.measure(ctx); err != nil {
			return fmt.Errorf("%d jobs: %w", n, err)
		}
		rep.Sizes = append(rep.Sizes, grown{n, g.figures})
		if err := os.RemoveAll(l.stores[n]); err != nil { // the next may need the room
			return err
		}
		fmt.Fprintf(os.Stderr, "bench: %d jobs measured\n", n)
	}
	machine.Done()
	rep.Conditions = machine.Lines()
	rep.print(os.Stdout)
	if !o.write {
		return nil
	}
	return rep.write("bench")
}

// grower measures one store.
type grower struct {
	*lab
	n       int
	rep     *growthReport
	figures map[string]float64
}

func (g *grower) note(name string, value float64) {
	if len(g.rep.Sizes) == 0 {
		g.rep.Names = append(g.rep.Names, name)
	}
	g.figures[name] = value
}

func (g *grower) measure(ctx context.Context) error {
	begin := time.Now()
	data, err := g.stored(ctx, g.n)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "bench: %d jobs stored in %v\n", g.n, time.Since(begin).Round(time.Second))
	info, err := os.Stat(databaseOf(data))
	if err != nil {
		return err
	}
	g.note("file (B/job)", float64(info.Size())/float64(g.n))
	if err := g.starts(ctx, data); err != nil {
		return err
	}
	empty, err := g.newData()
	if err != nil {
		return err
	}
	base, err := g.memoryOf(ctx, empty)
	if err != nil {
		return err
	}
	s, err := g.serve(ctx, data)
	if err != nil {
		return err
	}
	defer s.Stop()
	if err := rig.Wait(ctx, settle); err != nil {
		return err
	}
	memory, err := s.Anonymous()
	if err != nil {
		return err
	}
	g.note("memory (MB)", memory/1e6)
	g.note("memory above an empty server (B/job)", (memory-base)/float64(g.n))
	return g.calls(ctx, s)
}

func (g *grower) starts(ctx context.Context, data string) error {
	var warm, cold rig.Series
	for range g.rounds {
		s, err := g.startOn(ctx, data)
		if err != nil {
			return err
		}
		warm = append(warm, s.P50)
		if err := dropCache(databaseOf(data)); err != nil {
			return err
		}
		if s, err = g.startOn(ctx, data); err != nil {
			return err
		}
		cold = append(cold, s.P50)
	}
	g.note("start, warm (us)", warm.Median())
	g.note("start, cold (us)", cold.Median())
	return nil
}

func (g *grower) calls(ctx context.Context, s *stintd) error {
	at := *g.lab
	at.jobs = g.n // where Get looks
	p50s := func(name string, run rig.Side) error {
		v, err := run.Run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		g.note(name+" p50 (us)", v.P50)
		return nil
	}
	if err := p50s("Get", getSide(&at, s, 1)); err != nil {
		return err
	}
	first, err := s.firstList(ctx)
	if err != nil {
		return err
	}
	g.note("first List with a new filter (us)", first)
	for _, filter := range append([]string{""}, filters()...) {
		if err := p50s(strings.TrimSpace("List "+filter), listSide(&at, s, filter)); err != nil {
			return err
		}
	}
	if err := p50s("Summarize", rig.Side{Name: "Summarize", Run: rig.Load{Callers: 1, Duration: g.duration, Call: func(ctx context.Context, i int) error {
		_, err := s.Clients.Jobs(i).Summarize(ctx, &jobsv1.SummarizeRequest{Owner: "*"})
		return err
	}}.Run}); err != nil {
		return err
	}
	if err := s.Hold(ctx, g.pipe.Name()); err != nil {
		return err
	}
	if err := p50s("Submit to its watcher", rig.Side{Name: "watch", Run: g.oneByOne(s.toWatcher)}); err != nil {
		return err
	}
	p := &pair{l: g.lab, stintd: s, requests: newSubmits()}
	if err := p50s("Submit at 1", p.submitSide(1)); err != nil {
		return err
	}
	many, err := p.submitSide(many).Run(ctx)
	if err != nil {
		return err
	}
	g.note("Submit at 256 (/s)", many.Rate)
	return nil
}

// firstList is a list with a filter that nobody has asked before, in microseconds.
func (s *stintd) firstList(ctx context.Context) (float64, error) {
	begin := time.Now()
	_, err := s.Clients.Jobs(0).List(ctx, &jobsv1.ListRequest{Owner: "*", PageSize: 50, Filter: `output_name = "*77-phage" AND exit_code = 0`})
	return float64(time.Since(begin).Microseconds()), err
}

// toWatcher submits a job and answers when a watcher of the owner's jobs, who was there before, has seen it.
func (s *stintd) toWatcher(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := watchOwner(func(int) string { return rig.User })(ctx, s.Clients.Conn(0), 0)
	if err != nil {
		return 0, err
	}
	if err := rig.Wait(ctx, between); err != nil { // after a silence it is told at once
		return 0, err
	}
	begin := time.Now()
	res, err := s.Clients.Jobs(0).Submit(ctx, &jobsv1.SubmitRequest{Job: rig.Job(0)})
	if err != nil {
		return 0, err
	}
	for {
		m, err := w.Recv()
		if err != nil {
			return 0, err
		}
		if m.GetJob().GetId() == res.GetJob().GetId() {
			return time.Since(begin), nil
		}
	}
}

func (r *growthReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", strings.Join(r.Conditions, "\n"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "jobs")
	for _, s := range r.Sizes {
		fmt.Fprintf(t, "\t%d", s.Jobs)
	}
	for _, name := range r.Names {
		fmt.Fprintf(t, "\n%s", name)
		for _, s := range r.Sizes {
			fmt.Fprintf(t, "\t%s", rig.Number(s.Figures[name]))
		}
	}
	fmt.Fprintln(t)
	_ = t.Flush()
}

func (r *growthReport) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "growth.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	var text strings.Builder
	r.print(&text)
	return os.WriteFile(filepath.Join(dir, "GROWTH.md"),
		[]byte("# What grows with the number of stored jobs\n\n    "+r.Command+"\n\n```\n"+text.String()+"```\n\n![](growth.svg)\n"), 0o644)
}
