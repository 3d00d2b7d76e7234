package store

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// memory is what the store has in memory: a function of the bytes of its commits alone. load makes it from a file and
// apply from the entry of the next commit, so a store that follows another one has the same. The parts may be read at
// any time, but for those that belong to the writer, who alone calls apply.
type memory struct {
	index     *index.Index
	standings credential.Standings
	audit     atomic.Pointer[audit.Head]       // the last entry; never nil
	settings  atomic.Pointer[storev1.Settings] // never nil; read-only
	doomed    atomic.Int64                     // folders of deleted jobs that are still to be removed
	damaged   map[job.ID]error                 // jobs that were left out because their records could not be read; read-only

	// Of the writer.
	counters file.Counters
}

func load(tx *kv.ReadTx, cfg index.Config) (*memory, error) {
	m := &memory{index: index.New(cfg), damaged: make(map[job.ID]error)}
	var err error
	if m.counters, err = file.ReadCounters(tx); err != nil {
		return nil, err
	}
	if err := cmp.Or(m.loadJobs(tx), m.loadShares(tx)); err != nil {
		return nil, err
	}
	m.index.Start(m.counters.Revision, m.counters.Purged)
	set, err := file.ReadSettings(tx)
	if err != nil {
		return nil, err
	}
	_, head, err := audit.Heads(tx)
	if err != nil {
		return nil, err
	}
	m.settings.Store(set)
	m.audit.Store(&head)
	for range tx.Ascend(file.Doomed, nil) {
		m.doomed.Add(1)
	}
	m.standings.Load(tx)
	return m, nil
}

// apply brings the memory up to date with a commit, from the bytes of its entry alone, and returns what changed. An
// error means that the entry does not follow what is in memory, which is not to be used for writes then.
func (m *memory) apply(entry []byte) (index.Applied, error) {
	var a applied
	err := kv.Replay(entry, func(w kv.Write) error {
		return cmp.Or(a.take(w), m.standings.Apply(w))
	})
	if err != nil {
		return index.Applied{}, err
	}
	changes, err := m.index.Apply(&a.index)
	if err != nil {
		return index.Applied{}, err
	}
	if a.counters != nil {
		m.counters = *a.counters
	}
	if a.settings != nil {
		m.settings.Store(a.settings)
	}
	if a.audit != nil {
		m.audit.Store(a.audit)
	}
	m.doomed.Add(a.doomed)
	return changes, nil
}

type applied struct {
	index    index.Commit
	counters *file.Counters
	settings *storev1.Settings
	doomed   int64 // more folders that are to be removed
	audit    *audit.Head
}

func (a *applied) take(w kv.Write) error {
	switch {
	case w.Kind == kv.KindSequence:
		return nil
	case w.Bucket == file.Jobs:
		return a.takeJob(w)
	case w.Bucket == file.Shares:
		return a.takeShare(w)
	case w.Bucket == file.Doomed && w.Kind == kv.KindPut: // a job is doomed once
		a.doomed++
		return nil
	case w.Bucket == file.Doomed: // only what is there is taken out
		a.doomed--
		return nil
	case w.Bucket == file.Meta && w.Kind == kv.KindPut:
		return a.takeMeta(w)
	}
	return nil
}

func (a *applied) takeMeta(w kv.Write) (err error) {
	switch string(w.Key) {
	case file.KeyCounters:
		var c file.Counters
		c, err = file.DecodeCounters(w.Value)
		a.counters = &c
		a.index.Revision, a.index.Purged, a.index.Counted = c.Revision, c.Purged, true
	case file.KeySettings:
		a.settings, err = file.DecodeSettings(w.Value)
	case audit.KeyEnd:
		var h audit.Head
		h, err = audit.DecodeHead(w.Value)
		a.audit = &h
	}
	return err
}

func (a *applied) takeJob(w kv.Write) error {
	id, err := file.JobID(w.Key)
	write := index.Write{Job: id}
	if err == nil && w.Kind == kv.KindPut {
		write.Header, err = file.DecodeHeader(id, w.Value)
	}
	a.index.Writes = append(a.index.Writes, write)
	return err
}

func (a *applied) takeShare(w kv.Write) error {
	id, user, err := file.SplitShareKey(w.Key)
	write := index.Write{Job: id, User: user}
	if err == nil && w.Kind == kv.KindPut {
		write.Share, err = indexShare(id, w.Value)
	}
	a.index.Writes = append(a.index.Writes, write)
	return err
}

func indexShare(id job.ID, raw []byte) (*index.Share, error) {
	sh, err := file.DecodeShare(id, raw)
	return &index.Share{Rights: index.RightsOf(sh.GetRights()), Time: file.Nanos(sh.GetCreateTime())}, err
}

// facts returns all that is in memory, as texts by where it is. Memories of the same records have the same.
func (m *memory) facts() map[string]string {
	all := m.index.Facts()
	all["standings"] = m.standings.String()
	all["counters"] = fmt.Sprint(m.counters)
	all["audit"] = m.audit.Load().String()
	all["doomed folders"] = strconv.FormatInt(m.doomed.Load(), 10)
	all["settings"] = m.settings.Load().String()
	all["damaged jobs"] = fmt.Sprint(m.damaged)
	return all
}

// compare calls differs with each difference from the memory that was loaded from the file of the same commit. Nobody
// may call apply of either meanwhile.
func (m *memory) compare(fresh *memory, differs func(where, what string)) {
	got, want := m.facts(), fresh.facts()
	all := maps.Clone(got)
	maps.Copy(all, want)
	for _, where := range slices.Sorted(maps.Keys(all)) {
		if got[where] != want[where] {
			differs(where, fmt.Sprintf("memory has %q, and the file makes it %q", got[where], want[where]))
		}
	}
}
