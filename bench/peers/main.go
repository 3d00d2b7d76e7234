// Command peers lets stintd and systems of its kind do the same work, side by
// side: submit jobs of some 600 bytes, each durable before it is acknowledged,
// get one by its id, list a page of those that wait.
//
// Each runs as a process of its own in a temporary folder, and they take turns in at least three rounds.
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

func main() { os.Exit(rig.Main("peers", run)) }

// options is what the command line says.
type options struct {
	rounds   int
	duration time.Duration
	without  string
	write    bool
	root     string // the top of the project
	command  string // as it was typed, for the report
}

func parse(args []string) (options, error) {
	o := options{command: strings.Join(append([]string{"go -C bench/peers run ."}, args...), " ")}
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	quick := f.Bool("quick", false, "half of the time: shows that it runs, no figures to keep")
	f.IntVar(&o.rounds, "rounds", 3, "rounds, at least 3")
	f.DurationVar(&o.duration, "time", 2*time.Second, "how long each does each kind of work in a round")
	f.StringVar(&o.without, "without", "", "peers to leave out, separated by commas: "+strings.Join(names(), ", "))
	f.BoolVar(&o.write, "write", false, "write bench/PEERS.md and bench/peers.json")
	f.StringVar(&o.root, "root", filepath.Join("..", ".."), "the top of the project, with the server to measure in bin")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.duration /= 2
	}
	if f.NArg() > 0 || o.rounds < 3 || o.duration <= 0 {
		return o, errors.New("at least 3 rounds of some time are needed, and nothing but flags")
	}
	root, err := filepath.Abs(o.root)
	o.root = root
	return o, err
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == jetStreamArgument {
		return serveJetStream(ctx, args[1])
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	return compare(ctx, o)
}

// compare brings up all peers, has them do the work, and reports.
func compare(ctx context.Context, o options) (err error) {
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	r := newReport(l)
	for _, c := range contenders {
		if contains(o.without, c.name) {
			continue
		}
		if c.peer, c.process, err = c.start(ctx, l); err != nil {
			return fmt.Errorf("%s: %w (-without %s leaves it out)", c.name, err, c.name)
		}
		r.peers = append(r.peers, c)
	}
	for _, w := range works {
		fmt.Fprintln(os.Stderr, w.name)
		line, err := w.measure(ctx, o, r.peers)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		r.Lines = append(r.Lines, line)
	}
	return r.print()
}

// contains says whether a list of names has one.
func contains(list, name string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(one), name) {
			return true
		}
	}
	return false
}

// lab is a temporary folder and what was begun in it. All ends with close.
type lab struct {
	options
	dir  string
	open []func() error // what ends what was begun, the last first
}

func newLab(o options) (*lab, error) {
	if _, err := os.Stat(o.stintd()); err != nil {
		return nil, fmt.Errorf("the server to measure (`make build` makes it): %w", err)
	}
	// The paths of sockets must be short.
	dir, err := os.MkdirTemp("/tmp", "stint-peers-")
	if err != nil {
		return nil, err
	}
	// PostgreSQL runs as a user of its own, who has to get to its folder.
	return &lab{options: o, dir: dir}, os.Chmod(dir, 0o711) //nolint:gosec // temporary, and said why
}

func (l *lab) later(end func() error) { l.open = append(l.open, end) }

func (l *lab) close() error {
	var errs []error
	for _, end := range slices.Backward(l.open) {
		errs = append(errs, end())
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// start runs a server that ends with the lab. What it writes goes to a file of that name.
func (l *lab) start(ctx context.Context, name string, c rig.Command) (*rig.Process, error) {
	c.Log = l.log(name)
	p, err := rig.Start(ctx, c)
	if err == nil {
		l.later(func() error { p.Stop(); return nil })
	}
	return p, err
}

func (l *lab) log(name string) string { return filepath.Join(l.dir, name+".log") }

// stintd is the server to measure.
func (o options) stintd() string { return filepath.Join(o.root, "bin", "stintd") }

// folder makes an empty folder for a peer.
func (l *lab) folder(name string) (string, error) {
	dir := filepath.Join(l.dir, name)
	return dir, os.Mkdir(dir, 0o700)
}
