package store

import (
	"context"
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// AuditRow is an entry of the audit.
type AuditRow struct {
	// Sequence is its number.
	Sequence uint64
	// Hash over the hash of the entry before and this one.
	Hash AuditHash
	// Entry says who did what.
	Entry *storev1.AuditEntry

	raw []byte // as stored; valid as long as the transaction; nil when it is not from a database
}

func decodeRow(k, v []byte) (AuditRow, error) {
	row := AuditRow{Entry: &storev1.AuditEntry{}}
	if len(k) != 8 {
		return row, fmt.Errorf("an audit entry's key has %d bytes: %w", len(k), job.ErrStorage)
	}
	row.Sequence = binary.BigEndian.Uint64(k)
	at := copy(row.Hash[:], v)
	if row.raw = v[at:]; at < len(row.Hash) || proto.Unmarshal(row.raw, row.Entry) != nil {
		return row, fmt.Errorf("audit entry %d cannot be read: %w", row.Sequence, job.ErrStorage)
	}
	return row, nil
}

// AuditChain follows the entries of an audit, in their order, and finds what is wrong with them. It cannot know of
// entries that were cut off at the end, or of a chain that was made anew from some entry on: Expect can.
type AuditChain struct {
	// Begin is the entry before the first one.
	Begin AuditHead
	// Expect is an entry that was noted before and must be in the chain. Nil expects none.
	Expect *AuditHead

	at       AuditHead // the entry before, as it says of itself
	should   AuditHash // its hash, computed anew
	entries  uint64
	problems checker
}

// NewAuditChain begins behind an entry.
func NewAuditChain(begin AuditHead, expect *AuditHead) *AuditChain {
	c := &AuditChain{Begin: begin, Expect: expect, at: begin, should: begin.Hash}
	if expect != nil && expect.Sequence < begin.Sequence {
		c.wrong(expect.Sequence, "it was taken out: the chain begins behind entry %d", begin.Sequence)
	}
	c.expected(begin)
	return c
}

// Next takes the next entry.
func (c *AuditChain) Next(row AuditRow) {
	c.entries++
	raw := row.raw
	if raw == nil {
		raw = encodeAudit(row.Entry)
	}
	c.next(AuditHead{row.Sequence, row.Hash}, raw)
}

// Follow is Next for a row that came with the hash of the entry before.
func (c *AuditChain) Follow(row AuditRow, previous AuditHash) {
	if row.Sequence == c.at.Sequence+1 && previous != c.at.Hash {
		c.wrong(row.Sequence, "it names another hash of the entry before than that entry has")
	}
	c.Next(row)
}

func (c *AuditChain) next(head AuditHead, raw []byte) {
	switch {
	case head.Sequence <= c.at.Sequence:
		c.wrong(head.Sequence, "it stands behind entry %d", c.at.Sequence)
		return
	case head.Sequence > c.at.Sequence+1:
		c.missing(c.at.Sequence+1, head.Sequence-1)
		c.should = head.Hash // what came before is not known
	default:
		should := c.at.follows(raw)
		if should != head.Hash && (AuditHead{Hash: c.should}).follows(raw) != head.Hash {
			c.wrong(head.Sequence, "its hash is not that of what it says and of the entry before it: one of them is not as it was stored")
		}
		c.should = should
	}
	c.at = head
	c.expected(head)
}

// expected compares an entry with the one that was noted.
func (c *AuditChain) expected(head AuditHead) {
	if c.Expect != nil && c.Expect.Sequence == head.Sequence && c.Expect.Hash != head.Hash {
		c.wrong(head.Sequence, "its hash is not the expected one: the chain was made anew at or before this entry")
	}
}

// End ends the chain and answers all that is wrong with it. known is where it
// should end, where something says so; nil where nothing does.
func (c *AuditChain) End(known *AuditHead) []Problem {
	for _, want := range []*AuditHead{known, c.Expect} {
		if want != nil && want.Sequence > c.at.Sequence {
			c.missing(c.at.Sequence+1, want.Sequence)
			return c.problems.problems
		}
	}
	switch {
	case known == nil:
	case known.Sequence < c.at.Sequence:
		c.wrong(known.Sequence+1, "the store never wrote it: its last entry is %d", known.Sequence)
	case known.Hash != c.at.Hash:
		c.wrong(known.Sequence, "it is the last one, and not the one that the store wrote last")
	}
	return c.problems.problems
}

// Head is the last entry so far, or Begin.
func (c *AuditChain) Head() AuditHead { return c.at }

// Entries is how many entries there were so far.
func (c *AuditChain) Entries() uint64 { return c.entries }

func (c *AuditChain) wrong(sequence uint64, format string, args ...any) {
	c.problems.add(fmt.Sprintf("audit entry %d", sequence), format, args...)
}

func (c *AuditChain) missing(from, to uint64) {
	if from == to {
		c.wrong(from, "it is missing")
		return
	}
	c.wrong(from, "it is missing, and so are all up to entry %d", to)
}

// AuditReport is what a verification found.
type AuditReport struct {
	// Begin is the entry before the first one, and End the last one.
	Begin, End AuditHead
	// Entries is how many there are.
	Entries uint64
	// Problems are what is wrong.
	Problems []Problem
}

// VerifyAudit verifies the audit in the database of a server that does not run, or in a backup.
func VerifyAudit(path string, expect *AuditHead) (AuditReport, error) {
	var report AuditReport
	err := viewFile(path, func(tx *kv.ReadTx) (err error) {
		report, err = verifyAudit(context.Background(), tx, expect)
		return err
	})
	if err != nil {
		return report, fmt.Errorf("verify the audit in %s: %w", path, err)
	}
	return report, nil
}

func verifyAudit(ctx context.Context, tx *kv.ReadTx, expect *AuditHead) (AuditReport, error) {
	begin, end, err := readHeads(tx)
	if err != nil {
		return AuditReport{}, err
	}
	chain := NewAuditChain(begin, expect)
	err = each(tx, bucketAudit, func(k, v []byte) error {
		row, err := decodeRow(k, v)
		if err != nil {
			chain.problems.add("audit", "%v", err)
		}
		if row.Sequence > 0 {
			chain.Next(row)
		}
		return ctx.Err()
	})
	problems := chain.End(&end)
	return AuditReport{Begin: begin, End: chain.Head(), Entries: chain.Entries(), Problems: problems}, err
}

// ReadAudit calls fn with the entries behind the one with number after, oldest first, of a server that does
// not run, or of a backup. begin is the entry before the first one that is called.
func ReadAudit(path string, after uint64, fn func(begin AuditHead, row AuditRow) error) error {
	err := viewFile(path, func(tx *kv.ReadTx) error {
		before, _, err := readHeads(tx)
		if err != nil {
			return err
		}
		c := tx.Cursor(bucketAudit)
		for k, v := c.First(); k != nil; k, v = c.Next() {
			row, err := decodeRow(k, v)
			if err != nil {
				return err
			}
			if row.Sequence > after {
				if err := fn(before, row); err != nil {
					return err
				}
			}
			before = AuditHead{row.Sequence, row.Hash}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the audit in %s: %w", path, err)
	}
	return nil
}
