package workdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

const (
	// ChunkMost is the most bytes that ReadLog hands over at a time.
	ChunkMost = 64 << 10
	// tailScanMost bounds how far back the begin of the last lines is looked
	// for: a file of a terabyte without a line break must not be read to its begin.
	tailScanMost = 32 << 20
	// A follower looks for more at these intervals: soon after there was
	// something, and later and later while there is nothing. Looking costs some 20 us, works on every file
	// system (network file systems send no inotify events), and needs no inotify
	// instance, of which a user has 128.
	pollLeast = 20 * time.Millisecond
	pollMost  = 250 * time.Millisecond
)

// LogOptions say which part of a log to read. The zero value is all that is there now.
type LogOptions struct {
	// Offset of the first byte wanted. Beyond the end there is nothing, yet.
	Offset int64
	// TailLines, when positive, begins that many lines before the end instead
	// of at Offset. Lines are looked for in the last 32 MiB only.
	TailLines int
	// Limit is the most bytes to read. 0 is no limit.
	Limit int64
	// Done makes ReadLog follow the log: it goes on until Done is closed and
	// everything written before that was read. Nil does not follow.
	Done <-chan struct{}
	// KeepAlive, when positive, makes a follower hand over a chunk without
	// data when it has had none for so long.
	KeepAlive time.Duration
}

// LogChunk is a piece of a log.
type LogChunk struct {
	// Offset of the first byte of Data in the whole output. It is more than
	// the end of the chunk before where the output was over its cap and its middle dropped.
	Offset int64
	// Data is at most ChunkMost bytes, possibly not UTF-8, and valid during the call only.
	Data []byte
	// Size of the output so far, as far as it is kept.
	Size int64
}

// LogSize is how long the output is so far, as far as it is kept; 0 when there is none.
func (a Attempt) LogSize(s Stream) (int64, error) {
	set := segmentSet{attempt: a, stream: s}
	defer set.close()
	segments, err := set.list()
	if err != nil {
		return 0, fmt.Errorf("size of %s of attempt %s: %w", s, a.Name(), err)
	}
	return logSize(segments), nil
}

// ReadLog hands a stream's output to send, in its order and without ever
// holding more than a chunk of it. An output that is missing is empty. It ends with the first error
// of send, or with ctx's. A follower hands over what is written within a
// quarter of a second; an output that got shorter has nothing for it until it is longer again.
func (a Attempt) ReadLog(ctx context.Context, s Stream, o LogOptions, send func(LogChunk) error) error {
	r := logReader{set: segmentSet{attempt: a, stream: s}, send: send, pos: max(0, o.Offset), left: -1}
	defer r.set.close()
	if o.Limit > 0 {
		r.left = o.Limit
	}
	if o.TailLines > 0 {
		var err error
		if r.pos, err = r.tailStart(ctx, o.TailLines); err != nil {
			return fmt.Errorf("read %s of attempt %s: %w", s, a.Name(), err)
		}
	}
	if err := r.follow(ctx, o); err != nil {
		return fmt.Errorf("read %s of attempt %s: %w", s, a.Name(), err)
	}
	return nil
}

// logReader is one call of ReadLog.
type logReader struct {
	set  segmentSet
	send func(LogChunk) error
	pos  int64 // offset of the next byte to hand over
	left int64 // bytes that may still be handed over; -1 is no limit
	size int64
	buf  []byte
}

// follow reads what is there and, if asked to, what comes.
func (r *logReader) follow(ctx context.Context, o LogOptions) error {
	idle, last := pollLeast, time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for over := o.Done == nil; ; {
		before := r.pos
		if err := r.pass(ctx); err != nil || over || r.left == 0 {
			return err
		}
		if r.pos != before {
			idle, last = pollLeast, time.Now()
		}
		if o.KeepAlive > 0 && time.Since(last) >= o.KeepAlive {
			last = time.Now()
			if err := r.send(LogChunk{Offset: r.pos, Size: max(r.size, r.pos)}); err != nil {
				return err
			}
		}
		timer.Reset(idle)
		idle = min(2*idle, pollMost)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-o.Done:
			over = true // what was written before Done was closed is on disk: one more pass has it all
		case <-timer.C:
		}
	}
}

// pass hands over all that is there beyond pos. The segments are listed before
// they are read: one that has a successor in the list was complete by then, so its end is where
// the gap or the successor begins.
func (r *logReader) pass(ctx context.Context) error {
	segments, err := r.set.list()
	if err != nil {
		return err
	}
	r.size = logSize(segments)
	for i, seg := range segments {
		if i+1 < len(segments) && segments[i+1].offset <= r.pos {
			continue
		}
		if r.left == 0 {
			return nil
		}
		if err := r.segment(ctx, seg); err != nil {
			return err
		}
	}
	return nil
}

// segment hands over the rest of one segment.
func (r *logReader) segment(ctx context.Context, seg segment) error {
	if seg.offset+seg.size <= r.pos {
		return nil
	}
	f, err := r.set.open(seg)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // dropped by the writer: a gap
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if r.buf == nil {
		r.buf = make([]byte, ChunkMost)
	}
	for from := max(r.pos, seg.offset); ; from = r.pos {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf := r.buf
		if r.left >= 0 {
			buf = buf[:min(int64(len(buf)), r.left)]
		}
		n, err := f.ReadAt(buf, from-seg.offset)
		if n > 0 {
			if err := r.hand(from, buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) || r.left == 0:
			return nil
		case err != nil:
			return err
		}
	}
}

// hand gives one chunk to send.
func (r *logReader) hand(offset int64, data []byte) error {
	r.pos = offset + int64(len(data))
	if r.left >= 0 {
		r.left -= int64(len(data))
	}
	r.size = max(r.size, r.pos)
	return r.send(LogChunk{Offset: offset, Data: data, Size: r.size})
}

// tailStart finds the offset at which the last n lines begin. A last line
// without a line break counts. A gap is no line break, but lines on both sides of it count.
func (r *logReader) tailStart(ctx context.Context, n int) (int64, error) {
	segments, err := r.set.list()
	if err != nil || len(segments) == 0 {
		return 0, err
	}
	t := tailScan{buf: make([]byte, ChunkMost), lines: n, left: tailScanMost, start: logSize(segments)}
	for i := len(segments) - 1; i >= 0 && !t.found && t.left > 0; i-- {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		f, err := r.set.open(segments[i])
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return 0, err
		}
		err = t.segment(f, segments[i])
		f.Close()
		if err != nil {
			return 0, err
		}
	}
	return t.start, nil
}

// tailScan looks for the begin of the last lines, backwards.
type tailScan struct {
	buf   []byte
	lines int   // line breaks still to pass, the one at the very end not counted
	left  int64 // bytes that may still be looked at
	start int64 // offset at which the lines found so far begin
	any   bool  // whether a byte was looked at
	found bool
}

// segment scans one segment from its end to its begin.
func (t *tailScan) segment(f *os.File, seg segment) error {
	for end := seg.size; end > 0 && t.left > 0 && !t.found; {
		n := min(int64(len(t.buf)), end, t.left)
		end -= n
		t.left -= n
		got, err := f.ReadAt(t.buf[:n], end)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		t.block(t.buf[:got], seg.offset+end)
	}
	return nil
}

// block scans one block that begins at the offset.
func (t *tailScan) block(b []byte, offset int64) {
	for i, c := range slices.Backward(b) {
		if c == '\n' && t.any {
			if t.lines--; t.lines == 0 {
				t.start, t.found = offset+int64(i)+1, true
				return
			}
		}
		t.any = true
	}
	t.start = offset
}
