package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Past is a log that somebody wrote before.
type Past struct {
	// Base is the state of the data that the entries go on from.
	Base []byte

	epoch  uint64  // of the base
	number uint64  // of the last entry in the base
	parts  []found // the files that have entries behind it, in order
}

// found is what the first two blocks of a file say.
type found struct {
	name   string
	epoch  uint64 // 0 when there is no head
	mark   uint64
	number uint64
	base   []byte // nil when there is none with that mark
}

// Exists reports whether a path has a log.
func Exists(path string) bool {
	for _, name := range names(path) {
		if _, err := os.Lstat(name); err == nil {
			return true
		}
	}
	return false
}

// Read finds the log of a path; nil when there is none.
func Read(path string) (*Past, error) {
	if !Exists(path) {
		return nil, nil
	}
	var files [2]found
	var base, next *found
	for i, name := range names(path) {
		f, err := look(name)
		if err != nil {
			return nil, err
		}
		files[i] = f
		if f.base != nil && (base == nil || f.epoch > base.epoch) {
			base, next = &files[i], &files[1-i]
		}
	}
	if base == nil {
		return nil, fmt.Errorf("%w: neither file of %s says where it begins", ErrDamaged, path)
	}
	p := &Past{Base: base.base, epoch: base.epoch, number: base.number, parts: []found{*base}}
	if next.epoch == base.epoch+1 {
		p.parts = append(p.parts, *next)
	}
	return p, nil
}

// Remove deletes the log of a path, if there is one, whose data are durable with every entry. Nobody may have it open.
func Remove(path string) error {
	past, err := Read(path)
	if past == nil || err != nil {
		return err
	}
	ours := names(path)
	if past.parts[0].name == ours[0] {
		slices.Reverse(ours[:]) // the base last, for without it the other means nothing
	}
	for _, name := range ours {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the write-ahead log: %w", err)
		}
	}
	return nil
}

// look reads the head and the base of a file. What cannot be read counts as not there: it was being written.
func look(name string) (found, error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	defer f.Close()
	b := make([]byte, entriesAt)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return found{}, err
	}
	got := found{name: name}
	head := b[:headSize]
	if !sealed(head) || [8]byte(head[4:12]) != headMagic {
		return got, nil
	}
	if v := le.Uint32(head[12:]); v != version {
		return got, fmt.Errorf("%w: %s has version %d, and this program knows %d", ErrNewer, name, v, version)
	}
	got.epoch, got.mark = le.Uint64(head[16:]), le.Uint64(head[24:])
	b = b[baseAt:]
	n := int(le.Uint32(b[baseSize-4:]))
	if n > MaxBase || !sealed(b[:baseSize+n]) || [8]byte(b[4:12]) != baseMagic || le.Uint64(b[12:]) != got.mark {
		return got, nil
	}
	got.number, got.base = le.Uint64(b[20:]), b[baseSize:baseSize+n:baseSize+n]
	return got, nil
}

// Each calls fn with each entry in order, until it answers an error. The bytes are valid until it returns.
func (p *Past) Each(fn func(entry []byte) error) error {
	number := p.number
	for _, part := range p.parts {
		f, err := os.Open(part.name)
		if err != nil {
			return fmt.Errorf("read the write-ahead log: %w", err)
		}
		r := reader{File: f, mark: part.mark, number: number}
		err = errors.Join(r.each(fn), f.Close())
		if err != nil {
			return fmt.Errorf("read %s: %w", part.name, err)
		}
		number = r.number
	}
	return nil
}

// reader reads the entries of one file.
type reader struct {
	*os.File
	mark   uint64
	number uint64 // of the last entry
	size   int64
	buf    []byte
}

func (r *reader) each(fn func([]byte) error) error {
	info, err := r.Stat()
	if err != nil {
		return err
	}
	r.size = info.Size()
	at := int64(entriesAt)
	for {
		number, length, err := r.entry(at)
		if err != nil {
			return err
		}
		if number != r.number+1 {
			return r.end(at)
		}
		if err := fn(r.buf[entrySize:]); err != nil {
			return err
		}
		r.number = number
		at += length
	}
}

// entry reads the entry at a place and answers its number, 0 when there is none, and its length in whole blocks.
func (r *reader) entry(at int64) (number uint64, length int64, err error) {
	if at+entrySize > r.size {
		return 0, 0, nil
	}
	r.buf = append(r.buf[:0], make([]byte, entrySize)...)
	if _, err := r.ReadAt(r.buf, at); err != nil {
		return 0, 0, err
	}
	n := int64(le.Uint32(r.buf[4:]))
	if le.Uint64(r.buf[8:]) != r.mark || at+entrySize+n > r.size {
		return 0, 0, nil
	}
	r.buf = append(r.buf, make([]byte, n)...)
	if _, err := r.ReadAt(r.buf[entrySize:], at+entrySize); err != nil {
		return 0, 0, err
	}
	if !sealed(r.buf) {
		return 0, 0, nil
	}
	return le.Uint64(r.buf[16:]), whole(entrySize + n), nil
}

// end makes sure that the log ends at a place: an entry behind one that is not
// there says that the disk lost what was acknowledged.
func (r *reader) end(at int64) error {
	for lost := at; at < r.size; at += block {
		number, _, err := r.entry(at)
		if err != nil {
			return err
		}
		if number > r.number {
			return fmt.Errorf("%w: entry %d at %d cannot be read, and entry %d at %d is there", ErrDamaged, r.number+1, lost, number, at)
		}
	}
	return nil
}
