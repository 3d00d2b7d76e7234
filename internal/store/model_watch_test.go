package store_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stint-jobs/stint/internal/store"
)

// follow has one watcher read once and compares with all that happened.
func (m *model) follow(t *rapid.T) {
	w := rapid.SampledFrom(m.watchers).Draw(t, "watcher")
	if rapid.IntRange(0, 9).Draw(t, "go back") == 0 {
		w.after = rapid.Uint64Range(0, m.revision+1).Draw(t, "after")
	}
	limit := rapid.SampledFrom([]int{1, 2, 5, 1000}).Draw(t, "limit")
	got, err := m.s.Changes(w.watch, w.after, limit)
	if err != nil {
		t.Fatal(err)
	}
	floor := max(m.opened, m.revision-min(m.revision, ringOfModel))
	if reset := w.after > m.revision || w.watch.IDs == nil && w.after < floor && w.after < m.purged; reset != got.Reset {
		t.Fatalf("reset %v, want %v: after %d, ring from %d, deletions up to %d", got.Reset, reset, w.after, floor, m.purged)
	}
	if got.Reset {
		if got.UpTo != m.revision || len(got.List) > 0 {
			t.Fatalf("reset to %d with %d changes", got.UpTo, len(got.List))
		}
		w.after = got.UpTo
		return
	}
	if n := len(got.List); n > limit && got.List[n-1].Revision != got.List[limit-1].Revision || !got.More && got.UpTo != m.revision || got.More && got.UpTo <= w.after {
		t.Fatalf("%d changes up to %d, more %v, of %d", len(got.List), got.UpTo, got.More, m.revision)
	}
	if diff := gocmp.Diff(m.expect(w, got.UpTo, floor), describe(got.List)); diff != "" {
		t.Fatalf("changes of %v after %d up to %d:\n%s", w.watch, w.after, got.UpTo, diff)
	}
	w.after = got.UpTo
}

// expect says what a watcher has to be told.
func (m *model) expect(w *watcher, upTo, floor uint64) []string {
	var want []string
	for _, e := range m.events {
		if e.revision <= w.after || e.revision > upTo || !w.watch.Scope.All && e.owner != w.watch.Scope.Owner ||
			w.watch.IDs != nil && !slices.Contains(w.watch.IDs, e.id) {
			continue
		}
		j := m.jobs[e.id]
		switch {
		case e.removed:
			if w.watch.IDs != nil && e.revision <= floor {
				continue // told at another revision, see below
			}
			want = append(want, fmt.Sprintf("%d: job %s removed", e.revision, e.id))
		case j != nil && (e.inHistory || j.GetRevision() == e.revision):
			want = append(want, fmt.Sprintf("%d: job %s %v %v", e.revision, e.id, e.state, e.reason))
		}
	}
	if w.watch.IDs == nil {
		return want
	}
	// Of ids that nobody remembers it is told that they are gone, at the last revision that this can have happened.
	at := min(m.purged, floor)
	for _, id := range w.watch.IDs {
		if at > w.after && at <= upTo && m.jobs[id] == nil && !slices.ContainsFunc(m.events, func(e event) bool {
			return e.id == id && e.removed && e.revision > floor
		}) {
			want = append(want, fmt.Sprintf("%d: job %s removed", at, id))
		}
	}
	slices.SortFunc(want, func(a, b string) int { return cmp.Or(cmp.Compare(leading(a), leading(b)), strings.Compare(a, b)) })
	return want
}

func leading(s string) int {
	number, _, _ := strings.Cut(s, ":")
	n, _ := strconv.Atoi(number)
	return n
}

func describe(list []*store.Change) []string {
	var all []string
	for _, c := range list {
		if c.Job == nil {
			all = append(all, fmt.Sprintf("%d: job %s removed", c.Revision, c.ID))
			continue
		}
		all = append(all, fmt.Sprintf("%d: job %s %v %v", c.Revision, c.ID, c.Job.GetState(), c.Job.GetReason()))
	}
	return all
}
