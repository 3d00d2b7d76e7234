package index

import (
	"hash/maphash"
	"maps"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// requests finds the first job of a request by a hash of its owner and request id.
type requests struct {
	byHash map[uint64]job.ID
	clash  map[string]job.ID // requests whose hash another one has
}

// requestSeed is one for the process, so that two indexes have equal hashes.
var requestSeed = maphash.MakeSeed()

func newRequests() requests { return requests{byHash: make(map[uint64]job.ID)} }

// hashRequest returns the hash of the request that a job is the first one of. It is 0 when there is none.
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

func clashKey(owner, request string) string { return owner + "\x00" + request }

func (r *requests) find(owner, request string) []job.ID {
	var found []job.ID
	if id, ok := r.byHash[requestHash(owner, request)]; ok {
		found = append(found, id)
	}
	if len(r.clash) > 0 {
		if id, ok := r.clash[clashKey(owner, request)]; ok {
			found = append(found, id)
		}
	}
	return found
}

// add notes the first job of a request.
func (r *requests) add(owner, request string, id job.ID) {
	h := requestHash(owner, request)
	if _, taken := r.byHash[h]; !taken {
		r.byHash[h] = id
		return
	}
	if r.clash == nil {
		r.clash = make(map[string]job.ID)
	}
	r.clash[clashKey(owner, request)] = id
}

// remove forgets a request of that hash together with its first job.
func (r *requests) remove(hash uint64, id job.ID) {
	if r.byHash[hash] == id {
		delete(r.byHash, hash)
		return
	}
	maps.DeleteFunc(r.clash, func(_ string, first job.ID) bool { return first == id })
}

// size returns the number of requests known.
func (r *requests) size() int { return len(r.byHash) + len(r.clash) }
