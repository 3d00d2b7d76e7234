package api

import (
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/stint-jobs/stint/internal/api/status"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/weight"
)

const (
	// smallMessage is decoded without a look at what it becomes: at most some hundred kilobytes.
	smallMessage = 4 << 10
	// elementBytes is what an element becomes, about. A number in JSON is three of them.
	elementBytes = 48
	// maxDecoded bounds what all messages that are being handled have become.
	maxDecoded = 256 << 20
)

// Decoding bounds what the messages of a server's calls become.
type Decoding struct {
	used atomic.Int64

	mu   sync.Mutex
	held map[proto.Message]int64
}

// NewDecoding returns a Decoding of which nothing is used.
func NewDecoding() *Decoding { return &Decoding{held: make(map[proto.Message]int64)} }

// Cost is what a text or a message with so many elements becomes, in bytes.
func Cost(bytes, elements int) int64 { return int64(bytes) + elementBytes*int64(elements) }

// Take notes that something is made, and reports whether there is room for it. What it admits must be given back.
func (d *Decoding) Take(cost int64) bool {
	if d.used.Add(cost) > maxDecoded {
		d.used.Add(-cost)
		return false
	}
	return true
}

// Give gives back what Take admitted.
func (d *Decoding) Give(cost int64) { d.used.Add(-cost) }

// hold is Take for a message that release is called for.
func (d *Decoding) hold(m proto.Message, cost int64) bool {
	if d == nil {
		return true
	}
	if !d.Take(cost) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held[m] += cost
	return true
}

// release gives back what a message took, if it took anything.
func (d *Decoding) release(v any) {
	if d == nil || d.used.Load() == 0 {
		return
	}
	m, ok := message(v)
	if !ok {
		return
	}
	d.mu.Lock()
	cost := d.held[m]
	delete(d.held, m)
	d.mu.Unlock()
	d.Give(cost)
}

// Layer decodes the request of a unary call, and gives back what it took when the call ends. It goes behind the layers that
// say who calls and whether they may.
func (d *Decoding) Layer(c *layers.Call) (end func(error) error, err error) {
	if c.IsStream() {
		return nil, nil
	}
	if err := c.Receive(); err != nil {
		d.release(c.Request)
		return nil, err
	}
	return func(err error) error {
		d.release(c.Request)
		return err
	}, nil
}

// check returns the mark of why a message is not decoded; nil for one that may be.
func (d *Decoding) check(data mem.Buffer, m proto.Message) (mark []byte) {
	size, ok := sizesByMessage()[m.ProtoReflect().Descriptor().FullName()]
	if !ok {
		return nil // an answer, which a client reads
	}
	b := data.ReadOnlyData()
	if len(b) > size.Bytes {
		return tooLarge
	}
	left := size.Elements
	if !weight.TakeElements(b, m.ProtoReflect().Descriptor(), &left) {
		return tooLarge
	}
	if !d.hold(m, Cost(len(b), size.Elements-left)) {
		return overloaded
	}
	return nil
}

// refusals are what is said of messages that carry a mark.
func refusalOf(mark []byte) error {
	switch string(mark) {
	case string(unreadable):
		return status.Of(status.ErrUnreadable).Err()
	case string(tooLarge):
		return status.Of(status.ErrMessageTooLarge).Err()
	case string(overloaded):
		return status.Of(status.ErrTooMuchAtOnce).Err()
	default:
		return nil
	}
}
