package store

import (
	"hash/maphash"

	"github.com/stint-jobs/stint/internal/job"
)

// requests finds the first job of a request by its owner and request id. It
// holds a hash of the two; who asks compares with the record.
type requests struct {
	seed   maphash.Seed
	byHash map[uint64]job.ID
	clash  map[string]job.ID // requests whose hash another one has
}

func newRequests() requests {
	return requests{seed: maphash.MakeSeed(), byHash: make(map[uint64]job.ID)}
}

// hash is never 0 for a request; 0 stands for none.
func (r *requests) hash(owner, request string) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	h.WriteString(owner)
	h.WriteByte(0)
	h.WriteString(request)
	return h.Sum64()
}

// find answers the jobs that may be the request's first: none, one, or in theory two.
func (r *requests) find(owner, request string) []job.ID {
	var found []job.ID
	if id, ok := r.byHash[r.hash(owner, request)]; ok {
		found = append(found, id)
	}
	if len(r.clash) > 0 {
		if id, ok := r.clash[owner+"\x00"+request]; ok {
			found = append(found, id)
		}
	}
	return found
}

// add notes the first job of a request.
func (r *requests) add(owner, request string, id job.ID) {
	h := r.hash(owner, request)
	if _, taken := r.byHash[h]; !taken {
		r.byHash[h] = id
		return
	}
	if r.clash == nil {
		r.clash = make(map[string]job.ID)
	}
	r.clash[owner+"\x00"+request] = id
}

// remove forgets a request together with its first job.
func (r *requests) remove(owner, request string, id job.ID) {
	h := r.hash(owner, request)
	if r.byHash[h] == id {
		delete(r.byHash, h)
		return
	}
	delete(r.clash, owner+"\x00"+request)
}

// size is the number of requests known.
func (r *requests) size() int { return len(r.byHash) + len(r.clash) }
