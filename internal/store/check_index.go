package store

import (
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/stint-jobs/stint/internal/job"
)

// index compares the index in memory with one made anew.
func (c *checker) index(tx *bolt.Tx, live *index) error {
	fresh, err := buildIndex(tx)
	if err != nil {
		return err
	}
	m, err := readMeta(tx)
	if err != nil {
		return err
	}
	live.mu.RLock()
	defer live.mu.RUnlock()
	if live.revision != m.revision || live.purged != m.purged || live.ring.head != m.revision {
		c.add("index", "it is at revision %d with deletions up to %d, and the file at %d and %d",
			live.revision, live.purged, m.revision, m.purged)
	}
	c.entries(live, fresh)
	c.counts("all owners", &live.counts, &fresh.counts, live, fresh)
	c.owners(live, fresh)
	c.line(live, fresh)
	c.sharesInMemory(&live.shares, &fresh.shares)
	for _, v := range live.views {
		if live.usable(v) {
			c.view(live, v)
		}
	}
	return nil
}

// entries compares all jobs, and the bitmaps with the columns.
func (c *checker) entries(live, fresh *index) {
	if live.slab.jobs != fresh.slab.jobs || live.requests.size() != fresh.requests.size() {
		c.add("index", "it has %d jobs and %d requests, and the file %d and %d",
			live.slab.jobs, live.requests.size(), fresh.slab.jobs, fresh.requests.size())
	}
	for _, ch := range live.slab.chunks {
		for s := range stateCount {
			if n := ch.states[s].count(); n != int(ch.counts[s]) {
				c.add("index", "a chunk counts %d of state %d, and has %d", ch.counts[s], s, n)
			}
		}
	}
	all := plan{owner: anyOwner, service: anyService, states: allStates}
	w := walk{ix: fresh, plan: &all, look: fresh.slab.jobs*2 + chunkSize}
	w.run(func(want *Entry) bool {
		where := "index of job " + want.ID().String()
		k, i, ok := live.slab.find(want.ID())
		if !ok {
			c.add(where, "it is missing")
			return true
		}
		got := Entry{ix: live, c: live.slab.chunks[k], i: i}
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
		aCode == bCode && aHas == bHas && a.Revision() == b.Revision()
}

// describe is everything that an entry says.
func describe(e *Entry) string {
	labels := ""
	e.Labels(func(k, v string) bool { labels += fmt.Sprintf(" %q=%q", k, v); return true })
	code, ok := e.ExitCode()
	return fmt.Sprintf("%q %q %q %q %q %q %q %v %v %d %d %d %d %d/%v %d%s",
		e.Owner(), e.Service(), e.Executor(), e.OutputName(), e.OutputFolder(), e.ParentID(), e.RerunOf(),
		e.State(), e.Reason(), e.Priority(), e.SubmitTime(), e.StartTime(), e.CompleteTime(), code, ok, e.Revision(), labels)
}

// named are counters by service name, without those that count nothing.
func named(c *counters, ix *index) map[string]stateCounts {
	m := make(map[string]stateCounts)
	for _, s := range c.services {
		if s.counts != (stateCounts{}) {
			m[ix.services.list[s.service]] = s.counts
		}
	}
	return m
}

func (c *checker) counts(of string, live, fresh *counters, a, b *index) {
	got, want := named(live, a), named(fresh, b)
	if live.total != fresh.total || !maps.Equal(got, want) {
		c.add("counts of "+of, "they are %v %v, and the records make %v %v", live.total, got, fresh.total, want)
	}
}

func (c *checker) owners(live, fresh *index) {
	for n, name := range live.owners.names.list {
		got, want := &live.owners.list[n], &owner{}
		if _, w := fresh.owners.find(name); w != nil {
			want = w
		}
		c.counts(name, &got.counters, &want.counters, live, fresh)
		there := make([]job.ID, 0, len(want.jobs))
		for _, id := range got.jobs {
			if _, _, ok := live.slab.find(id); ok {
				there = append(there, id)
			}
		}
		if !slices.Equal(there, want.jobs) || len(there)+got.gone != len(got.jobs) {
			c.add("jobs of "+name, "the index lists %d of them, and there are %d", len(there), len(want.jobs))
		}
	}
	for _, name := range fresh.owners.names.list {
		if _, w := live.owners.find(name); w == nil {
			c.add("jobs of "+name, "the index does not know the owner")
		}
	}
}

// view evaluates a kept condition anew.
func (c *checker) view(live *index, v *view) {
	var n int64
	e := Entry{ix: live}
	for k := range v.bits {
		e.c = live.slab.chunks[k]
		for i := range e.c.used {
			e.i = i
			fits := v.plan.word(e.c, k, i>>6)&(1<<(i&63)) != 0 && v.plan.admits(&e)
			if fits != v.bits[k].has(i) {
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
