package index

import (
	"fmt"
	"maps"
	"slices"
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

// Compare returns where the index is not equal to another one, mostly one that was filled anew from
// the same records, and where its own parts contradict each other. Nobody may call Apply of either
// meanwhile.
func (ix *Index) Compare(fresh *Index) []Difference {
	ix.mu.RLock()
	views := slices.Clone(ix.views)
	ix.mu.RUnlock()
	for _, v := range views {
		v.turn <- struct{}{}
		defer func() { <-v.turn }()
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	c := &comparison{live: ix, fresh: fresh}
	if ix.revision != fresh.revision || ix.purged != fresh.purged || ix.ring.head != fresh.revision {
		c.add("index", "it is at revision %d with deletions up to %d, and the file at %d and %d",
			ix.revision, ix.purged, fresh.revision, fresh.purged)
	}
	c.jobs()
	c.owners()
	c.shares()
	for _, v := range views {
		if !v.dropped {
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

// jobs compares all jobs, and the sets that they are in.
func (c *comparison) jobs() {
	live, fresh := c.live, c.fresh
	c.set("index", &live.all, &fresh.all)
	for state := range stateCount {
		c.set(fmt.Sprint("state ", state), &live.states[state], &fresh.states[state])
	}
	inTable := 0
	for _, chunk := range live.table.chunks {
		inTable += len(chunk.slots)
	}
	if inTable != fresh.all.len() {
		c.add("index", "its table has %d jobs, and the file %d", inTable, fresh.all.len())
	}
	if have, want := live.requests.jobs(), fresh.requests.jobs(); have != want {
		c.add("index of requests", "it has %d jobs, and the file %d", have, want)
	}
	for _, id := range fresh.all.behind(0, false, fresh.all.len()) {
		c.job(fresh.entry(fresh.table.find(id)))
	}
}

func (c *comparison) job(want Entry) {
	where := "index of job " + want.id.String()
	chunk, slot := c.live.table.find(want.id)
	if slot == nil {
		c.add(where, "it is missing")
		return
	}
	if got := c.live.entry(chunk, slot); got.content() != want.content() {
		c.add(where, "it is %s, and the record %s", describe(&got), describe(&want))
	}
	if want.request != 0 && !slices.Contains(c.live.requests.find(want.request), want.id) {
		c.add(where, "its request is not known")
	}
}

// content returns an entry without what is of one index only: where things are, and their numbers.
func (e *Entry) content() Entry {
	own := *e
	own.texts = own.texts.trim()
	own.textAt, own.ownerNo, own.serviceNo, own.executorNo = 0, 0, 0, 0
	return own
}

// describe returns everything that an entry says.
func describe(e *Entry) string {
	labels := maps.Collect(e.texts.labels())
	code, ok := e.ExitCode()
	return fmt.Sprintf("%q %q %q %q %q %q %q %v %v %d %d %d %d %d/%v %d %q",
		e.owner, e.service, e.executor, e.OutputName(), e.OutputFolder(), e.ParentID(), e.RerunOf(),
		e.State(), e.Reason(), e.priority, e.submit, e.start, e.complete, code, ok, e.revision, labels)
}

func (c *comparison) set(where string, live, fresh *idSet) {
	if !live.equal(fresh) {
		c.add(where, "the index lists %d jobs, and is not as the records are, which are %d", live.len(), fresh.len())
	}
}

func (c *comparison) counts(of string, live, fresh *counters) {
	got, want := live.byName(c.live.services.names), fresh.byName(c.fresh.services.names)
	if live.total != fresh.total || !maps.Equal(got, want) {
		c.add("counts of "+of, "they are %v %v, and the records make %v %v", live.total, got, fresh.total, want)
	}
}

func (c *comparison) owners() {
	c.counts("all owners", &c.live.counts, &c.fresh.counts)
	for name, of := range pairs(&c.live.owners, &c.fresh.owners) {
		c.counts(name, &of[0].counts, &of[1].counts)
		c.set("jobs of "+name, &of[0].jobs, &of[1].jobs)
	}
	for name, of := range pairs(&c.live.services, &c.fresh.services) {
		c.set("jobs of service "+name, of[0], of[1])
	}
}

// pairs returns what two registries have for each name. A name that one of them does not know has
// the zero value there.
func pairs[T any](live, fresh *registry[T]) map[string][2]*T {
	all := make(map[string][2]*T)
	for _, name := range slices.Concat(live.names, fresh.names) {
		of := [2]*T{live.find(name), fresh.find(name)}
		for i := range of {
			if of[i] == nil {
				of[i] = new(T)
			}
		}
		all[name] = of
	}
	return all
}

// view evaluates a kept condition anew, but for the jobs of which it knows that they changed.
func (c *comparison) view(v *view) {
	candidates := c.live.candidates(&v.plan.condition)
	for _, id := range v.fits.or(candidates).behind(0, false, c.live.all.len()+v.fits.len()) {
		fits := false
		if chunk, slot := c.live.table.find(id); slot != nil && v.plan.admits(slot) {
			e := c.live.entry(chunk, slot)
			fits = v.plan.match(&e)
		}
		if fits != v.fits.has(id) && !v.stale.has(id) {
			c.add("view "+v.key, "it is wrong about job %s", id)
		}
	}
}

// shares compares both ways to look shares up.
func (c *comparison) shares() {
	live, fresh := &c.live.shares, &c.fresh.shares
	if !maps.EqualFunc(live.byJob, fresh.byJob, maps.Equal) {
		c.add("index of shares", "by job it has %d jobs, and is not as the records are, which have %d", len(live.byJob), len(fresh.byJob))
	}
	if !maps.Equal(live.given, fresh.given) || !maps.Equal(live.owners, fresh.owners) {
		c.add("index of shares", "by owner it counts %v, and there are %v", live.given, fresh.given)
	}
	if !maps.EqualFunc(live.byUser, fresh.byUser, slices.Equal) {
		c.add("index of shares", "by user it has %d users, and is not as the records are, which have %d", len(live.byUser), len(fresh.byUser))
	}
}
