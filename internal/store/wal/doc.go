// Package wal is a write-ahead log: what Append took is on disk, after one
// write of what is new, however scattered the pages are that it will change elsewhere.
//
// A log belongs to some other file, the data. It says from which state of the
// data it goes on, the base, and what has happened since, entry by entry. What
// base and entries mean is the caller's. The log has two files, so that one can
// be written while the data of the other is brought to disk: Switch begins the
// other file, and Settle, once the data are durable as they were at the Switch, gives
// that file their state as its base and frees the first. At any moment the base of the highest
// epoch, the entries behind it and those of the file of the next epoch are all
// that was appended: that is the invariant, and Read is it in code.
//
// A file is made of blocks of 4 KiB, the least that disks write as a whole:
//
//	block 0   head: magic, version, epoch, mark
//	block 1   base: magic, mark, number of the last entry in it, length, the caller's bytes
//	block 2…  entries, each from the start of a block: length, mark, number, the caller's bytes
//
// each behind a CRC-32C of the rest, all numbers little-endian. An entry never
// shares a block with another, so that writing one cannot damage what was
// acknowledged. Epochs are one more with each Switch. The mark is random and new with each use of a file:
// it tells entries from what the file held before, also from bytes inside of entries that somebody made to look like one.
// Numbers ascend by one through both files: the log ends where the next is not there, and is damaged if a later one is.
package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// ErrDamaged is an entry that was acknowledged and cannot be read.
var ErrDamaged = errors.New("the write-ahead log is damaged")

// ErrNewer is a log that a newer program wrote.
var ErrNewer = errors.New("the write-ahead log was written by a newer program")

// MaxBase is the most bytes that a base may have.
const MaxBase = 2048

const (
	block   = 4096
	version = 1

	baseAt    = block
	entriesAt = 2 * block

	headSize  = 4 + 8 + 4 + 8 + 8 // sum, magic, version, epoch, mark
	baseSize  = 4 + 8 + 8 + 8 + 4 // sum, magic, mark, number, length
	entrySize = 4 + 4 + 8 + 8     // sum, length, mark, number

	// growth is by how much a file grows when it is too short: a write into
	// space that is there already needs no change of the file system's own records. It begins small, for a start is waited for.
	growth  = 1 << 20
	atFirst = 16 * block
)

var (
	headMagic = [8]byte{'s', 't', 'i', 'n', 't', 'w', 'a', 'l'}
	baseMagic = [8]byte{'s', 't', 'i', 'n', 't', 'b', 'a', 's'}

	table = crc32.MakeTable(crc32.Castagnoli)
)

var le = binary.LittleEndian

// names are the two files of the log of a path.
func names(path string) [2]string { return [2]string{path + "-wal0", path + "-wal1"} }

// seal puts the sum of what is behind it into the first four bytes.
func seal(b []byte) []byte {
	le.PutUint32(b, crc32.Checksum(b[4:], table))
	return b
}

// sealed reports whether the first four bytes are the sum of the rest.
func sealed(b []byte) bool { return le.Uint32(b) == crc32.Checksum(b[4:], table) }

// whole is n rounded up to whole blocks.
func whole(n int64) int64 { return (n + block - 1) / block * block }

// newMark is a number that no file had before and nobody can guess.
func newMark() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand
	return le.Uint64(b[:])
}

func encodeHead(epoch, mark uint64) []byte {
	b := append(make([]byte, 4, headSize), headMagic[:]...)
	b = le.AppendUint32(b, version)
	b = le.AppendUint64(b, epoch)
	return seal(le.AppendUint64(b, mark))
}

func encodeBase(mark, number uint64, state []byte) []byte {
	b := append(make([]byte, 4, baseSize+len(state)), baseMagic[:]...)
	b = le.AppendUint64(b, mark)
	b = le.AppendUint64(b, number)
	b = le.AppendUint32(b, uint32(len(state)))
	return seal(append(b, state...))
}

// encodeEntry makes an entry of whole blocks in buf.
func encodeEntry(buf []byte, mark, number uint64, content []byte) []byte {
	buf = append(buf[:0], 0, 0, 0, 0)
	buf = le.AppendUint32(buf, uint32(len(content)))
	buf = le.AppendUint64(buf, mark)
	buf = le.AppendUint64(buf, number)
	buf = seal(append(buf, content...))
	var zero [block]byte
	return append(buf, zero[:whole(int64(len(buf)))-int64(len(buf))]...)
}
