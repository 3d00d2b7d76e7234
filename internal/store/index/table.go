package index

import (
	"math"
	"math/bits"
	"slices"
	"sort"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const (
	chunkSize  = 1024
	chunkWords = chunkSize / 64
	stateCount = 6
)

// bitmap has a bit for each slot of a chunk.
type bitmap [chunkWords]uint64

func (b *bitmap) set(i int)      { b[i>>6] |= 1 << (i & 63) }
func (b *bitmap) clear(i int)    { b[i>>6] &^= 1 << (i & 63) }
func (b *bitmap) has(i int) bool { return b[i>>6]&(1<<(i&63)) != 0 }

func (b *bitmap) count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// chunk holds up to chunkSize jobs in the order of their ids, as columns. A
// deleted job leaves its slot empty until the chunk is rewritten.
//
// The collector looks at the first fields only: the columns hold no pointers.
type chunk struct {
	text   string          // texts of all jobs
	growth strings.Builder // behind text while jobs are appended
	first  job.ID          // id of slot 0
	used   int             // slots in use, empty ones included

	live     bitmap
	states   [stateCount]bitmap
	counts   [stateCount]uint16 // bits in states
	services [chunkWords]uint64 // for each 64 slots, the services in them: bit service%64

	offset   [chunkSize]uint32 // id - first, ascending
	textAt   [chunkSize]uint32
	owner    [chunkSize]uint32
	service  [chunkSize]uint32
	executor [chunkSize]uint32
	exit     [chunkSize]int32
	reason   [chunkSize]uint16
	priority [chunkSize]int16
	state    [chunkSize]uint8
	request  [chunkSize]uint64 // hash of the request that the job came with; 0 for none
	submit   [chunkSize]int64
	start    [chunkSize]int64
	complete [chunkSize]int64
	revision [chunkSize]uint64
}

func (c *chunk) id(i int) job.ID { return c.first + job.ID(c.offset[i]) }

func (c *chunk) texts(i int) texts { return texts(c.text[c.textAt[i]:]) }

// takes reports whether a job of that id can be appended.
func (c *chunk) takes(id job.ID) bool {
	return c.used < chunkSize && id-c.first <= math.MaxUint32 && len(c.text) < math.MaxUint32/2
}

// slotNumbers is what of a job the index gives numbers to: its owner, service and executor, and the hash of its request.
type slotNumbers struct {
	owner, service, executor uint32
	request                  uint64
}

// append adds a job whose id is above all that are here and returns its slot.
func (c *chunk) append(id job.ID, h *storev1.Header, n slotNumbers) int {
	i := c.used
	if i == 0 {
		c.first = id
	}
	c.used++
	c.offset[i] = uint32(id - c.first)
	c.textAt[i] = uint32(c.growth.Len())
	c.priority[i] = int16(clamp(h.GetPriority()))
	c.owner[i], c.service[i], c.executor[i], c.request[i] = n.owner, n.service, n.executor, n.request
	c.submit[i] = h.GetSubmitTimeNs()
	var scratch [256]byte
	c.growth.Write(appendTexts(scratch[:0], h))
	c.text = c.growth.String()
	c.services[i>>6] |= serviceBit(n.service)
	c.live.set(i)
	c.enterState(i, 0)
	c.setStatus(i, h)
	return i
}

func clamp(p int32) int32 { return max(math.MinInt16, min(math.MaxInt16, p)) }

// noExit is the exit code of a job that has none.
const noExit = math.MinInt32

// setStatus sets what of a job changes while it lives.
func (c *chunk) setStatus(i int, h *storev1.Header) {
	c.leaveState(i)
	c.enterState(i, uint8(stateIndex(h.GetState())))
	c.reason[i], c.exit[i] = uint16(h.GetReason()), noExit
	if h.ExitCode != nil {
		c.exit[i] = h.GetExitCode()
	}
	c.start[i], c.complete[i], c.revision[i] = h.GetStartTimeNs(), h.GetCompleteTimeNs(), h.GetRevision()
}

func (c *chunk) enterState(i int, state uint8) {
	c.state[i] = state
	c.states[state].set(i)
	c.counts[state]++
}

func (c *chunk) leaveState(i int) {
	c.states[c.state[i]].clear(i)
	c.counts[c.state[i]]--
}

// drop empties a slot.
func (c *chunk) drop(i int) {
	c.live.clear(i)
	c.leaveState(i)
}

// seal gives back what growth reserved, unless it is little. Texts handed out before stay valid.
func (c *chunk) seal() {
	if spare := c.growth.Cap() - c.growth.Len(); spare > c.growth.Len()/16 {
		c.text = strings.Clone(c.text)
	}
	c.growth.Reset()
}

// find returns the slot of a job that is here.
func (c *chunk) find(id job.ID) (int, bool) {
	if id < c.first || id-c.first > math.MaxUint32 {
		return 0, false
	}
	want := uint32(id - c.first)
	i := int(want)
	if i >= c.used || c.offset[i] != want { // some ids in between are not here
		var ok bool
		if i, ok = slices.BinarySearch(c.offset[:c.used], want); !ok {
			return 0, false
		}
	}
	return i, c.live.has(i)
}

// serviceBit is the bit of a service in chunk.services.
func serviceBit(service uint32) uint64 { return 1 << (service & 63) }

// stateIndex is a state as an index, 0 for one that this program does not know.
func stateIndex(s jobsv1.State) int {
	if s < 0 || s >= stateCount {
		return 0
	}
	return int(s)
}

// table holds all jobs in the order of their ids.
type table struct {
	chunks []*chunk
	jobs   int
	layout uint64 // grows when chunks other than the last come, go or are rewritten
}

// chunkOf returns the number of the chunk that has or would have the job; -1 when it is before all.
func (t *table) chunkOf(id job.ID) int {
	return sort.Search(len(t.chunks), func(k int) bool { return t.chunks[k].first > id }) - 1
}

// find returns the chunk and the slot of a job.
func (t *table) find(id job.ID) (chunkNo, slot int, ok bool) {
	k := t.chunkOf(id)
	if k < 0 {
		return 0, 0, false
	}
	i, ok := t.chunks[k].find(id)
	return k, i, ok
}

// lastID returns the highest id that was ever appended, as far as its slot is still there.
func (t *table) lastID() job.ID {
	n := len(t.chunks)
	if n == 0 || t.chunks[n-1].used == 0 {
		return 0
	}
	return t.chunks[n-1].id(t.chunks[n-1].used - 1)
}

// tail returns the chunk that takes a job with this id, made if need be.
func (t *table) tail(id job.ID) *chunk {
	grow := 0
	if n := len(t.chunks); n > 0 {
		last := t.chunks[n-1]
		if last.takes(id) {
			return last
		}
		last.seal()
		grow = len(last.text) + len(last.text)/32 // texts are much alike
	}
	c := &chunk{first: id}
	c.growth.Grow(grow)
	t.chunks = append(t.chunks, c)
	return c
}

// compact gives memory back after deletions: it drops chunk k when it is empty,
// and rewrites it together with the one behind it when both fit into one.
func (t *table) compact(k int) {
	last := len(t.chunks) - 1
	if k == last {
		return // jobs are still appended to it
	}
	n := t.chunks[k].live.count()
	switch {
	case n == 0:
		t.chunks = slices.Delete(t.chunks, k, k+1)
		t.layout++
	case k+1 < last && n+t.chunks[k+1].live.count() <= chunkSize/2:
		t.merge(k)
	case k > 0 && n+t.chunks[k-1].live.count() <= chunkSize/2:
		t.merge(k - 1)
	}
}

// merge rewrites chunks k and k+1 as one, if their ids are not too far apart.
func (t *table) merge(k int) {
	into := &chunk{first: t.chunks[k].first}
	for _, from := range t.chunks[k : k+2] {
		for i := range from.used {
			if !from.live.has(i) {
				continue
			}
			if !into.takes(from.id(i)) {
				return
			}
			into.copySlot(from, i)
		}
	}
	into.seal()
	t.chunks[k] = into
	t.chunks = slices.Delete(t.chunks, k+1, k+2)
	t.layout++
}

// copySlot appends a slot of another chunk.
func (c *chunk) copySlot(from *chunk, i int) {
	text := from.texts(i)
	n := c.used
	if n == 0 {
		c.first = from.id(i)
	}
	c.used++
	c.offset[n] = uint32(from.id(i) - c.first)
	c.textAt[n] = uint32(c.growth.Len())
	c.growth.WriteString(string(text[:text.size()]))
	c.text = c.growth.String()
	c.owner[n], c.service[n], c.executor[n] = from.owner[i], from.service[i], from.executor[i]
	c.exit[n], c.reason[n], c.priority[n] = from.exit[i], from.reason[i], from.priority[i]
	c.request[n] = from.request[i]
	c.submit[n], c.start[n], c.complete[n] = from.submit[i], from.start[i], from.complete[i]
	c.revision[n] = from.revision[i]
	c.services[n>>6] |= serviceBit(from.service[i])
	c.live.set(n)
	c.enterState(n, from.state[i])
}
