package file

import (
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Brief is what of a job's record says where the job waits.
type Brief struct {
	// ID of the job.
	ID job.ID
	// Err is job.ErrNotFound when there is no such job, or why its record cannot be read. Then nothing else is set.
	Err error
	// Owner and Executor of the job.
	Owner, Executor string
	// Service and ServiceVersion of the job, and InputBytes, the size of its input files.
	Service, ServiceVersion string
	InputBytes              int64
	// SubmitTime is when it was submitted.
	SubmitTime time.Time
	// State of the job.
	State jobsv1.State
	// Priority of the job.
	Priority int32
	// Resources that its next attempt gets: what it asks for, or more after one that had too little.
	Resources *jobsv1.Resources
	// Cancelled is whether somebody wishes the job cancelled.
	Cancelled bool
	// Phase of its latest attempt.
	Phase storev1.Phase
	// NotBefore is the earliest time of the next attempt. Zero when nothing is waited for.
	NotBefore time.Time
}

func briefOf(id job.ID, h *storev1.Header) Brief {
	b := Brief{
		ID: id, Owner: h.GetOwner(), Executor: h.GetExecutor(), State: h.GetState(), Priority: h.GetPriority(),
		Resources: h.GetResources(), Cancelled: h.GetCancelTimeNs() != 0, Phase: h.GetPhase(),
		Service: h.GetService(), ServiceVersion: h.GetServiceVersion(), InputBytes: h.GetInputBytes(),
	}
	if h.GetGranted() != nil {
		b.Resources = h.GetGranted()
	}
	if h.GetSubmitTimeNs() != 0 {
		b.SubmitTime = time.Unix(0, h.GetSubmitTimeNs()).UTC()
	}
	if h.GetNotBeforeNs() != 0 {
		b.NotBefore = time.Unix(0, h.GetNotBeforeNs()).UTC()
	}
	return b
}

// Briefs reads several jobs in the order of ids, and of each record only the header.
func Briefs(tx *kv.ReadTx, ids []job.ID) []Brief {
	briefs := make([]Brief, len(ids))
	for i, id := range ids {
		h, err := GetHeader(tx, id)
		if h == nil && err == nil {
			err = NotFound(id)
		}
		if briefs[i] = (Brief{ID: id, Err: err}); err == nil {
			briefs[i] = briefOf(id, h)
		}
	}
	return briefs
}
