// Command bench measures rows of the table of performance targets: a row is
// printed only when both of its sides, what stintd does and the machine's own limit, were measured in
// the same run.
//
// stintd is the real binary in a process of its own, over its real port, with tokens on. The limit is the
// least that could do the same work: an empty gRPC echo server in a process of its own (this binary again,
// as `bench echo`), a bare commit, a bare read of the same file. The sides take turns in at least three rounds.
//
// It ends with exit code 1 only when something could not be measured, never for a figure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
)

func main() { os.Exit(rig.Main("bench", run)) }

// options is what the command line says.
type options struct {
	rows     string
	without  string
	quick    bool
	write    bool
	jobs     int
	rounds   int
	duration time.Duration
	conns    int
	timeout  time.Duration
	stintd   string
	dir      string
	command  string // as it was typed, for the report
}

func run(ctx context.Context, args []string) error {
	if done, err := other(ctx, args); done {
		return err
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	chosen, err := choose(o.rows, o.without)
	if err != nil {
		return err
	}
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer l.close()
	rep := newReport(o, l.dir)
	var failed []error
	for _, e := range chosen {
		results, err := e.run(ctx, l)
		if err != nil {
			err = fmt.Errorf("rows %s: %w", strings.Join(e.rows, ", "), err)
			fmt.Fprintln(os.Stderr, "bench:", err)
			failed = append(failed, err)
		}
		rep.add(o, results)
	}
	rep.end()
	rep.print(os.Stdout)
	if o.write && len(failed) == 0 {
		failed = append(failed, rep.write("bench"))
	}
	return errors.Join(failed...)
}

// other is what this program does besides: what it is called for in processes of its own, for the sides of a row, and the soak.
func other(ctx context.Context, args []string) (done bool, err error) {
	switch {
	case len(args) == 1 && args[0] == "echo":
		return true, serveEcho(ctx)
	case len(args) == 2 && args[0] == "headers":
		return true, readHeaders(args[1])
	case len(args) == 3 && args[0] == "life":
		return true, live(ctx, args[1], args[2], os.Stdout)
	case len(args) > 0 && args[0] == "growth":
		return true, growth(ctx, args[1:])
	case len(args) > 0 && args[0] == "soak":
		return true, soak(ctx, args[1:])
	default:
		return false, nil
	}
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.rows, "row", "", "rows to measure, separated by commas; empty means all that there are")
	f.StringVar(&o.without, "without", "", "rows to leave out, separated by commas")
	f.BoolVar(&o.quick, "quick", false, "short rounds and a tenth of the jobs and watchers")
	f.BoolVar(&o.write, "write", false, "write bench/RESULTS.md and bench/results.json")
	f.IntVar(&o.jobs, "jobs", 0, "jobs stored for the rows about many; 0 means 1,000,000, or 30,000 with -quick")
	f.IntVar(&o.rounds, "rounds", 0, "rounds; 0 means 5, or 3 with -quick; at least 3")
	f.DurationVar(&o.duration, "time", 0, "time of one side in one round; 0 means 2.5s, or 400ms with -quick")
	f.IntVar(&o.conns, "conns", 1, "connections that the callers share, on both sides")
	f.DurationVar(&o.timeout, "timeout", 0, "when to give up; 0 means 30m, or 5m with -quick")
	f.StringVar(&o.stintd, "stintd", "bin/stintd", "the binary to measure; `make bench` builds it first")
	f.StringVar(&o.dir, "dir", os.TempDir(), "folder on the disk to measure")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	if o.quick {
		setDefault(&o.jobs, 30_000)
		setDefault(&o.rounds, 3)
		setDefault(&o.duration, 400*time.Millisecond)
		setDefault(&o.timeout, 5*time.Minute)
	}
	setDefault(&o.jobs, 1_000_000)
	setDefault(&o.rounds, 5)
	setDefault(&o.duration, 2500*time.Millisecond)
	setDefault(&o.timeout, 30*time.Minute)
	if o.rounds < 3 || o.jobs < smallStore || o.conns < 1 {
		return o, fmt.Errorf("at least 3 rounds, %d jobs and 1 connection are needed", smallStore)
	}
	o.command = strings.Join(append([]string{"go run ./bench"}, args...), " ")
	var err error
	o.stintd, err = filepath.Abs(o.stintd)
	return o, err
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// choose answers the experiments that measure the rows; an empty list of wanted ones means all.
func choose(wanted, without string) ([]experiment, error) {
	list := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }
	var chosen []experiment
	known := map[string]bool{}
	for _, e := range experiments() {
		use := false
		for _, r := range e.rows {
			known[r] = true
			use = use || (wanted == "" || slices.Contains(list(wanted), r)) && !slices.Contains(list(without), r)
		}
		if use {
			chosen = append(chosen, e)
		}
	}
	for _, r := range append(list(wanted), list(without)...) {
		if !known[r] {
			return nil, fmt.Errorf("there is no row %q", r)
		}
	}
	return chosen, nil
}
