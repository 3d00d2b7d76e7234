package workdir

import (
	"fmt"
	"io"
	"os"
)

// Stream names what a command writes.
type Stream string

// The streams of a command. The value is how its log files are named.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// tailSegments is how many segments are kept of what follows the head.
const tailSegments = 2

// LogLimits bound how much of a stream is kept on disk.
type LogLimits struct {
	// HeadBytes at the begin of the output are always kept.
	HeadBytes int64
	// TailBytes is the size of a segment of the rest, of which the last two are kept.
	TailBytes int64
}

// segmentFile is an open log segment.
type segmentFile interface {
	io.WriteCloser
	Sync() error
}

// LogWriter keeps one stream of a command in segments: the head, and of what
// follows the last two segments, each named by the offset of its first byte. It is used by one goroutine.
//
// A Write takes everything it is given, whatever the disk says, so that a command is neither
// blocked nor ended by its own log. What could not be kept is counted, and
// since offsets stay true a reader sees the gap.
type LogWriter struct {
	stream Stream
	limits LogLimits
	open   func(name string) (segmentFile, error)
	remove func(name string) error

	offset int64       // of the next byte
	head   int64       // where the head ends
	file   segmentFile // nil between segments
	start  int64       // offset of file's first byte
	end    int64       // offset at which file is full
	tail   []int64     // segments after the head, oldest first
	lost   int64
	err    error // why the first byte was lost
}

// CreateLog begins the log of a stream, which has no file before its first byte. What an earlier run left is overwritten then.
func (a Attempt) CreateLog(s Stream, limits LogLimits) (*LogWriter, error) {
	if limits.HeadBytes <= 0 || limits.TailBytes <= 0 {
		return nil, fmt.Errorf("create %s of attempt %s: limits must be positive", s, a.Name())
	}
	w := &LogWriter{stream: s, limits: limits, head: limits.HeadBytes}
	w.open = func(name string) (segmentFile, error) {
		root, at := a.place(name)
		return root.OpenFile(at, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	}
	w.remove = func(name string) error {
		root, at := a.place(name)
		return root.Remove(at)
	}
	return w, nil
}

// Write appends p and answers len(p) and no error.
func (w *LogWriter) Write(p []byte) (int, error) {
	all := len(p)
	for len(p) > 0 {
		if w.file == nil || w.offset >= w.end {
			if err := w.roll(); err != nil {
				w.drop(p, err)
				break
			}
		}
		n, err := w.file.Write(p[:min(int64(len(p)), w.end-w.offset)])
		w.keep(n)
		p = p[n:]
		if err != nil {
			w.drop(p, err)
			break
		}
	}
	return all, nil
}

// Size is how many bytes the command wrote, kept or not.
func (w *LogWriter) Size() int64 { return w.offset }

// Lost is how many bytes could not be kept though they were within the limits
// when they came, and why. The error is nil when none was lost.
func (w *LogWriter) Lost() (int64, error) { return w.lost, w.err }

// Close forces what is kept to disk.
func (w *LogWriter) Close() error {
	if w.file == nil {
		return nil
	}
	var err error
	if w.offset > w.start { // an empty one has nothing to lose
		err = w.file.Sync()
	}
	if closeErr := w.file.Close(); err == nil {
		err = closeErr
	}
	w.file = nil
	if err != nil {
		return fmt.Errorf("close %s: %w", w.stream, err)
	}
	return nil
}

// roll begins the segment at the current offset.
func (w *LogWriter) roll() error {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
	f, err := w.open(segmentName(w.stream, w.offset))
	if err != nil {
		return err
	}
	w.file, w.start, w.end = f, w.offset, w.head
	if w.offset >= w.head {
		w.end = w.offset + w.limits.TailBytes
	}
	return nil
}

// keep counts n bytes that were written, and lets a segment of the tail replace the oldest only
// when it has its first byte: a full disk must not cost what is kept already.
func (w *LogWriter) keep(n int) {
	if n > 0 && w.offset == w.start && w.start >= w.head {
		w.tail = append(w.tail, w.start)
		if len(w.tail) > tailSegments {
			_ = w.remove(segmentName(w.stream, w.tail[0]))
			w.tail = w.tail[1:]
		}
	}
	w.offset += int64(n)
}

// drop counts what could not be written. The next byte gets a segment of its
// own with its true offset; it belongs to the tail, so that the number of segments stays bounded.
func (w *LogWriter) drop(p []byte, err error) {
	if w.err == nil {
		w.err = err
	}
	if w.file != nil {
		w.file.Close()
		w.file = nil
		if w.offset == w.start && w.start > 0 {
			_ = w.remove(segmentName(w.stream, w.start))
		}
	}
	w.lost += int64(len(p))
	w.offset += int64(len(p))
	w.head = min(w.head, w.offset)
}
