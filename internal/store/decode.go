package store

import (
	"errors"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// Fields of record.proto and job.proto that the index reads: number and type, so that one of the same number and another
// type is none, as the generated code has it. A test compares what decodeHeader reads with what that reads.
const (
	recordJob       tag = 1<<3 | bytesType
	recordRequestID tag = 4<<3 | bytesType

	jobOwner        tag = 2<<3 | bytesType
	jobService      tag = 3<<3 | bytesType
	jobOutputName   tag = 4<<3 | bytesType
	jobOutputFolder tag = 5<<3 | bytesType
	jobLabels       tag = 8<<3 | bytesType
	jobPriority     tag = 9<<3 | varintType
	jobParentID     tag = 11<<3 | bytesType
	jobRerunOf      tag = 12<<3 | bytesType
	jobExecutor     tag = 13<<3 | bytesType
	jobState        tag = 20<<3 | varintType
	jobReason       tag = 21<<3 | varintType
	jobSubmitTime   tag = 24<<3 | bytesType
	jobStartTime    tag = 25<<3 | bytesType
	jobCompleteTime tag = 26<<3 | bytesType
	jobAttempts     tag = 30<<3 | bytesType
	jobHistory      tag = 31<<3 | bytesType
	jobExitCode     tag = 33<<3 | varintType
	jobRevision     tag = 36<<3 | varintType
)

// tag is the number and the type of a field, as they stand before it.
type tag uint64

const (
	varintType = tag(protowire.VarintType)
	bytesType  = tag(protowire.BytesType)
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
		switch f.tag {
		case recordJob:
			if !decodeJobHeader(f.bytes, h) {
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
		switch f.tag {
		case jobPriority:
			h.priority = int32(f.value)
		case jobState:
			h.state = jobsv1.State(f.value)
		case jobReason:
			h.reason = jobsv1.Reason(f.value)
		case jobExitCode:
			h.exit = int32(f.value)
		case jobRevision:
			h.revision = f.value
		default:
			if !h.setBytes(f) {
				return false
			}
		}
	}
	return true
}

// setBytes takes a field of a job that is a text or a message; false when it is malformed.
func (h *header) setBytes(f field) bool {
	ok := true
	switch f.tag {
	case jobOwner:
		h.owner = text(f.bytes)
	case jobService:
		h.service = text(f.bytes)
	case jobOutputName:
		h.name = text(f.bytes)
	case jobOutputFolder:
		h.folder = text(f.bytes)
	case jobExecutor:
		h.executor = text(f.bytes)
	case jobParentID:
		h.parent = text(f.bytes)
	case jobRerunOf:
		h.rerun = text(f.bytes)
	case jobLabels:
		var l label
		l, ok = decodeLabel(f.bytes)
		h.labels = append(h.labels, l)
	case jobSubmitTime:
		h.submit, ok = decodeTime(f.bytes)
	case jobStartTime:
		h.start, ok = decodeTime(f.bytes)
	case jobCompleteTime:
		h.complete, ok = decodeTime(f.bytes)
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
		switch f.tag {
		case 1<<3 | bytesType:
			l.key = text(f.bytes)
		case 2<<3 | bytesType:
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
		switch f.tag {
		case 1<<3 | varintType:
			t += int64(f.value) * 1e9
		case 2<<3 | varintType:
			t += int64(f.value)
		default:
		}
	}
	return t, true
}

// field is one field on the wire, with bytes or a value as its type says; those of other types have neither.
type field struct {
	tag   tag
	value uint64
	bytes []byte
}

// nextField takes the first field off b. It does what protowire's functions
// do, for the usual case in one go: a start reads some thirty fields of each job.
func nextField(b []byte) (f field, rest []byte, ok bool) {
	t, i := shortVarint(b, 0)
	if i < 0 || t>>3 == 0 || t>>3 > uint64(protowire.MaxValidNumber) {
		return slowField(b)
	}
	f.tag = tag(t)
	switch f.tag & 7 {
	case bytesType:
		n, at := shortVarint(b, i)
		if end := at + int(n); at > 0 && end <= len(b) {
			f.bytes = b[at:end:end]
			return f, b[end:], true
		}
	case varintType:
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
	f.tag = tag(num)<<3 | tag(typ)
	switch typ {
	case protowire.BytesType:
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
