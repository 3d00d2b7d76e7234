package auth

import "time"

// revokedFor is how long a revoked credential is noted at least. A call that was let in before has
// long been registered, and the store knows nothing of the credential any more.
const revokedFor = 2 * verifiedFor

// revokedIDs notes which credentials were revoked of late. To note one and to look for one take the
// same time however many there are: they are in two generations, of which the older one is dropped
// whole. The zero value has none.
type revokedIDs struct {
	now, before map[string]struct{}
	began       time.Time // of the present generation
}

// add notes an id.
func (r *revokedIDs) add(id string) {
	r.turn(time.Now())
	r.now[id] = struct{}{}
}

// has reports whether an id was noted within revokedFor.
func (r *revokedIDs) has(id string) bool {
	if _, ok := r.now[id]; ok {
		return true
	}
	_, ok := r.before[id]
	return ok
}

// turn begins another generation where the present one is over.
func (r *revokedIDs) turn(now time.Time) {
	switch age := now.Sub(r.began); {
	case r.now == nil || age >= 2*revokedFor:
		r.before, r.now, r.began = nil, make(map[string]struct{}), now
	case age >= revokedFor:
		r.before, r.now, r.began = r.now, make(map[string]struct{}), now
	}
}
