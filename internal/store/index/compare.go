package index

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stint-jobs/stint/internal/job"
)

// facts are what an index says, as texts by where it says them.
type facts map[string]string

// Facts returns all that the index says, as texts by where it says them: for example `job 17` or
// `counts of ada`. Indexes of the same records have the same facts, whatever brought them there. A
// view has none unless it is wrong. Nobody may call Apply meanwhile.
func (ix *Index) Facts() map[string]string {
	ix.mu.RLock()
	views := slices.Clone(ix.views)
	ix.mu.RUnlock()
	for _, v := range views {
		v.turn <- struct{}{}
		defer func() { <-v.turn }()
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	f := facts{"index": fmt.Sprintf("at revision %d and %d, with deletions up to %d", ix.revision, ix.ring.head, ix.purged)}
	f["index of requests"] = fmt.Sprint(ix.requests.jobs(), " jobs")
	f.set("all jobs", &ix.all)
	for state := range ix.states {
		f.set(fmt.Sprint("jobs in state ", state), &ix.states[state])
	}
	for _, c := range ix.table.chunks {
		for i := range c.slots {
			e := ix.entry(c, &c.slots[i])
			f["index of job "+e.id.String()] = fmt.Sprint(e.describe(), ix.requests.find(e.request))
		}
	}
	f.counts("all owners", &ix.counts, ix.services.names)
	for n, o := range ix.owners.values {
		f.counts(ix.owners.names[n], &o.counts, ix.services.names)
		f.set("jobs of "+ix.owners.names[n], &o.jobs)
	}
	for n, set := range ix.services.values {
		f.set("jobs of service "+ix.services.names[n], set)
	}
	for id, users := range ix.shares.byJob {
		f["shares of job "+id.String()] = fmt.Sprint(ix.shares.owners[id], users)
	}
	for user, list := range ix.shares.byUser {
		f["shares with "+user] = fmt.Sprint(list)
	}
	for owner, n := range ix.shares.given {
		f["shares of "+owner] = fmt.Sprint(n, " in all")
	}
	for owner, sum := range ix.keptByName() {
		f["kept jobs of "+owner] = fmt.Sprint(sum)
	}
	for _, v := range views {
		if wrong := ix.wrong(v); len(wrong) > 0 {
			f["view "+v.key] = fmt.Sprint("wrong about ", wrong)
		}
	}
	return f
}

func (f facts) set(where string, s *idSet) {
	if s.len() > 0 {
		f[where] = fmt.Sprint(s.bits.ToArray())
	}
}

func (f facts) counts(of string, c *counters, services []string) {
	if c.total != (stateCounts{}) || len(c.services) > 0 {
		f["counts of "+of] = fmt.Sprint(c.total, c.byName(services))
	}
}

func (e *Entry) describe() string {
	code, ok := e.ExitCode()
	return fmt.Sprintf("%q %q %q %q %q %q %q %v %v %d %d %d %d %d/%v %d %x %q",
		e.owner, e.service, e.executor, e.OutputName(), e.OutputFolder(), e.ParentID(), e.RerunOf(),
		e.State(), e.Reason(), e.priority, e.submit, e.start, e.complete, code, ok, e.revision, e.request, maps.Collect(e.texts.labels()))
}

// wrong evaluates a kept condition anew, but for the jobs of which it knows that they changed.
func (ix *Index) wrong(v *view) (ids []job.ID) {
	if v.dropped {
		return nil
	}
	all := v.fits.or(ix.candidates(&v.plan.condition))
	for _, id := range all.behind(0, false, all.len()) {
		fits := false
		if chunk, slot := ix.table.find(id); slot != nil && v.plan.admits(slot) {
			e := ix.entry(chunk, slot)
			fits = v.plan.match(&e)
		}
		if fits != v.fits.has(id) && !v.stale.has(id) {
			ids = append(ids, id)
		}
	}
	return ids
}
