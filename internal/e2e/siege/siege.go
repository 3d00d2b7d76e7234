// Package siege attacks a server in the ways that its limits are for, from many addresses at once,
// and counts what came of it. It belongs to a test, which runs it as a process of its own in a
// network namespace where all addresses of Plan.Network are the machine's.
package siege

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Plan says what is attacked.
type Plan struct {
	// Address is the server's, as HOST:PORT.
	Address string `json:"address"`
	// Network is the first two numbers of the addresses that the attacks come from, such as "10.99".
	Network string `json:"network"`
	// Tokens are API tokens of attackers who have an account, one for each of them.
	Tokens []string `json:"tokens"`
	// Job is the id of a job of the first attacker that has ended.
	Job string `json:"job"`
	// Filter is the costliest filter that the server takes.
	Filter string `json:"filter"`
}

// Tally is what came of one kind of attack.
type Tally struct {
	// Tried is how many calls, requests and connections there were.
	Tried int `json:"tried"`
	// Served is how many of them the server did as it was asked.
	Served int `json:"served"`
	// Refused is how many it refused, by the canonical code, such as "UNAUTHENTICATED".
	Refused map[string]int `json:"refused,omitempty"`
	// Reasons is the same by the reason in the details of the error.
	Reasons map[string]int `json:"reasons,omitempty"`
	// Unseen is how many had another end, or one that the attacker did not wait for.
	Unseen int `json:"unseen"`
}

// TurnedAway is the reason of connections that the server closes before anything is said.
const TurnedAway = "connection closed at once"

// Report has the tallies by the names of the attacks.
type Report map[string]*Tally

// Codes is how many calls were refused with a code.
func (r Report) Codes(code string) (refused int) {
	for _, t := range r {
		refused += t.Refused[code]
	}
	return refused
}

// Reasons is how many calls were refused for a reason.
func (r Report) Reasons(reason string) (refused int) {
	for _, t := range r {
		refused += t.Reasons[reason]
	}
	return refused
}

// Unseen is how many calls had an end that no attacker saw.
func (r Report) Unseen() (unseen int) {
	for _, t := range r {
		unseen += t.Unseen
	}
	return unseen
}

// Names are the names of the attacks, sorted.
func (r Report) Names() []string { return slices.Sorted(maps.Keys(r)) }

// attack is one kind of attack.
type attack struct {
	name string
	// workers is how many do it at a time.
	workers int
	// every is the least time between the starts of two steps of a worker.
	every time.Duration
	// start makes a worker's step, which is repeated until the siege ends.
	start func(w *worker) (step func(ctx context.Context))
}

// attacks are all kinds. The figures are chosen so that each goes beyond what it attacks, and all
// together stay within what two cores can send beside the server.
var attacks = []attack{
	{"calls of strangers", 8, 2 * time.Millisecond, strangerCalls},
	{"requests of strangers", 8, 2 * time.Millisecond, strangerRequests},
	{"large bodies of strangers", 2, 20 * time.Millisecond, strangerBodies},
	{"guessed tokens", 4, 2 * time.Millisecond, guesses},
	{"expensive filters", 4, 0, filters},
	{"full pages", 4, 0, fullPages},
	{"uploads", 4, 0, uploads},
	{"reports", 2, time.Millisecond, reports},
	{"watches", 4, 0, watches},
	{"cheap calls", 4, 0, cheapCalls},
	{"slow connections", 2, 20 * time.Millisecond, slowConnections},
	{"broken connections", 4, 2 * time.Millisecond, brokenConnections},
	{"streams that are reset", 2, 100 * time.Millisecond, resetStreams},
	{"connections of one address", 2, time.Millisecond, manyConnections},
}

// Run attacks until ctx ends, and returns what came of it.
func Run(ctx context.Context, p Plan) Report {
	report := make(Report)
	var all sync.WaitGroup
	for n, a := range attacks {
		t := &tally{Tally: Tally{Refused: make(map[string]int), Reasons: make(map[string]int)}}
		report[a.name] = &t.Tally
		for i := range a.workers {
			w := &worker{Plan: p, tally: t, attack: n + 1, number: i}
			all.Go(func() {
				defer w.close()
				repeat(ctx, a.every, a.start(w))
			})
		}
	}
	all.Wait()
	return report
}

// repeat calls step again and again until ctx ends, at most once in a while.
func repeat(ctx context.Context, every time.Duration, step func(context.Context)) {
	for ctx.Err() == nil {
		begin := time.Now()
		step(ctx)
		wait(ctx, every-time.Since(begin))
	}
}

// wait waits for a while, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
