package store_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/file"
)

// chainOf makes a database with an audit of so many entries and answers their heads, of which the first is the beginning.
func chainOf(t *testing.T, path string, entries int) []audit.Head {
	t.Helper()
	s, err := store.Open(store.Config{Path: path}.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	heads := []audit.Head{s.AuditHead()}
	for n := range entries {
		if err := s.Audit(t.Context(), entry("ada", fmt.Sprint("m", n+1), "", 1)); err != nil {
			t.Fatal(err)
		}
		heads = append(heads, s.AuditHead())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return heads
}

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// setHead makes the database say that its chain ends there.
func setHead(tx *bolt.Tx, h audit.Head) error {
	return tx.Bucket([]byte("meta")).Put([]byte("audit_head"), append(key(h.Sequence), h.Hash[:]...))
}

// relink makes the chain anew from an entry on, as whoever knows how it is made can.
func relink(tx *bolt.Tx, heads []audit.Head, from, to uint64) (audit.Head, error) {
	at, b := heads[from-1], tx.Bucket([]byte("audit"))
	for n := from; n <= to; n++ {
		value := append([]byte(nil), b.Get(key(n))...)
		at = audit.Head{Sequence: n, Hash: at.Follows(value[32:])}
		copy(value, at.Hash[:])
		if err := b.Put(key(n), value); err != nil {
			return at, err
		}
	}
	return at, setHead(tx, at)
}

const changed = "its hash is not that of what it says and of the entry before it: one of them is not as it was stored"

// forgeries are what somebody with the file may do to a chain of ten entries. found are the problems; with is what
// is found only by who noted the last entry.
var forgeries = map[string]struct {
	forge func(tx *bolt.Tx, b *bolt.Bucket, heads []audit.Head) error
	found []string
	with  []string
}{
	"nothing": {forge: func(*bolt.Tx, *bolt.Bucket, []audit.Head) error { return nil }},
	"a byte of an entry": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, _ []audit.Head) error { return flip(b, 4, -1) },
		found: []string{"audit entry 4: " + changed},
	},
	"a byte of a hash": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, _ []audit.Head) error { return flip(b, 4, 7) },
		found: []string{"audit entry 4: " + changed},
	},
	"a byte of the last hash": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, _ []audit.Head) error { return flip(b, 10, 7) },
		found: []string{"audit entry 10: " + changed, "audit entry 10: it is the last one, and not the one that the store wrote last"},
		with:  []string{"audit entry 10: its hash is not the expected one: the chain was made anew at or before this entry"},
	},
	"an entry taken out": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, _ []audit.Head) error { return b.Delete(key(5)) },
		found: []string{"audit entry 5: it is missing"},
	},
	"several taken out": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, _ []audit.Head) error {
			return errors.Join(b.Delete(key(5)), b.Delete(key(6)), b.Delete(key(7)))
		},
		found: []string{"audit entry 5: it is missing, and so are all up to entry 7"},
	},
	"the first taken out": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, _ []audit.Head) error { return b.Delete(key(1)) },
		found: []string{"audit entry 1: it is missing"},
	},
	"one taken out and the others moved up": {
		forge: func(tx *bolt.Tx, b *bolt.Bucket, heads []audit.Head) error {
			for n := uint64(5); n < 10; n++ {
				if err := b.Put(key(n), append([]byte(nil), b.Get(key(n+1))...)); err != nil {
					return err
				}
			}
			return errors.Join(b.Delete(key(10)), setHead(tx, audit.Head{Sequence: 9, Hash: heads[10].Hash}))
		},
		found: []string{"audit entry 5: " + changed},
		with:  []string{"audit entry 10: it is missing"},
	},
	"two swapped": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, _ []audit.Head) error {
			three, four := append([]byte(nil), b.Get(key(3))...), append([]byte(nil), b.Get(key(4))...)
			return errors.Join(b.Put(key(3), four), b.Put(key(4), three))
		},
		found: []string{"audit entry 3: " + changed, "audit entry 4: " + changed, "audit entry 5: " + changed},
	},
	"an entry that cannot be read": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, _ []audit.Head) error { return b.Put(key(6), []byte("short")) },
		found: []string{"audit: audit entry 6 cannot be read: storage failed", "audit entry 6: " + changed, "audit entry 7: " + changed},
	},
	"one more": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, heads []audit.Head) error {
			body := b.Get(key(10))[32:]
			hash := heads[10].Follows(body)
			return b.Put(key(11), append(hash[:], body...))
		},
		found: []string{"audit entry 11: the store never wrote it: its last entry is 10"},
	},
	"the tail cut": {
		forge: func(_ *bolt.Tx, b *bolt.Bucket, _ []audit.Head) error {
			return errors.Join(b.Delete(key(9)), b.Delete(key(10)))
		},
		found: []string{"audit entry 9: it is missing, and so are all up to entry 10"},
	},
	"the tail cut, and the head with it": {
		forge: func(tx *bolt.Tx, b *bolt.Bucket, heads []audit.Head) error {
			return errors.Join(b.Delete(key(9)), b.Delete(key(10)), setHead(tx, heads[8]))
		},
		with: []string{"audit entry 9: it is missing, and so are all up to entry 10"},
	},
	"the last rewritten": {
		forge: func(tx *bolt.Tx, b *bolt.Bucket, heads []audit.Head) error {
			if err := flip(b, 10, -1); err != nil {
				return err
			}
			head, err := relink(tx, heads, 10, 10)
			return errors.Join(err, setHead(tx, heads[10]), checkDiffers(head, heads[10]))
		},
		found: []string{"audit entry 10: it is the last one, and not the one that the store wrote last"},
		with:  []string{"audit entry 10: its hash is not the expected one: the chain was made anew at or before this entry"},
	},
	"all made anew from one on": {
		forge: func(tx *bolt.Tx, b *bolt.Bucket, heads []audit.Head) error {
			if err := flip(b, 4, -1); err != nil {
				return err
			}
			_, err := relink(tx, heads, 4, 10)
			return err
		},
		with: []string{"audit entry 10: its hash is not the expected one: the chain was made anew at or before this entry"},
	},
}

