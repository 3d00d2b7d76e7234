package store

import (
	"fmt"
	"iter"
	"maps"
	"sync"

	"github.com/stint-jobs/stint/internal/job"
)

// damagedJobs are the jobs whose records cannot be read. They are in no list and no count; a read by id says what is wrong.
type damagedJobs struct {
	mu   sync.Mutex
	errs map[job.ID]error
}

func (d *damagedJobs) add(id job.ID, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.errs == nil {
		d.errs = make(map[job.ID]error)
	}
	d.errs[id] = err
}

func (d *damagedJobs) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.errs)
}

// all returns a copy.
func (d *damagedJobs) all() iter.Seq2[job.ID, error] {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.All(maps.Clone(d.errs))
}

// Damaged returns the jobs that were put aside when the store was opened, because their records cannot be read, and why.
// All other jobs are as they were.
func (s *Store) Damaged() iter.Seq2[job.ID, error] { return s.damaged.all() }

// checkDamaged adds the jobs that were put aside to a check's problems.
func (c *checker) checkDamaged(id job.ID, err error) {
	c.add("job "+id.String(), "%v", fmt.Errorf("it is put aside: %w", err))
}
