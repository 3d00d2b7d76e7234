package workdir

import (
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/stint-jobs/stint/internal/job/terms"
)

// JobGroups returns an iterator over the ids of all jobs that have a folder, in their order and some at a time: at most
// jobsPerFolder, those of one folder of folders. A folder that cannot be listed is an error, after which it goes on with
// the next one. What is not the folder of a job is passed over.
func (r *Root) JobGroups() iter.Seq2[[]terms.ID, error] {
	return func(yield func([]terms.ID, error) bool) {
		groups, err := r.numbers(".")
		if err != nil {
			yield(nil, err)
			return
		}
		for _, group := range groups {
			numbers, err := r.numbers(strconv.FormatUint(group, 10))
			var ids []terms.ID
			for _, n := range numbers {
				if n/jobsPerFolder == group && n > 0 {
					ids = append(ids, terms.ID(n))
				}
			}
			if !yield(ids, err) {
				return
			}
		}
	}
}

// ChangeTime returns when something came into the folder or went out of it last. Deeper changes do not count.
func (d Dir) ChangeTime() (time.Time, error) {
	info, err := d.root.fs.Lstat(d.rel())
	if err != nil {
		return time.Time{}, fmt.Errorf("look at the folder of job %s: %w", d.id, err)
	}
	return info.ModTime(), nil
}
