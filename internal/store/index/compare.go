package index

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stint-jobs/stint/internal/job"
)

// Difference is something about which an index is wrong.
type Difference struct {
	// Where it is, for example `index of job 17` or `counts of ada`.
	Where string
	// What is wrong, in words.
	What string
}

// maxDifferences bounds what Compare returns.
const maxDifferences = 100

// Compare returns where the index is not equal to another one, mostly one that was filled anew from the same records,
// and where its own parts contradict each other. Nobody may call Apply of either meanwhile.
func (ix *Index) Compare(fresh *Index) []Difference {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	c := &comparison{live: ix, fresh: fresh}
	if ix.revision != fresh.revision || ix.purged != fresh.purged || ix.ring.head != fresh.revision {
		c.add("index", "it is at revision %d with deletions up to %d, and the file at %d and %d",
			ix.revision, ix.purged, fresh.revision, fresh.purged)
	}
	c.entries()
	c.counts("all owners", &ix.counts, &fresh.counts)
	c.owners()
	c.active()
	c.shares()
	for _, v := range ix.views {
		if ix.usable(v) {
			c.view(v)
		}
	}
	return c.found
}

// comparison is of an index with one that was filled anew.
type comparison struct {
	live, fresh *Index
	found       []Difference
}

func (c *comparison) add(where, format string, args ...any) {
	if len(c.found) < maxDifferences {
		c.found = append(c.found, Difference{where, fmt.Sprintf(format, args...)})
	}
}

// entries compares all jobs, and the bitmaps with the columns.
func (c *comparison) entries() {
	live, fresh := c.live, c.fresh
	if live.table.jobs != fresh.table.jobs {
		c.add("index", "it has %d jobs, and the file %d", live.table.jobs, fresh.table.jobs)
	}
	if !live.requests.equal(&fresh.requests) {
		have, jobs := live.requests.size()
		want, others := fresh.requests.size()
		c.add("index of requests", "it has %d with %d jobs, and is not as the records are, which have %d with %d", have, jobs, want, others)
	}
	for _, ch := range live.table.chunks {
		for s := range stateCount {
			if n := ch.states[s].count(); n != int(ch.counts[s]) {
				c.add("index", "a chunk counts %d of state %d, and has %d", ch.counts[s], s, n)
			}
		}
	}
	all := plan{owner: anyOwner, service: anyService, states: allStates}
	s := scanner{ix: fresh, plan: &all, look: noPause}
	s.run(func(want *Entry) bool {
		where := "index of job " + want.ID().String()
		k, i, ok := live.table.find(want.ID())
		if !ok {
			c.add(where, "it is missing")
			return true
		}
		got := Entry{names: live.nameLists(), c: live.table.chunks[k], i: i}
		if !sameEntry(&got, want) {
			c.add(where, "it is %s, and the record %s", describe(&got), describe(want))
		}
		for s := range stateCount {
			if got.c.states[s].has(i) != (s == int(got.c.state[i])) {
				c.add(where, "the set of state %d is wrong about it", s)
			}
		}
		if got.c.services[i>>6]&serviceBit(got.c.service[i]) == 0 {
			c.add(where, "its service is not among those of its chunk")
		}
		return true
	})
}

// sameEntry compares everything that two entries say.
func sameEntry(a, b *Entry) bool {
	aCode, aHas := a.ExitCode()
	bCode, bHas := b.ExitCode()
	at, bt := a.c.texts(a.i), b.c.texts(b.i)
	return a.Owner() == b.Owner() && a.Service() == b.Service() && a.Executor() == b.Executor() &&
		at[:at.size()] == bt[:bt.size()] &&
		a.State() == b.State() && a.Reason() == b.Reason() && a.Priority() == b.Priority() &&
		a.SubmitTime() == b.SubmitTime() && a.StartTime() == b.StartTime() && a.CompleteTime() == b.CompleteTime() &&
		aCode == bCode && aHas == bHas && a.Revision() == b.Revision() &&
		a.c.request[a.i] == b.c.request[b.i]
}

