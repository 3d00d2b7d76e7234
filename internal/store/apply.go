package store

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// applied is what the bytes of a commit change in memory.
type applied struct {
	index    index.Commit
	meta     *meta
	settings *storev1.Settings
	head     *AuditHead
	doomed   int64 // more folders that are to be removed
}

// apply brings what is in memory up to date with a commit, from the bytes of its entry alone, and returns whom to wake.
// An error means that the entry does not follow what is in memory. The memory is not to be used for writes then.
func (s *Store) apply(entry []byte) (index.Applied, error) {
	var a applied
	if err := kv.Replay(entry, a.take); err != nil {
		return index.Applied{}, err
	}
	changes, err := s.ix.Apply(&a.index)
	if err != nil {
		return index.Applied{}, err
	}
	if a.meta != nil {
		s.meta = *a.meta
	}
	if a.settings != nil {
		s.settings.Store(a.settings)
	}
	if a.head != nil {
		s.auditHead.Store(a.head)
	}
	s.doomed.Add(a.doomed)
	return changes, nil
}

// take decodes one write, if it is of a bucket that memory has to do with.
func (a *applied) take(w kv.Write) error {
	if w.Kind == kv.KindSequence {
		return nil
	}
	switch w.Bucket {
	case bucketJobs:
		return a.takeJob(w)
	case bucketShares:
		return a.takeShare(w)
	case bucketMeta:
		return a.takeMeta(w)
	case bucketDoomed:
		a.takeDoomed(w)
	}
	return nil
}

func (a *applied) takeJob(w kv.Write) error {
	id, err := jobIDOfKey(w.Key)
	if err != nil {
		return err
	}
	if w.Kind == kv.KindDelete {
		a.index.DeleteJob(id)
		return nil
	}
	h := &storev1.Header{}
	if err := decodeHeader(id, w.Value, h); err != nil {
		return err
	}
	a.index.PutJob(id, h)
	return nil
}

func (a *applied) takeShare(w kv.Write) error {
	id, user, err := splitShareKey(w.Key)
	if err != nil {
		return err
	}
	if w.Kind == kv.KindDelete {
		a.index.DeleteShare(id, user)
		return nil
	}
	sh, err := decodeShare(id, w.Value)
	if err != nil {
		return err
	}
	a.index.PutShare(id, user, indexShare(sh))
	return nil
}

func (a *applied) takeMeta(w kv.Write) error {
	switch {
	case bytes.Equal(w.Key, keyCounters):
		m, err := decodeMeta(w.Value)
		if err != nil {
			return err
		}
		a.meta = &m
		a.index.SetCounters(m.revision, m.purged)
	case bytes.Equal(w.Key, keySettings):
		a.settings = &storev1.Settings{}
		if err := proto.Unmarshal(w.Value, a.settings); err != nil {
			return fmt.Errorf("read the settings: %w: %w", job.ErrStorage, err)
		}
	case bytes.Equal(w.Key, keyAuditHead):
		head, err := decodeHead(w.Value)
		if err != nil {
			return err
		}
		a.head = &head
	}
	return nil
}

// jobIDOfKey returns the job that a key of the jobs bucket names.
func jobIDOfKey(key []byte) (job.ID, error) {
	if len(key) != 8 {
		return 0, fmt.Errorf("a job's key has %d bytes: %w", len(key), job.ErrStorage)
	}
	return job.IDFromKey(key), nil
}

// keysOf returns what watchers may wait for that a commit changed, each once.
func keysOf(a *index.Applied) []Key {
	if len(a.Jobs) == 0 && len(a.Shares) == 0 {
		return nil
	}
	keys := make([]Key, 0, len(a.Jobs)+len(a.Shares)+2)
	seen := make(map[Key]bool, len(a.Jobs)+1)
	add := func(k Key) {
		if !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	for _, id := range a.Shares {
		add(KeyJob(id))
	}
	if len(a.Jobs) > 0 {
		add(KeyAll())
	}
	for i := range a.Jobs {
		add(KeyJob(a.Jobs[i].ID))
		add(KeyOwner(a.Jobs[i].Owner))
	}
	return keys
}
