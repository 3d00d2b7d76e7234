package index

import (
	"hash/maphash"
	"slices"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// requests finds the jobs of a request by a hash of its owner and request id. Requests whose hashes
// are equal are one here, which costs a caller who reads the records one look more.
type requests struct {
	one  map[uint64]job.ID   // of the requests that never had more than one job
	many map[uint64][]job.ID // of all others, in the order of ids
}

// requestSeed is one for the process, so that two indexes have equal hashes.
var requestSeed = maphash.MakeSeed()

func hashRequest(h *storev1.Header) uint64 {
	if h.GetRequestId() == "" {
		return 0
	}
	return requestHash(h.GetOwner(), h.GetRequestId())
}

// requestHash is never 0.
func requestHash(owner, request string) uint64 {
	return max(1, maphash.Comparable(requestSeed, [2]string{owner, request}))
}

func (r *requests) find(hash uint64) []job.ID {
	if id, ok := r.one[hash]; ok {
		return []job.ID{id}
	}
	return slices.Clone(r.many[hash])
}

// add adds a job of a request. Its id is above all others.
func (r *requests) add(hash uint64, id job.ID) {
	first, one := r.one[hash]
	switch {
	case one:
		delete(r.one, hash)
		r.many[hash] = []job.ID{first, id}
	case len(r.many[hash]) > 0:
		r.many[hash] = append(r.many[hash], id)
	default:
		r.one[hash] = id
	}
}

func (r *requests) remove(hash uint64, id job.ID) {
	if r.one[hash] == id {
		delete(r.one, hash)
	}
	if i, ok := slices.BinarySearch(r.many[hash], id); ok {
		r.many[hash] = slices.Delete(r.many[hash], i, i+1)
	}
	if len(r.many[hash]) == 0 {
		delete(r.many, hash)
	}
}

func (r *requests) jobs() int {
	n := len(r.one)
	for _, ids := range r.many {
		n += len(ids)
	}
	return n
}
