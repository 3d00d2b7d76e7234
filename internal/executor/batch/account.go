package batch

import (
	"context"
	"errors"
	"sync"
	"time"
)

// accountant asks accounting about many attempts at a time, and for none more often than helps.
type accountant struct {
	ask   func(ctx context.Context, q Query) ([]Account, error)
	every time.Duration // between two calls, and before an attempt is asked about again
	chunk int           // attempts a call

	mu      sync.Mutex
	off     bool // the cluster has no accounting
	wanted  map[string]want
	answers map[string]findings // by token, until forgotten
	lastErr error
	wake    chan struct{}
}

// want is an attempt to ask about.
type want struct {
	id    string // asked for by id where it is known, as databases find that faster
	since time.Time
	news  chan struct{}
}

func newAccountant(p Pace, ask func(ctx context.Context, q Query) ([]Account, error)) *accountant {
	return &accountant{
		ask: ask, every: p.Accounting, chunk: 500,
		wanted: make(map[string]want), answers: make(map[string]findings), wake: make(chan struct{}, 1),
	}
}

// ledger is what is known of the attempt.
func (a *accountant) findings(token string) findings {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.answers[token]
	l.off = a.off
	return l
}

// want asks about an attempt, soon; news gets a signal when there is an answer.
func (a *accountant) want(token string, w want) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l, known := a.answers[token]; a.off || known && time.Since(l.asked) < a.every {
		return
	}
	a.wanted[token] = w
	signal(a.wake)
}

// forget drops what is known of an attempt that is over.
func (a *accountant) forget(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.wanted, token)
	delete(a.answers, token)
}

// run asks until ctx ends. After a failure it waits longer: accounting that is
// down must not keep a process hanging all the time.
func (a *accountant) run(ctx context.Context) {
	const longest = 30
	pause := a.every
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		}
		for {
			batch := a.take()
			if len(batch) == 0 {
				break
			}
			if a.answer(ctx, batch) {
				pause = a.every
			} else {
				pause = min(2*pause, longest*a.every)
			}
			t := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
			}
		}
	}
}

// take takes out a batch of what is wanted.
func (a *accountant) take() map[string]want {
	a.mu.Lock()
	defer a.mu.Unlock()
	batch := make(map[string]want)
	for token, w := range a.wanted {
		if len(batch) == a.chunk {
			break
		}
		batch[token] = w
		delete(a.wanted, token)
	}
	return batch
}

// answer asks about a batch and reports whether that went well. What got no
// answer is asked about again when its follower looks the next time.
func (a *accountant) answer(ctx context.Context, batch map[string]want) bool {
	asked := time.Now()
	byID, byName := Query{Since: asked}, Query{Since: asked}
	for token, w := range batch {
		if w.id != "" {
			byID.add(&byID.IDs, w.id, w.since)
		} else {
			byName.add(&byName.Names, token, w.since)
		}
	}
	var all []Account
	var err error
	for _, q := range []Query{byID, byName} {
		if len(q.IDs)+len(q.Names) > 0 && err == nil {
			var some []Account
			some, err = a.ask(ctx, q)
			all = append(all, some...)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if errors.Is(err, ErrNoAccounting) {
		a.off = true
	}
	a.lastErr = err
	if err != nil {
		return false
	}
	accounts := make(map[string][]Account)
	for _, acc := range all {
		accounts[acc.Name] = append(accounts[acc.Name], acc)
	}
	for token, w := range batch {
		a.answers[token] = findings{asked: asked, accounts: accounts[token]}
		signal(w.news)
	}
	return true
}

func (q *Query) add(to *[]string, what string, since time.Time) {
	*to = append(*to, what)
	if since.Before(q.Since) {
		q.Since = since
	}
}
