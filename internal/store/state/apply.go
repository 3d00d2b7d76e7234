package state

import (
	"cmp"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/record"
)

// Apply brings the state up to date with a commit, from the bytes of its entry alone, and returns what changed. An
// error means that the entry does not follow what is in memory. The state is not to be used for writes then.
func (s *State) Apply(entry []byte) (index.Applied, error) {
	var a applied
	err := kv.Replay(entry, func(w kv.Write) error {
		return cmp.Or(a.take(w), s.Audit.Apply(w), s.Credentials.Apply(w))
	})
	if err != nil {
		return index.Applied{}, err
	}
	changes, err := s.Index.Apply(&a.index)
	if err != nil {
		return index.Applied{}, err
	}
	if a.counters != nil {
		s.Counters = *a.counters
	}
	if a.settings != nil {
		s.settings.Store(a.settings)
	}
	for _, id := range a.issues {
		s.Issues[id]++
	}
	s.doomed.Add(a.doomed)
	return changes, nil
}

// applied is what the bytes of a commit change.
type applied struct {
	index    index.Commit
	counters *file.Counters
	settings *storev1.Settings
	doomed   int64    // more folders that are to be removed
	issues   []job.ID // jobs of new problem reports
}

// take decodes one write.
func (a *applied) take(w kv.Write) error {
	switch {
	case w.Kind == kv.KindSequence:
		return nil
	case w.Bucket == record.Jobs:
		return a.takeJob(w)
	case w.Bucket == record.Shares:
		return a.takeShare(w)
	case w.Bucket == record.Issues && w.Kind == kv.KindPut:
		id, err := record.IssueIDOf(w.Key)
		a.issues = append(a.issues, id.Job)
		return err
	case w.Bucket == record.Doomed:
		a.takeDoomed(w)
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
	id, err := record.ID(w.Key)
	if err != nil {
		return err
	}
	if w.Kind == kv.KindDelete {
		a.index.DeleteJob(id)
		return nil
	}
	h := &storev1.Header{}
	if err := record.DecodeHeader(id, w.Value, h); err != nil {
		return err
	}
	a.index.PutJob(id, h)
	return nil
}

func (a *applied) takeShare(w kv.Write) error {
	id, user, err := record.SplitShareKey(w.Key)
	if err != nil {
		return err
	}
	if w.Kind == kv.KindDelete {
		a.index.DeleteShare(id, user)
		return nil
	}
	sh, err := record.DecodeShare(id, w.Value)
	if err != nil {
		return err
	}
	a.index.PutShare(id, user, indexShare(sh))
	return nil
}

// takeDoomed counts. A job is doomed once, and only what is there is taken out.
func (a *applied) takeDoomed(w kv.Write) {
	if w.Kind == kv.KindDelete {
		a.doomed--
		return
	}
	a.doomed++
}

// indexShare returns a share as the index has it.
func indexShare(sh *storev1.Share) *index.Share {
	return &index.Share{Rights: index.RightsOf(sh.GetRights()), Time: record.Nanos(sh.GetCreateTime())}
}
