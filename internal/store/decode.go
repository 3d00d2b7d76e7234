package store

import (
	"errors"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	stintv1 "github.com/stint-jobs/stint/gen/stint/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Field numbers of record.proto and job.proto that the index reads. A test
// compares what decodeHeader reads with what the generated code reads.
const (
	recordJob       protowire.Number = 1
	recordRequestID protowire.Number = 4

	jobOwner        protowire.Number = 2
	jobService      protowire.Number = 3
	jobOutputName   protowire.Number = 4
	jobOutputFolder protowire.Number = 5
	jobLabels       protowire.Number = 8
	jobPriority     protowire.Number = 9
	jobParentID     protowire.Number = 11
	jobRerunOf      protowire.Number = 12
	jobExecutor     protowire.Number = 13
	jobState        protowire.Number = 20
	jobReason       protowire.Number = 21
	jobSubmitTime   protowire.Number = 24
	jobStartTime    protowire.Number = 25
	jobCompleteTime protowire.Number = 26
	jobAttempts     protowire.Number = 30
	jobHistory      protowire.Number = 31
	jobExitCode     protowire.Number = 33
	jobRevision     protowire.Number = 36
)

var errRecord = errors.New("not a job record")

// decodeHeader reads the header of an encoded record into h, reusing its
// memory, in a fraction of the time of a full decode. The texts are windows on
// b: they are valid as long as b is.
func decodeHeader(id job.ID, b []byte, h *header) error {
	*h = header{id: id, origin: origin{labels: h.labels[:0]}, seen: seen{exit: noExit}}
	for len(b) > 0 {
		f, rest, ok := nextField(b)
		if !ok {
			return errRecord
		}
		b = rest
		switch f.num {
		case recordJob:
			if !f.isBytes || !decodeJobHeader(f.bytes, h) {
				return errRecord
			}
		case recordRequestID:
			h.request = text(f.bytes)
		default: // of no interest to the index
		}
	}
	h.sortLabels()
	return nil
}

func decodeJobHeader(b []byte, h *header) bool {
	for len(b) > 0 {
		f, rest, ok := nextField(b)
		if !ok {
			return false
		}
		b = rest
		if f.isBytes {
			if !h.setBytes(f.num, f.bytes) {
				return false
			}
			continue
		}
		switch f.num {
		case jobPriority:
			h.priority = int32(f.value)
		case jobState:
			h.state = stintv1.State(f.value)
		case jobReason:
			h.reason = stintv1.Reason(f.value)
		case jobExitCode:
			h.exit = int32(f.value)
		case jobRevision:
			h.revision = f.value
		default:
		}
	}
	return true
}

// setBytes takes a field of a job that is a text or a message; false when it is malformed.
func (h *header) setBytes(num protowire.Number, b []byte) bool {
	ok := true
	switch num {
	case jobOwner:
		h.owner = text(b)
	case jobService:
		h.service = text(b)
	case jobOutputName:
		h.name = text(b)
	case jobOutputFolder:
		h.folder = text(b)
	case jobExecutor:
		h.executor = text(b)
	case jobParentID:
		h.parent = text(b)
	case jobRerunOf:
		h.rerun = text(b)
	case jobLabels:
		var l label
		l, ok = decodeLabel(b)
		h.labels = append(h.labels, l)
	case jobSubmitTime:
		h.submit, ok = decodeTime(b)
	case jobStartTime:
		h.start, ok = decodeTime(b)
	case jobCompleteTime:
		h.complete, ok = decodeTime(b)
	default:
	}
	return ok
}

// decodeLabel reads one entry of a map<string, string>.
func decodeLabel(b []byte) (l label, ok bool) {
	for len(b) > 0 {
		f, rest, ok := nextField(b)
		if !ok {
			return l, false
		}
		b = rest
		switch f.num {
		case 1:
			l.key = text(f.bytes)
		case 2:
			l.value = text(f.bytes)
		default:
		}
	}
	return l, true
}

// decodeTime reads a google.protobuf.Timestamp as nanoseconds since 1970.
func decodeTime(b []byte) (t int64, ok bool) {
	for len(b) > 0 {
		f, rest, ok := nextField(b)
		if !ok {
			return 0, false
		}
		b = rest
		switch f.num {
		case 1:
			t += int64(f.value) * 1e9
		case 2:
			t += int64(f.value)
		default:
		}
	}
	return t, true
}

// field is one field on the wire: bytes when its type says so, else value.
type field struct {
	num     protowire.Number
	isBytes bool
	value   uint64
	bytes   []byte
}

// nextField takes the first field off b. It does what protowire's functions
// do, for the usual case in one go: a start reads some thirty fields of each job.
func nextField(b []byte) (f field, rest []byte, ok bool) {
	tag, i := shortVarint(b, 0)
	if i < 0 || tag>>3 == 0 || tag>>3 > uint64(protowire.MaxValidNumber) {
		return slowField(b)
	}
	f.num = protowire.Number(tag >> 3)
	switch protowire.Type(tag & 7) {
	case protowire.BytesType:
		n, at := shortVarint(b, i)
		if end := at + int(n); at > 0 && end <= len(b) {
			f.isBytes, f.bytes = true, b[at:end:end]
			return f, b[end:], true
		}
	case protowire.VarintType:
		if v, at := shortVarint(b, i); at > 0 {
			f.value = v
			return f, b[at:], true
		}
	default:
	}
	return slowField(b)
}

// shortVarint reads a varint of up to five bytes at i, as those of times have; next is negative for any other.
func shortVarint(b []byte, i int) (v uint64, next int) {
	if i < len(b) && b[i] < 0x80 {
		return uint64(b[i]), i + 1
	}
	for shift := 0; shift < 5*7 && i < len(b); shift += 7 {
		c := b[i]
		i++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, i
		}
	}
	return 0, -1
}

func slowField(b []byte) (f field, rest []byte, ok bool) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return f, nil, false
	}
	b = b[n:]
	f.num = num
	switch typ {
	case protowire.BytesType:
		f.isBytes = true
		f.bytes, n = protowire.ConsumeBytes(b)
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(b)
	default:
		n = protowire.ConsumeFieldValue(num, typ, b)
	}
	if n < 0 {
		return f, nil, false
	}
	return f, b[n:], true
}

// text is b as a string without a copy. It is for the index alone, which
// clones what it keeps before the transaction that b belongs to ends.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
