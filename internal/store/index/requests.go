package index

import (
	"hash/maphash"
	"maps"
	"slices"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// requests finds the jobs of a request by a hash of its owner and request id. Requests whose hashes are equal are one
// here, which costs whoever reads the records a look and nothing else.
type requests struct {
	first map[uint64]job.ID   // the job with the least id
	more  map[uint64][]job.ID // the other jobs in the order of ids, where there are some
}

// requestSeed is one for the process, so that two indexes have equal hashes.
var requestSeed = maphash.MakeSeed()

func newRequests() requests {
	return requests{first: make(map[uint64]job.ID), more: make(map[uint64][]job.ID)}
}

// hashRequest returns the hash of the request that a job came with. It is 0 when there is none.
func hashRequest(h *storev1.Header) uint64 {
	if h.GetRequestId() == "" {
		return 0
	}
	return requestHash(h.GetOwner(), h.GetRequestId())
}

// requestHash is never 0.
func requestHash(owner, request string) uint64 {
	var h maphash.Hash
	h.SetSeed(requestSeed)
	h.WriteString(owner)
	h.WriteByte(0)
	h.WriteString(request)
	return max(1, h.Sum64())
}

// find returns the jobs of a request in the order of ids.
func (r *requests) find(hash uint64) []job.ID {
	first, ok := r.first[hash]
	if !ok {
		return nil
	}
	return append([]job.ID{first}, r.more[hash]...)
}

// add adds a job of a request. Its id is above all others.
func (r *requests) add(hash uint64, id job.ID) {
	if _, ok := r.first[hash]; ok {
		r.more[hash] = append(r.more[hash], id)
		return
	}
	r.first[hash] = id
}

// remove takes out a job of a request, and the request with its last one.
func (r *requests) remove(hash uint64, id job.ID) {
	more := r.more[hash]
	switch {
	case r.first[hash] != id:
		if i, ok := slices.BinarySearch(more, id); ok {
			r.setMore(hash, slices.Delete(more, i, i+1))
		}
	case len(more) == 0:
		delete(r.first, hash)
	default:
		r.first[hash] = more[0]
		r.setMore(hash, more[1:])
	}
}

func (r *requests) setMore(hash uint64, ids []job.ID) {
	if len(ids) == 0 {
		delete(r.more, hash)
		return
	}
	r.more[hash] = ids
}

// size returns the number of requests known, and that of their jobs.
func (r *requests) size() (requests, jobs int) {
	jobs = len(r.first)
	for _, ids := range r.more {
		jobs += len(ids)
	}
	return len(r.first), jobs
}

func (r *requests) equal(other *requests) bool {
	return maps.Equal(r.first, other.first) && maps.EqualFunc(r.more, other.more, slices.Equal)
}
