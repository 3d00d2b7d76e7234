package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/stint-jobs/stint/internal/job"
)

// AuditHash is the SHA-256 over the hash of the entry before, and an entry.
type AuditHash = [sha256.Size]byte

// AuditHead is an entry of the audit by its number and its hash, which stands
// for all entries up to it. The zero value is the beginning, before the first entry.
type AuditHead struct {
	// Sequence is the number of the entry.
	Sequence uint64
	// Hash of the entry.
	Hash AuditHash
}

// String is `SEQUENCE:HASH`, the hash in hexadecimal.
func (h AuditHead) String() string {
	return strconv.FormatUint(h.Sequence, 10) + ":" + hex.EncodeToString(h.Hash[:])
}

// ParseAuditHead reads what String wrote.
func ParseAuditHead(text string) (AuditHead, error) {
	number, hash, ok := strings.Cut(strings.TrimSpace(text), ":")
	sequence, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil {
		return AuditHead{}, fmt.Errorf("%q is no entry of the audit: it must be SEQUENCE:HASH, as verify prints it", text)
	}
	h := AuditHead{Sequence: sequence}
	if n, err := hex.Decode(h.Hash[:], []byte(hash[:min(len(hash), 2*len(h.Hash))])); err != nil || n != len(h.Hash) || len(hash) != 2*n {
		return AuditHead{}, fmt.Errorf("%q is no entry of the audit: behind the colon there must be 64 hexadecimal digits", text)
	}
	return h, nil
}

// link is the head behind h. value begins with the hash of h, and the entry follows.
func (h AuditHead) link(value []byte) AuditHead {
	return AuditHead{Sequence: h.Sequence + 1, Hash: sha256.Sum256(value)}
}

// follows is the hash of an entry behind h.
func (h AuditHead) follows(entry []byte) AuditHash {
	d := sha256.New()
	d.Write(h.Hash[:])
	d.Write(entry)
	return AuditHash(d.Sum(nil))
}

func (h AuditHead) key() []byte { return binary.BigEndian.AppendUint64(nil, h.Sequence) }

func (h AuditHead) encode() []byte { return append(h.key(), h.Hash[:]...) }

// decodeHead reads what encode wrote; nothing is the beginning.
func decodeHead(raw []byte) (h AuditHead, err error) {
	switch len(raw) {
	case 0:
		return h, nil
	case 8 + len(h.Hash):
		h.Sequence = binary.BigEndian.Uint64(raw)
		copy(h.Hash[:], raw[8:])
		return h, nil
	default:
		return h, fmt.Errorf("the audit's head in the file is damaged: %w", job.ErrStorage)
	}
}
