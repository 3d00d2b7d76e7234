package store

import (
	"cmp"
	"fmt"
	"maps"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

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
	index       *index.Index
	credentials credential.Index
	audit       audit.Log
	settings    atomic.Pointer[storev1.Settings] // never nil; read-only
	doomed      atomic.Int64                     // folders of deleted jobs that are still to be removed
	damaged     map[job.ID]error                 // jobs that were left out because their records could not be read; read-only

	// Of the writer.
	counters file.Counters
	issues   issueCounts
}

// load makes the memory of a file.
func load(tx *kv.ReadTx, cfg index.Config) (*memory, error) {
	m := &memory{index: index.New(cfg), damaged: make(map[job.ID]error)}
	var err error
	if m.counters, err = file.ReadCounters(tx); err != nil {
		return nil, err
	}
	if err := cmp.Or(m.loadJobs(tx), m.loadShares(tx), m.audit.Load(tx)); err != nil {
		return nil, err
	}
	m.index.Start(m.counters.Revision, m.counters.Purged)
	set, err := file.ReadSettings(tx)
	if err != nil {
		return nil, err
	}
	m.settings.Store(set)
	for range tx.Ascend(file.Doomed, nil) {
		m.doomed.Add(1)
	}
	m.credentials.Load(tx)
	return m, m.issues.load(tx)
}

// apply brings the memory up to date with a commit, from the bytes of its entry alone, and returns what changed. An
// error means that the entry does not follow what is in memory, which is not to be used for writes then.
func (m *memory) apply(entry []byte) (index.Applied, error) {
	var a applied
	err := kv.Replay(entry, func(w kv.Write) error {
		return cmp.Or(a.take(w), m.audit.Apply(w), m.credentials.Apply(w))
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
	for _, w := range a.issues {
		if w.deleted {
			m.issues.remove(w.id)
		} else {
			m.issues.add(w.id, w.reporter)
		}
	}
	m.doomed.Add(a.doomed)
	return changes, nil
}

// applied is what the bytes of a commit change.
type applied struct {
	index    index.Commit
	counters *file.Counters
	settings *storev1.Settings
	doomed   int64 // more folders that are to be removed
	issues   []issueWrite
}

// issueWrite is a problem report that was stored or deleted.
type issueWrite struct {
	id       IssueID
	reporter string // of one that was stored
	deleted  bool
}

// take decodes one write.
func (a *applied) take(w kv.Write) error {
	switch {
	case w.Kind == kv.KindSequence:
		return nil
	case w.Bucket == file.Jobs:
		return a.takeJob(w)
	case w.Bucket == file.Shares:
		return a.takeShare(w)
	case w.Bucket == file.Issues:
		return a.takeIssue(w)
	case w.Bucket == file.Doomed && w.Kind == kv.KindPut: // a job is doomed once
		a.doomed++
		return nil
	case w.Bucket == file.Doomed: // only what is there is taken out
		a.doomed--
		return nil
	}
	if c, ok, err := file.CountersOf(w); ok || err != nil {
		a.counters = &c
		a.index.SetCounters(c.Revision, c.Purged)
		return err
	}
	set, err := file.SettingsOf(w)
	if set != nil {
		a.settings = set
	}
	return err
}

func (a *applied) takeJob(w kv.Write) error {
	id, err := file.JobID(w.Key)
	if err != nil {
		return err
	}
	if w.Kind == kv.KindDelete {
		a.index.DeleteJob(id)
		return nil
	}
	h, err := file.DecodeHeader(id, w.Value)
	if err == nil {
		a.index.PutJob(id, h)
	}
	return err
}

func (a *applied) takeShare(w kv.Write) error {
	id, user, err := file.SplitShareKey(w.Key)
	if err != nil {
		return err
	}
	if w.Kind == kv.KindDelete {
		a.index.DeleteShare(id, user)
		return nil
	}
	sh, err := file.DecodeShare(id, w.Value)
	if err == nil {
		a.index.PutShare(id, user, indexShare(sh))
	}
	return err
}

// takeIssue notes a report. One is written once, and only what is there is deleted.
func (a *applied) takeIssue(w kv.Write) error {
	id, err := file.IssueIDOf(w.Key)
	if err != nil {
		return err
	}
	a.issues = append(a.issues, issueWrite{id, file.ReporterOf(w.Value), w.Kind == kv.KindDelete})
	return nil
}

// indexShare returns a share as the index has it.
func indexShare(sh *storev1.Share) *index.Share {
	return &index.Share{Rights: index.RightsOf(sh.GetRights()), Time: file.Nanos(sh.GetCreateTime())}
}

// compare calls differs with each difference from the memory that was loaded from the file of the same commit. Nobody
// may call apply of either meanwhile.
func (m *memory) compare(fresh *memory, differs func(where, what string)) {
	for _, d := range m.index.Compare(fresh.index) {
		differs(d.Where, d.What)
	}
	for _, what := range m.credentials.Compare(&fresh.credentials) {
		differs("credentials", what)
	}
	if m.counters != fresh.counters {
		differs("counters", fmt.Sprintf("they are %+v, and in the file %+v", m.counters, fresh.counters))
	}
	if got, want := m.audit.Head(), fresh.audit.Head(); got != want {
		differs("audit", fmt.Sprintf("it ends with %v, and in the file with %v", got, want))
	}
	if got, want := m.doomed.Load(), fresh.doomed.Load(); got != want {
		differs("index", fmt.Sprintf("it counts %d doomed folders, and the file has %d", got, want))
	}
	if !proto.Equal(m.settings.Load(), fresh.settings.Load()) {
		differs("settings", "they are not as in the file")
	}
	if !maps.Equal(m.issues.byJob, fresh.issues.byJob) {
		differs("issues", fmt.Sprintf("the problem reports by job are counted as %v, and in the file they are %v", m.issues.byJob, fresh.issues.byJob))
	}
	if !maps.Equal(m.issues.reporters, fresh.issues.reporters) || !maps.Equal(m.issues.byReporter, fresh.issues.byReporter) {
		differs("issues", fmt.Sprintf("the problem reports by user are counted as %v, and in the file they are %v", m.issues.byReporter, fresh.issues.byReporter))
	}
	if !maps.EqualFunc(m.damaged, fresh.damaged, func(a, b error) bool { return a.Error() == b.Error() }) {
		differs("damaged jobs", fmt.Sprintf("%d are put aside, and %d cannot be read", len(m.damaged), len(fresh.damaged)))
	}
}
