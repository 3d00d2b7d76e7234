package file

import (
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Brief is what of a job's record says where the job waits.
type Brief struct {
	// ID of the job.
	ID job.ID
	// Err is job.ErrNotFound when there is no such job, or why its record cannot be read. Then there is no header.
	Err error
	// Header of the record.
	*storev1.Header
}

// NextResources returns what the next attempt gets: what the job asks for, or more after one that had too little.
func (b *Brief) NextResources() *jobsv1.Resources {
	if b.GetGranted() != nil {
		return b.GetGranted()
	}
	return b.GetResources()
}

// Briefs reads several jobs in the order of ids, and of each record only the header.
func Briefs(tx *kv.ReadTx, ids []job.ID) []Brief {
	briefs := make([]Brief, len(ids))
	for i, id := range ids {
		h, err := GetHeader(tx, id)
		if h == nil && err == nil {
			err = NotFound(id)
		}
		briefs[i] = Brief{id, err, h}
	}
	return briefs
}
