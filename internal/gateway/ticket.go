package gateway

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// ticketLife is how long the URL of a result at the content origin works.
	ticketLife = 5 * time.Minute
	// maxTickets is how many there are in all, and maxTicketsOfOne of one credential. One more ends the oldest.
	maxTickets      = 10_000
	maxTicketsOfOne = 100
)

// ticket lets whoever has its id read one folder of a job's results, as the one whom it was made for would: with their credential, so
// that what is taken back from them is taken back here, too.
type ticket struct {
	id     string
	job    string // as in the path of the request
	folder string // the one that may be read, with its last slash; empty for all results
	// credential has the headers by which its owner was known.
	credential http.Header
	tls        *tls.ConnectionState
	// host is where the pages are that may show what it is for.
	host    string
	expires time.Time
	owner   [sha256.Size]byte // of credential
}

// tickets are those that have not expired. They are in memory alone.
type tickets struct {
	mu   sync.Mutex
	byID map[string]*list.Element // of all
	all  *list.List               // of *ticket, the oldest first, which expires first
	of   map[[sha256.Size]byte]int
}

func newTickets() *tickets {
	return &tickets{byID: make(map[string]*list.Element), all: list.New(), of: make(map[[sha256.Size]byte]int)}
}

// credentialHeaders are the headers by which the sender of a request is known.
var credentialHeaders = []string{"Authorization", "Cookie", headerActFor}

// issue makes a ticket for the sender of a request, and returns its id.
func (t *tickets) issue(r *http.Request, job, folder string) string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	n := &ticket{
		id: base64.RawURLEncoding.EncodeToString(secret[:]), job: job, folder: folder,
		credential: make(http.Header), tls: r.TLS, host: r.Host, expires: time.Now().Add(ticketLife),
	}
	sum := sha256.New()
	for _, name := range credentialHeaders {
		values := r.Header.Values(name)
		if len(values) > 0 {
			n.credential[http.CanonicalHeaderKey(name)] = append([]string(nil), values...)
		}
		sum.Write([]byte(strings.Join(values, "\x00") + "\x01"))
	}
	sum.Sum(n.owner[:0])
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropExpired()
	if t.of[n.owner] >= maxTicketsOfOne {
		t.dropOldestOf(n.owner)
	}
	if t.all.Len() >= maxTickets {
		t.drop(t.all.Front())
	}
	t.byID[n.id] = t.all.PushBack(n)
	t.of[n.owner]++
	return n.id
}

// find returns the ticket of an id, unless it has expired or was never there.
func (t *tickets) find(id string) (*ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropExpired()
	e, ok := t.byID[id]
	if !ok {
		return nil, false
	}
	return e.Value.(*ticket), true //nolint:errcheck,forcetypeassert // nothing else is in the list
}

// dropExpired drops what has expired. The caller holds mu.
func (t *tickets) dropExpired() {
	now := time.Now()
	for e := t.all.Front(); e != nil && !now.Before(e.Value.(*ticket).expires); e = t.all.Front() { //nolint:errcheck,forcetypeassert // likewise
		t.drop(e)
	}
}

// dropOldestOf drops the oldest ticket of one owner, who has one. The caller holds mu.
func (t *tickets) dropOldestOf(owner [sha256.Size]byte) {
	for e := t.all.Front(); e != nil; e = e.Next() {
		if e.Value.(*ticket).owner == owner { //nolint:errcheck,forcetypeassert // likewise
			t.drop(e)
			return
		}
	}
}

func (t *tickets) drop(e *list.Element) {
	n := t.all.Remove(e).(*ticket) //nolint:errcheck,forcetypeassert // likewise
	delete(t.byID, n.id)
	if t.of[n.owner]--; t.of[n.owner] == 0 {
		delete(t.of, n.owner)
	}
}
