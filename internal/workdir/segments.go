package workdir

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// segment is one file of a log.
type segment struct {
	name   string
	offset int64 // of its first byte in the whole output
	size   int64
}

// segmentName is the file name of the segment that begins at the offset.
func segmentName(s Stream, offset int64) string {
	return string(s) + "." + strconv.FormatInt(offset, 10)
}

// parseSegment reads the offset out of a file name. A name without one is the
// whole output in one file, as an engine writes it that does not cut.
func parseSegment(s Stream, name string) (int64, bool) {
	if name == string(s) {
		return 0, true
	}
	digits, ok := strings.CutPrefix(name, string(s)+".")
	if !ok {
		return 0, false
	}
	offset, err := strconv.ParseInt(digits, 10, 64)
	return offset, err == nil && offset >= 0 && strconv.FormatInt(offset, 10) == digits
}

// segmentSet is the folder of an attempt as a reader of one of its logs sees
// it. The folder is held open, so that looking again costs little.
type segmentSet struct {
	attempt Attempt
	stream  Stream
	dir     *os.Root // nil while the attempt has no folder
}

// list answers the segments in the order of their offsets. No folder and no file are no error.
func (s *segmentSet) list() ([]segment, error) {
	if s.dir == nil {
		dir, err := openFolder(s.attempt.root.fs, s.attempt.rel())
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		s.dir = dir
	}
	d, err := s.dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var segments []segment
	for _, name := range names {
		offset, ok := parseSegment(s.stream, name)
		if !ok {
			continue
		}
		if info, err := s.dir.Lstat(name); err == nil && info.Mode().IsRegular() {
			segments = append(segments, segment{name: name, offset: offset, size: info.Size()})
		}
	}
	slices.SortFunc(segments, func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), strings.Compare(a.name, b.name))
	})
	return segments, nil
}

// open opens a segment; fs.ErrNotExist when the writer has dropped it meanwhile.
func (s *segmentSet) open(seg segment) (*os.File, error) {
	return s.dir.OpenFile(seg.name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

func (s *segmentSet) close() {
	if s.dir != nil {
		s.dir.Close()
	}
}

// logSize is where the output ends, as far as it is kept.
func logSize(segments []segment) int64 {
	size := int64(0)
	for _, seg := range segments {
		size = max(size, seg.offset+seg.size)
	}
	return size
}
