// Package audit keeps who did what as a chain without gaps: entries have the numbers from 1 on, and
// the hash of each is over the hash of the one before and its own bytes.
//
// An entry is written in the transaction of the change that it tells of, so neither is ever there
// without the other.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

const (
	// Bucket holds the entries. The key is the number in eight bytes, big-endian, and the value the
	// Hash and then the encoded store.v1.AuditEntry.
	Bucket = "audit"
	// HeadBucket holds the two ends of the chain. Every commit writes to it anyway.
	HeadBucket = "meta"
	// KeyEnd is of the last entry.
	KeyEnd = "audit_head"
	// keyBegin is of the entry before the first one, where earlier ones were pruned.
	keyBegin = "audit_begin"
)

// Hash is the SHA-256 over the hash of the entry before, and an entry.
type Hash = [sha256.Size]byte

// Head is an entry by its number and its hash, which stands for all entries up to it. The zero value
// is the beginning, before the first entry.
type Head struct {
	// Sequence is the number of the entry.
	Sequence uint64
	// Hash of the entry.
	Hash Hash
}

// String is `SEQUENCE:HASH`, the hash in hexadecimal.
func (h Head) String() string {
	return strconv.FormatUint(h.Sequence, 10) + ":" + hex.EncodeToString(h.Hash[:])
}

// ParseHead reads what String wrote.
func ParseHead(text string) (Head, error) {
	number, hash, ok := strings.Cut(strings.TrimSpace(text), ":")
	sequence, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil {
		return Head{}, fmt.Errorf("%q is no entry of the audit: it must be SEQUENCE:HASH, as verify prints it", text)
	}
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != len(Hash{}) {
		return Head{}, fmt.Errorf("%q is no entry of the audit: behind the colon there must be 64 hexadecimal digits", text)
	}
	return Head{Sequence: sequence, Hash: Hash(raw)}, nil
}

// Follows returns the hash of an entry behind h.
func (h Head) Follows(entry []byte) Hash {
	d := sha256.New()
	d.Write(h.Hash[:])
	d.Write(entry)
	return Hash(d.Sum(nil))
}

func (h Head) encode() []byte { return append(key(h.Sequence), h.Hash[:]...) }

func key(sequence uint64) []byte { return binary.BigEndian.AppendUint64(nil, sequence) }

// DecodeHead reads what is stored under KeyEnd. No bytes are the beginning.
func DecodeHead(raw []byte) (h Head, err error) {
	switch len(raw) {
	case 0:
		return h, nil
	case 8 + len(h.Hash):
		return Head{Sequence: binary.BigEndian.Uint64(raw), Hash: Hash(raw[8:])}, nil
	default:
		return h, fmt.Errorf("the audit's head in the file is damaged: %w", job.ErrStorage)
	}
}

// Heads returns the entry before the first one that is there, and the last one.
func Heads(tx *kv.ReadTx) (begin, end Head, err error) {
	if begin, err = DecodeHead(tx.Get(HeadBucket, []byte(keyBegin))); err != nil {
		return begin, end, err
	}
	end, err = DecodeHead(tx.Get(HeadBucket, []byte(KeyEnd)))
	return begin, end, err
}
