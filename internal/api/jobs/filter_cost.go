package jobs

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stint-jobs/stint/internal/api/call"
	"github.com/stint-jobs/stint/internal/job"
)

// maxFilterCost is how many bytes of a job a filter may look at: 16 words, or 190 searches in names. At two nanoseconds
// a byte that is 80 us a job.
const maxFilterCost = 40_000

// What conditions look at, in bytes of a job at most. A text of another length than a field's bound is refused by Submit.
const (
	costNumber = 8
	costReason = 1024 // asks the scheduler, which has a lock
)

var (
	costLabels = job.MaxLabels * 64
	costWord   = job.MaxOutputName + 64 + job.MaxLabels*job.MaxLabelValue
)

// textCosts are the bounds of the fields in textFields.
var textCosts = map[string]int{
	"owner": 128, "service": 64, "executor": 63, "output_name": job.MaxOutputName, "output_folder": job.MaxPath,
	"parent_id": 20, "rerun_of": 20, "id": 20,
}

// spend notes that the filter looks at so many more bytes of a field.
func (c *compiler) spend(field string, bytes int) {
	if c.costs == nil {
		c.costs = make(map[string]int)
	}
	c.costs[field] += bytes
	c.cost += bytes
}

// check refuses a filter that looks at too much.
func (c *compiler) check() error {
	if c.cost <= maxFilterCost {
		return nil
	}
	dearest := ""
	for field, cost := range c.costs {
		if dearest == "" || cost > c.costs[dearest] || cost == c.costs[dearest] && field < dearest {
			dearest = field
		}
	}
	return job.Invalid("filter", "is too expensive: it looks at up to %d bytes of each job, of which %d are for %s, and may look at %d. "+
		"Ask for fewer words, or name a field, as in output_name = \"*phage*\"", c.cost, c.costs[dearest], call.Short(dearest), maxFilterCost)
}

// folded is a text in which case makes no difference, as strings.EqualFold sees it.
type folded []byte

// lower are the bytes of ASCII in small letters.
var lower = func() (table [utf8.RuneSelf]byte) {
	for c := range table {
		table[c] = byte(unicode.ToLower(rune(c)))
	}
	return table
}()

// appendFolded appends a text to memory of the caller.
func appendFolded(to folded, s string) folded {
	at := len(to)
	to = slices.Grow(to, len(s))[:at+len(s)]
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return appendFoldedRunes(to[:at+i], s[i:])
		}
		to[at+i] = lower[c]
	}
	return to
}

func appendFoldedRunes(to folded, s string) folded {
	for _, r := range s {
		to = utf8.AppendRune(to, foldRune(r))
	}
	return to
}

// foldRune returns the one rune that stands for all that are equal but for their case. For letters of ASCII it is the small one.
func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

// foldMatcher compares what a text is folded to with part.
func foldMatcher(part string, fits func(text, part []byte) bool) func(string) bool {
	want := appendFolded(nil, part)
	return func(s string) bool {
		var room [256]byte
		return fits(appendFolded(room[:0], s), want)
	}
}

// containing reports whether a text has part in it, without regard to case.
func containing(part string) func(string) bool { return foldMatcher(part, bytes.Contains) }

// Bounds of what one user's filters may do at a time.
const (
	filtersAtOnce  = 2
	filtersWaiting = 8
)

// turns gives each user so many filters at a time. Others wait until their caller goes away, and too many are refused.
// It remembers only users whose filters are under way.
type turns struct {
	mu    sync.Mutex
	users map[string]*userTurns
}

type userTurns struct {
	free chan struct{} // takes one for each filter that is evaluated
	here int           // evaluated or waiting; guarded by turns.mu
}

// enter returns when the user's filter may be evaluated. Unless it returns an error, leave must be called.
func (t *turns) enter(ctx context.Context, user string) (leave func(), err error) {
	t.mu.Lock()
	u := t.users[user]
	if u == nil {
		u = &userTurns{free: make(chan struct{}, filtersAtOnce)}
		if t.users == nil {
			t.users = make(map[string]*userTurns)
		}
		t.users[user] = u
	}
	if u.here >= filtersAtOnce+filtersWaiting {
		t.mu.Unlock()
		return nil, &job.UserError{
			Sentinel: job.ErrExhausted, RetryAfter: time.Second,
			Message: "Too many of your lists with filters are under way. Wait until some have ended.",
		}
	}
	u.here++
	t.mu.Unlock()
	select {
	case u.free <- struct{}{}:
		return func() { <-u.free; t.left(user, u) }, nil
	case <-ctx.Done():
		t.left(user, u)
		return nil, ctx.Err()
	}
}

func (t *turns) left(user string, u *userTurns) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u.here--; u.here == 0 {
		delete(t.users, user)
	}
}
