package batch

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// snapshot is what the polls have shown so far. It is replaced, never changed.
type snapshot struct {
	began  time.Time        // when the latest good poll began; zero before the first
	streak time.Time        // when the first of the unbroken series of good polls up to it began; see bridged
	rows   map[string][]Row // our jobs by their name, as that poll showed them
	broken bool             // polls have failed since
	lost   bool             // and all of them because their answers did not arrive whole
	first  time.Time        // when the first good poll began
}

// poller asks about all jobs of the cluster at once, again and again,
// and tells everybody who follows one that there is news.
type poller struct {
	Pace
	ask  func(ctx context.Context) ([]Row, error)
	mine string // what our names begin with

	mu        sync.Mutex
	snapshot  snapshot
	followers map[chan struct{}]struct{}
	hints     hints
	hotUntil  time.Time     // until then it polls at its fastest
	changed   chan struct{} // wakes the loop when it should think about its pace again
	unsure    bool          // what the cluster is has to be found out before the next poll
	failures  int           // in a row
	firstFail time.Time     // of them
	lastErr   error
	ended     time.Time     // of the latest poll, good or not
	took      time.Duration // by it, if it was good
	longest   time.Duration // between two polls, so that no end is missed; zero means any
}

func newPoller(p Pace, install string, ask func(ctx context.Context) ([]Row, error)) *poller {
	return &poller{
		Pace: p, ask: ask, mine: prefix(install),
		followers: make(map[chan struct{}]struct{}), changed: make(chan struct{}, 1), unsure: true,
	}
}

// follow returns a channel that gets a signal after every poll. The first poll comes soon.
func (p *poller) follow() (news chan struct{}, done func()) {
	news = make(chan struct{}, 1)
	p.mu.Lock()
	p.followers[news] = struct{}{}
	fresh := time.Since(p.ended) < p.Fastest && !p.snapshot.broken
	p.mu.Unlock()
	if !fresh {
		p.hasten()
	}
	return news, func() {
		p.mu.Lock()
		delete(p.followers, news)
		p.mu.Unlock()
	}
}

// hasten makes the next polls come quickly for a while: something is about to change.
func (p *poller) hasten() {
	p.mu.Lock()
	p.hotUntil = time.Now().Add(p.Hot)
	p.mu.Unlock()
	signal(p.changed)
}

// now is what is known, and since when the cluster cannot be reached; zero while it can.
func (p *poller) now() (snapshot, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.snapshot, p.unreachableLocked()
}

// failuresShown is how many polls in a row must fail before the cluster is called unreachable.
const failuresShown = 3

func (p *poller) unreachableLocked() time.Time {
	if p.failures < failuresShown {
		return time.Time{}
	}
	return p.firstFail
}

// probeFirst makes it be found out what the cluster is, before a poll that comes soon.
func (p *poller) probeFirst() {
	p.mu.Lock()
	p.unsure = true
	p.mu.Unlock()
	p.hasten()
}

// wasUnsure reports whether it has to be found out, which the caller does then.
func (p *poller) wasUnsure() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	unsure := p.unsure
	p.unsure = false
	return unsure
}

// run polls until ctx ends. before is called before each poll that follows a failure, before the first, and on demand.
func (p *poller) run(ctx context.Context, before func(context.Context)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.changed:
			timer.Reset(max(0, time.Until(p.due())))
			continue
		case <-timer.C:
		}
		if p.wasUnsure() {
			before(ctx)
		}
		p.poll(ctx)
		timer.Reset(max(0, time.Until(p.due())))
	}
}

// poll asks once.
func (p *poller) poll(ctx context.Context) {
	began := time.Now()
	rows, err := p.ask(ctx)
	if ctx.Err() != nil {
		return // on the way out; says nothing about the cluster
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.took = time.Now(), 0
	if err != nil {
		if p.failures++; p.failures == 1 {
			p.firstFail = began
		}
		p.lastErr = err
		p.snapshot.lost = errors.Is(err, ErrBroken) && (p.snapshot.lost || !p.snapshot.broken)
		p.snapshot.broken, p.unsure = true, true
	} else {
		v := snapshot{began: began, streak: p.snapshot.streak, first: p.snapshot.first, rows: make(map[string][]Row)}
		if v.first.IsZero() {
			v.first = began
		}
		if v.streak.IsZero() || p.snapshot.broken && !p.bridged(began) {
			v.streak = began
		}
		for _, r := range rows {
			if strings.HasPrefix(r.Name, p.mine) {
				v.rows[r.Name] = append(v.rows[r.Name], r)
			}
		}
		p.snapshot, p.failures, p.lastErr = v, 0, nil
		p.took = p.ended.Sub(began)
	}
	p.hints.polled(began, time.Duration(p.Rest)*p.took, p.snapshot.rows)
	for news := range p.followers {
		signal(news)
	}
}

// bridged reports whether failed polls do not end the unbroken series: the connection lost their answers,
// and the good polls before and after them are so near to each other that the cluster itself was well.
func (p *poller) bridged(began time.Time) bool {
	const polls = 3
	return p.snapshot.lost && began.Sub(p.snapshot.began) <= polls*p.Usual
}

// due is when the next poll is to begin. A slow cluster is asked less often,
// but never so seldom that an end could be missed.
func (p *poller) due() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := p.Idle
	switch {
	case time.Now().Before(p.hotUntil):
		wait = p.Fastest
	case len(p.followers) > 0 || p.failures > 0:
		wait = p.Usual
	}
	wait = min(max(wait, time.Duration(p.Rest)*p.took), max(p.Idle, p.Usual))
	if p.longest > 0 && len(p.followers) > 0 {
		wait = min(wait, max(p.longest, p.Fastest))
	}
	due := p.ended.Add(wait)
	if at, ok := p.hints.next(p.ended, p.took); ok && at.Before(due) {
		return at
	}
	return due
}

// next waits for a good poll that begins from now on.
func (p *poller) next(ctx context.Context) (snapshot, error) {
	from := time.Now()
	news, done := p.follow()
	defer done()
	for failures := 0; ; {
		p.hasten()
		select {
		case <-ctx.Done():
			return snapshot{}, ctx.Err()
		case <-news:
		}
		p.mu.Lock()
		v, err := p.snapshot, p.lastErr
		p.mu.Unlock()
		if err == nil && v.began.After(from) {
			return v, nil
		}
		if failures++; err != nil && failures >= failuresShown {
			return snapshot{}, err
		}
	}
}

// signal says that there is news; one signal stands for many.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