// flip changes a byte of an entry's value; -1 is the last one.
func flip(b *bolt.Bucket, n uint64, at int) error {
	value := append([]byte(nil), b.Get(key(n))...)
	if at < 0 {
		at += len(value)
	}
	value[at]++
	return b.Put(key(n), value)
}

func checkDiffers(a, b audit.Head) error {
	if a == b {
		return fmt.Errorf("the forged entry has the hash %v of the true one", a)
	}
	return nil
}

func TestForgeriesAreFoundAndNamed(t *testing.T) {
	origin := filepath.Join(t.TempDir(), "origin.db")
	heads := chainOf(t, origin, 10)
	original, err := os.ReadFile(origin)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range forgeries {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jobs.db")
			if err := os.WriteFile(path, original, 0o600); err != nil {
				t.Fatal(err)
			}
			raw(t, path, func(tx *bolt.Tx) error { return f.forge(tx, tx.Bucket([]byte("audit")), heads) })
			problems, err := file.Check(path)
			if diff := cmp.Diff(f.found, texts(problems)); diff != "" || err != nil {
				t.Errorf("the check: %v\n%s", err, diff)
			}
			report, err := file.VerifyAudit(path, nil)
			if diff := cmp.Diff(f.found, texts(report.Problems)); diff != "" || err != nil {
				t.Errorf("the verification: %v\n%s", err, diff)
			}
			report, err = file.VerifyAudit(path, &heads[10])
			got := strings.Join(texts(report.Problems), "\n")
			for _, want := range slices.Concat(f.found, f.with) {
				if err != nil || !strings.Contains(got, want) {
					t.Errorf("with the last entry noted: %v\n%s\nwant %s", err, got, want)
				}
			}
		})
	}
}

func texts[P fmt.Stringer](problems []P) []string {
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	return all
}

func TestEveryNotedEntryIsFoundAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	for i, h := range chainOf(t, path, 5) {
		if report, err := file.VerifyAudit(path, &h); err != nil || len(report.Problems) > 0 {
			t.Errorf("entry %d: %v %v", i, report.Problems, err)
		}
		h.Hash[31]++
		if report, err := file.VerifyAudit(path, &h); err != nil || len(report.Problems) != 1 {
			t.Errorf("not entry %d: %v %v", i, report.Problems, err)
		}
	}
}

func TestWhatDoesNotVerifyIsNotPruned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	chainOf(t, path, 5)
	raw(t, path, func(tx *bolt.Tx) error { return flip(tx.Bucket([]byte("audit")), 2, -1) })
	far := time.Now().Add(time.Hour)
	if _, _, err := file.PruneAudit(path, far, entry("root", "prune", "")); !errors.Is(err, job.ErrConflict) || !strings.Contains(err.Error(), "audit entry 2") {
		t.Errorf("prune a forged chain: %v", err)
	}
	if report, err := file.VerifyAudit(path, nil); err != nil || report.Entries != 5 {
		t.Errorf("it was pruned: %+v %v", report, err)
	}
}

func TestAllEntriesCanBePruned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	heads := chainOf(t, path, 5)
	begin, taken, err := file.PruneAudit(path, time.Now().Add(time.Hour), entry("root", "prune", ""))
	if err != nil || taken != 5 || begin != heads[5] {
		t.Fatalf("%v %d %v", begin, taken, err)
	}
	report, err := file.VerifyAudit(path, &heads[5])
	if err != nil || len(report.Problems) > 0 || report.Entries != 1 || report.Begin != heads[5] || report.End.Sequence != 6 {
		t.Errorf("%+v %v", report, err)
	}
}
