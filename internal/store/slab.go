package store

import (
	"math"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"unsafe"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
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

// append takes a job whose id is above all that are here and answers its slot.
func (c *chunk) append(h *header, owner, service, executor uint32) int {
	i := c.used
	if i == 0 {
		c.first = h.id
	}
	c.used++
	c.offset[i] = uint32(h.id - c.first)
	c.textAt[i] = uint32(c.growth.Len())
	c.priority[i] = int16(clamp(h.priority))
	c.owner[i], c.service[i], c.executor[i], c.submit[i] = owner, service, executor, h.submit
	var scratch [256]byte
	c.growth.Write(appendTexts(scratch[:0], &h.origin))
	c.text = c.growth.String()
	c.services[i>>6] |= serviceBit(service)
	c.live.set(i)
	c.enterState(i, 0)
	c.see(i, &h.seen)
	return i
}

func clamp(p int32) int32 { return max(math.MinInt16, min(math.MaxInt16, p)) }

// see takes the changing part of a job.
func (c *chunk) see(i int, s *seen) {
	c.leaveState(i)
	c.enterState(i, uint8(stateIndex(s.state)))
	c.reason[i], c.exit[i] = uint16(s.reason), s.exit
	c.start[i], c.complete[i], c.revision[i] = s.start, s.complete, s.revision
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

// find answers the slot of a job that is here.
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

// slab holds all jobs in the order of their ids.
type slab struct {
	chunks []*chunk
	jobs   int
	shape  uint64 // grows when chunks other than the last come, go or are rewritten
}

// chunkOf is the number of the chunk that has or would have the job; -1 when it is before all.
func (s *slab) chunkOf(id job.ID) int {
	return sort.Search(len(s.chunks), func(k int) bool { return s.chunks[k].first > id }) - 1
}

// find answers the chunk and the slot of a job.
func (s *slab) find(id job.ID) (chunkNo, slot int, ok bool) {
	k := s.chunkOf(id)
	if k < 0 {
		return 0, 0, false
	}
	i, ok := s.chunks[k].find(id)
	return k, i, ok
}

// tail is the chunk that takes a job with this id, made if need be.
func (s *slab) tail(id job.ID) *chunk {
	grow := 0
	if n := len(s.chunks); n > 0 {
		last := s.chunks[n-1]
		if last.takes(id) {
			return last
		}
		last.seal()
		grow = len(last.text) + len(last.text)/32 // texts are much alike
	}
	c := &chunk{first: id}
	prefault(unsafe.Pointer(c), int(unsafe.Sizeof(*c)))
	c.growth.Grow(grow)
	prefault(unsafe.Pointer(unsafe.StringData(c.growth.String())), grow)
	s.chunks = append(s.chunks, c)
	return c
}
