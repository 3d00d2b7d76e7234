package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/stint-jobs/stint/internal/job"
)

// Delete deletes finished jobs and their request ids in one commit and answers
// those that were there. A job that is not final is job.ErrConflict, and then none is deleted.
func (s *Store) Delete(ctx context.Context, ids ...job.ID) ([]job.ID, error) {
	var deleted []job.ID
	err := s.do(ctx, len(ids), func(b *batch) (err error) {
		deleted, err = b.delete(ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("delete %d jobs: %w", len(ids), err)
	}
	return deleted, nil
}

func (b *batch) delete(ids []job.ID) ([]job.ID, error) {
	found := make(map[job.ID]change, len(ids))
	var order []job.ID
	var h header
	for _, id := range ids {
		raw := b.jobs.Get(id.Key())
		if _, twice := found[id]; raw == nil || twice {
			continue
		}
		if err := decodeHeader(id, raw, &h); err != nil {
			return nil, damaged(id, err)
		}
		if !job.Terminal(h.state) {
			return nil, fmt.Errorf("job %s is not finished: %w", id, job.ErrConflict)
		}
		found[id] = change{id: id, removed: true, origin: origin{
			owner: strings.Clone(h.owner), request: strings.Clone(h.request),
		}}
		order = append(order, id)
	}
	for _, id := range order {
		ch := found[id]
		b.dirty = true
		if err := b.remove(bucketJobs, id.Key()); err != nil {
			return nil, err
		}
		if err := b.remove(bucketSpecs, id.Key()); err != nil {
			return nil, err
		}
		if err := b.unshareAll(id); err != nil {
			return nil, err
		}
		ch.seen.revision = b.nextRevision()
		b.meta.purged = ch.seen.revision
		b.changes = append(b.changes, ch)
	}
	return order, nil
}
