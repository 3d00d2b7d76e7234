package index

import (
	"cmp"
	"math"
	"slices"
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
)

const stateCount = 6

// slot is one job but for its texts. It holds no pointers, so that the collector passes it by.
type slot struct {
	id                             job.ID
	revision                       uint64
	request                        uint64 // hash of the request that the job came with; 0 for none
	submit                         int64  // times are in nanoseconds since 1970
	start                          int64
	complete                       int64
	textAt                         int // where its texts begin in its chunk
	ownerNo, serviceNo, executorNo uint32

	exit     int32 // or noExit
	priority int16
	reason   uint16
	state    uint8
}

const noExit = math.MinInt32

// slotOf returns the slot of a job without what the index has numbers for.
func slotOf(id job.ID, h *storev1.Header) slot {
	priority := max(math.MinInt16, min(math.MaxInt16, h.GetPriority()))
	s := slot{id: id, submit: h.GetSubmitTimeNs(), priority: int16(priority), request: hashRequest(h)}
	s.setStatus(h)
	return s
}

func (s *slot) setStatus(h *storev1.Header) {
	s.state, s.reason, s.exit = stateIndex(h.GetState()), uint16(h.GetReason()), noExit
	if h.ExitCode != nil {
		s.exit = h.GetExitCode()
	}
	s.start, s.complete, s.revision = h.GetStartTimeNs(), h.GetCompleteTimeNs(), h.GetRevision()
}

// stateIndex is a state as an index, 0 for one that this program does not know.
func stateIndex(s jobsv1.State) uint8 {
	if s < 0 || s >= stateCount {
		return 0
	}
	return uint8(s)
}

type table struct {
	chunks map[job.ID]*chunk // by id/chunkSize
}

const chunkSize = 1024

// chunk holds the jobs whose ids are in one range. A few large pieces of memory are less
// work for the collector than one for each job.
type chunk struct {
	slots  []slot          // in the order of ids
	text   strings.Builder // texts of the jobs, and of some that are gone
	unused int             // bytes in text that are of jobs that are gone
}

// find returns a job and its chunk; nil when it is not there. The slot is valid until the table changes.
func (t *table) find(id job.ID) (*chunk, *slot) {
	c := t.chunks[id/chunkSize]
	return c, c.find(id)
}

// find returns a job; nil when it is not there, as none is in a nil chunk.
func (c *chunk) find(id job.ID) *slot {
	if c == nil {
		return nil
	}
	if i, ok := c.search(id); ok {
		return &c.slots[i]
	}
	return nil
}

// add adds a job whose id is above all others.
func (t *table) add(s slot, h *storev1.Header) {
	c := t.chunks[s.id/chunkSize]
	if c == nil {
		c = &chunk{slots: make([]slot, 0, chunkSize)}
		t.chunks[s.id/chunkSize] = c
	}
	s.textAt = c.text.Len()
	var scratch [256]byte
	c.text.Write(appendTexts(scratch[:0], h))
	c.slots = append(c.slots, s)
}

// remove takes out a job that is there. It gives memory back when half of a chunk is unused.
func (t *table) remove(id job.ID) {
	c := t.chunks[id/chunkSize]
	i, _ := c.search(id)
	c.unused += len(c.textsOf(&c.slots[i]).trim())
	c.slots = slices.Delete(c.slots, i, i+1)
	switch {
	case len(c.slots) == 0:
		delete(t.chunks, id/chunkSize)
	case c.unused > c.text.Len()/2:
		t.chunks[id/chunkSize] = c.compact()
	}
}

func (c *chunk) search(id job.ID) (int, bool) {
	if i := id - c.slots[0].id; i < job.ID(len(c.slots)) && c.slots[i].id == id {
		return int(i), true //nolint:gosec // less than the length; most often no id is missing before it
	}
	return slices.BinarySearchFunc(c.slots, id, func(s slot, id job.ID) int { return cmp.Compare(s.id, id) })
}

// textsOf returns the texts of a job of the chunk. They stay valid whatever becomes of it.
func (c *chunk) textsOf(s *slot) texts { return texts(c.text.String()[s.textAt:]) }

// compact returns the chunk without the texts of jobs that are gone, and with room for those that
// are there.
func (c *chunk) compact() *chunk {
	to := &chunk{slots: slices.Clone(c.slots)}
	for i := range to.slots {
		to.slots[i].textAt = to.text.Len()
		to.text.WriteString(string(c.textsOf(&c.slots[i]).trim()))
	}
	return to
}