// describe returns everything that an entry says.
func describe(e *Entry) string {
	labels := ""
	e.Labels(func(k, v string) bool { labels += fmt.Sprintf(" %q=%q", k, v); return true })
	code, ok := e.ExitCode()
	return fmt.Sprintf("%q %q %q %q %q %q %q %v %v %d %d %d %d %d/%v %d%s",
		e.Owner(), e.Service(), e.Executor(), e.OutputName(), e.OutputFolder(), e.ParentID(), e.RerunOf(),
		e.State(), e.Reason(), e.Priority(), e.SubmitTime(), e.StartTime(), e.CompleteTime(), code, ok, e.Revision(), labels)
}

// named returns counters by service name, without those that count nothing.
func named(c *counters, ix *Index) map[string]StateCounts {
	m := make(map[string]StateCounts)
	for _, s := range c.services {
		if s.counts != (StateCounts{}) {
			m[ix.services.list[s.service]] = s.counts
		}
	}
	return m
}

func (c *comparison) counts(of string, live, fresh *counters) {
	got, want := named(live, c.live), named(fresh, c.fresh)
	if live.total != fresh.total || !maps.Equal(got, want) {
		c.add("counts of "+of, "they are %v %v, and the records make %v %v", live.total, got, fresh.total, want)
	}
}

func (c *comparison) owners() {
	live, fresh := c.live, c.fresh
	for n, name := range live.owners.names.list {
		got, want := &live.owners.list[n], &owner{}
		if _, w := fresh.owners.find(name); w != nil {
			want = w
		}
		c.counts(name, &got.counters, &want.counters)
		jobs, others := live.present(got), fresh.present(want)
		if !slices.Equal(jobs, others) || len(jobs)+got.stale != len(got.jobs) {
			c.add("jobs of "+name, "the index lists %d of them, and there are %d", len(jobs), len(others))
		}
	}
	for _, name := range fresh.owners.names.list {
		if _, w := live.owners.find(name); w == nil {
			c.add("jobs of "+name, "the index does not know the owner")
		}
	}
}

// present returns the jobs of an owner that are there.
func (ix *Index) present(o *owner) []job.ID {
	return slices.DeleteFunc(slices.Clone(o.jobs), func(id job.ID) bool { return !ix.has(id) })
}

// view evaluates a kept condition anew, but for the jobs of which it knows that they changed.
func (c *comparison) view(v *view) {
	v.turn <- struct{}{}
	defer func() { <-v.turn }()
	live := c.live
	stale := make(map[slotRef]bool, len(v.stale))
	for _, at := range v.stale {
		stale[at] = true
	}
	var n int64
	e := Entry{names: live.nameLists()}
	for k := range v.bits {
		e.c = live.table.chunks[k]
		for i := range e.c.used {
			e.i = i
			fits := v.plan.word(e.c, k, i>>6)&(1<<(i&63)) != 0 && v.plan.fits(&e) && v.plan.match(&e)
			if fits != v.bits[k].has(i) && !stale[refTo(k, i)] {
				c.add("view "+v.key.match, "it is wrong about job %s", e.ID())
			}
		}
		ones := v.bits[k].count()
		if ones != int(v.counts[k]) {
			c.add("view "+v.key.match, "it counts %d of a chunk, and has %d", v.counts[k], ones)
		}
		n += int64(ones)
	}
	if n != v.count {
		c.add("view "+v.key.match, "it counts %d, and has %d", v.count, n)
	}
}

// active compares the jobs that are not final.
func (c *comparison) active() {
	list := &c.live.active
	got, want := list.all(c.live), c.fresh.active.all(c.fresh)
	if !slices.Equal(got, want) || len(got)+list.stale != len(list.ids) {
		c.add("queue", "the index lists %d jobs and %d that went, of %d, and there are %d", len(got), list.stale, len(list.ids), len(want))
	}
}

// shares compares both ways to look shares up.
func (c *comparison) shares() {
	live, fresh := &c.live.shares, &c.fresh.shares
	if !maps.EqualFunc(live.byJob, fresh.byJob, slices.Equal) {
		c.add("index of shares", "by job it has %d jobs, and is not as the records are, which have %d", len(live.byJob), len(fresh.byJob))
	}
	if !maps.EqualFunc(live.byUser, fresh.byUser, slices.Equal) {
		c.add("index of shares", "by user it has %d users, and is not as the records are, which have %d", len(live.byUser), len(fresh.byUser))
	}
}
