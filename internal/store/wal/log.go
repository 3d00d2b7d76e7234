package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Log is a log that is written. Its methods are for one goroutine, but for Settle, which may run beside Append.
type Log struct {
	parts  [2]part // the one that is written, and the other
	epoch  uint64  // of the file that is written
	number uint64  // of the last entry
	end    int64   // where the next entry goes
	base   uint64  // the last entry before the Switch
	buf    []byte
	err    error // why nothing is written any more
}

// part is one of the two files.
type part struct {
	*os.File
	name string
	mark uint64
	room int64 // its length
}

// Create makes the log of a path, whose data are durable in the state that base
// tells, in the place of the past one, if any: from its return on, and not before, that one is gone.
// Without sync nothing is durable, for tests that are not about that.
func Create(path string, past *Past, base []byte, sync bool) (*Log, error) {
	if len(base) > MaxBase {
		return nil, fmt.Errorf("write-ahead log %s: a base of %d bytes", path, len(base))
	}
	l := &Log{epoch: 1, end: entriesAt}
	if past != nil {
		l.epoch = past.epoch + 2 // the log may have a file of the next epoch
	}
	for i, name := range names(path) {
		mark, content := newMark(), make([]byte, atFirst)
		copy(content, encodeHead(l.epoch+uint64(i), mark))
		if i == 0 {
			copy(content[baseAt:], encodeBase(mark, 0, base))
		}
		f, err := place(name, content, sync)
		if err == nil && sync && (past != nil || i == 1) { // a past base must not go before the new one is there
			err = SyncFolder(filepath.Dir(name))
		}
		l.parts[i] = part{f, name, mark, atFirst}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make the write-ahead log: %w", err), l.Close())
		}
	}
	return l, nil
}

// place makes a file, all or nothing, and opens it so that a write is on disk when it returns.
func place(name string, content []byte, sync bool) (*os.File, error) {
	temporary := name + ".new"
	flags := os.O_RDWR | os.O_CREATE | os.O_TRUNC
	if sync {
		flags |= unix.O_DSYNC
	}
	f, err := os.OpenFile(temporary, flags, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(content); err == nil {
		err = os.Rename(temporary, name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Append writes an entry. When it returns nil the entry is on disk. After an
// error nobody knows whether it is, and each later Append answers that error.
func (l *Log) Append(content []byte) error {
	if l.err != nil {
		return l.err
	}
	l.buf = encodeEntry(l.buf, l.parts[0].mark, l.number+1, content)
	if err := l.write(l.buf); err != nil {
		l.err = fmt.Errorf("append to the write-ahead log: %w", err)
		return l.err
	}
	l.number++
	l.end += int64(len(l.buf))
	if cap(l.buf) > 4<<20 {
		l.buf = nil
	}
	return nil
}

func (l *Log) write(entry []byte) error {
	p := &l.parts[0]
	if more := l.end + int64(len(entry)) - p.room; more > 0 {
		more = max(growth, more)
		if _, err := p.WriteAt(make([]byte, more), p.room); err != nil {
			return err
		}
		p.room += more
	}
	_, err := p.WriteAt(entry, l.end)
	return err
}

// Size is how many bytes the entries since the last Switch take.
func (l *Log) Size() int64 { return l.end - entriesAt }

// Switch has the next entries go to the other file. It must be followed by
// Settle with the state of the data that has every entry so far, before the next Switch.
func (l *Log) Switch() {
	l.parts[0], l.parts[1] = l.parts[1], l.parts[0]
	l.epoch++
	l.base, l.end = l.number, entriesAt
}

// Settle says that the data are durable in the state that base tells, which has
// all entries from before the Switch. They are forgotten.
func (l *Log) Settle(base []byte) error {
	if len(base) > MaxBase {
		return fmt.Errorf("write-ahead log: a base of %d bytes", len(base))
	}
	if _, err := l.parts[0].WriteAt(encodeBase(l.parts[0].mark, l.base, base), baseAt); err != nil {
		return fmt.Errorf("write the base of the write-ahead log: %w", err)
	}
	l.parts[1].mark = newMark()
	if _, err := l.parts[1].WriteAt(encodeHead(l.epoch+1, l.parts[1].mark), 0); err != nil {
		return fmt.Errorf("begin a file of the write-ahead log: %w", err)
	}
	return nil
}

// Close closes the files and leaves the log as it is, to be read.
func (l *Log) Close() error {
	var err error
	for _, p := range l.parts {
		if p.File != nil {
			err = errors.Join(err, p.File.Close())
		}
	}
	return err
}
