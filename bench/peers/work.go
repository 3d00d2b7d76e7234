package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/stint-jobs/stint/bench/rig"
)

const (
	batchSize = 100
	pageSize  = 50
)

// payload is what a job of a peer carries: as much as a job of stintd's on the wire, which says more than its parameters.
var payload = strings.Repeat("/home/reads/sample_R1.fastq.gz,", 19)

// errLacks is what a peer answers to what it cannot do.
var errLacks = errors.New("it has no such call")

// peer is a system that runs. Its methods are called by many at a time.
type peer interface {
	// submit hands over one job; it is durable when that returns.
	submit(ctx context.Context) error
	// batch hands over batchSize jobs.
	batch(ctx context.Context) error
	// get reads one of the jobs that were submitted.
	get(ctx context.Context) error
	// list reads the first pageSize jobs that wait.
	list(ctx context.Context) error
}

// contender is a peer and what there is to say of it.
type contender struct {
	name    string
	how     string // what makes it durable, and what its calls are
	start   func(ctx context.Context, l *lab) (peer, *rig.Process, error)
	version func(l *lab) string
	peer    peer
	process *rig.Process
}

// work is something that all do.
type work struct {
	name    string
	callers int
	weight  int // jobs a call
	do      func(p peer, ctx context.Context) error
}

var works = []work{
	{"submit, 1 caller", 1, 1, peer.submit},
	{"submit, 16 callers", 16, 1, peer.submit},
	{"submit, 256 callers", 256, 1, peer.submit},
	{fmt.Sprintf("batches of %d, 4 callers", batchSize), 4, batchSize, peer.batch},
	{"get, 256 callers", 256, 1, peer.get},
	{fmt.Sprintf("list %d, 16 callers", pageSize), 16, 1, peer.list},
}

// measure has everybody who can do the work in turns.
func (w work) measure(ctx context.Context, o options, all []contender) (line, error) {
	var able []contender
	var sides []rig.Side
	for _, c := range all {
		if err := w.do(c.peer, ctx); errors.Is(err, errLacks) {
			continue
		} else if err != nil {
			return line{}, fmt.Errorf("%s: %w", c.name, err)
		}
		load := rig.Load{
			Callers: w.callers, Duration: o.duration, Weight: w.weight, Processor: c.process.ProcessorOfAll,
			Call: func(ctx context.Context, _ int) error { return w.do(c.peer, ctx) },
		}
		able, sides = append(able, c), append(sides, rig.Side{Name: c.name, Run: load.Run})
	}
	samples, err := rig.Rounds(ctx, o.rounds, sides...)
	if err != nil {
		return line{}, err
	}
	ln := line{Work: w.name, Peers: make(map[string]figures)}
	for i, c := range able {
		ln.Peers[c.name] = figures{
			Rate: rig.Pick(samples[i], rig.Rate).Spread(), P50: rig.Pick(samples[i], rig.P50).Spread(), CPU: rig.Pick(samples[i], rig.CPU).Spread(),
		}
	}
	return ln, nil
}

// kept are things to read again, of those that were submitted.
type kept[T any] struct {
	mu   sync.Mutex
	list []T
	next int
}

// keptMost bounds what is remembered.
const keptMost = 10_000

func (k *kept[T]) add(one T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.list) < keptMost {
		k.list = append(k.list, one)
	}
}

// one answers them in turn. Something must have been added.
func (k *kept[T]) one() T {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next++
	return k.list[k.next%len(k.list)]
}

// full is an error for a page that is not.
func full(n int, err error) error {
	if err == nil && n != pageSize {
		return fmt.Errorf("a page has %d jobs instead of %d", n, pageSize)
	}
	return err
}
