package store

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// Problem is something in the store that must not be.
type Problem struct {
	// Where it is, for example `job 17`, `file` or `index`.
	Where string
	// What is wrong, in words.
	What string
}

// String is where and what.
func (p Problem) String() string { return p.Where + ": " + p.What }

// maxProblems is how many problems a check returns: a damaged page can make thousands.
const maxProblems = 100

// Check re-derives everything from the records and compares, between two
// commits: the file's own structure, every record, and the index in memory. Writes wait meanwhile, and reads may.
func (s *Store) Check(ctx context.Context) ([]Problem, error) {
	c := &checker{}
	err := s.do(ctx, 1, func(*batch) error { // while nothing else is written
		return s.inTx(func(tx *kv.ReadTx) error {
			if err := c.file(ctx, tx); err != nil {
				return err
			}
			fresh, err := s.loadIndex(tx, c.checkDamaged)
			if err != nil {
				return err
			}
			for _, d := range s.ix.Compare(fresh) {
				c.add(d.Where, "%s", d.What)
			}
			c.compareDoomed(s, tx)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	return c.problems, nil
}

// CheckFile checks the database of a server that does not run.
func CheckFile(path string) ([]Problem, error) {
	c := &checker{}
	err := kv.Check(path, kv.Checker{Problem: func(text string) { c.add("file", "%s", text) }})
	if err == nil && len(c.problems) == 0 { // records on damaged pages would only say the same again
		err = viewFile(path, func(tx *kv.ReadTx) error { return c.file(context.Background(), tx) })
	}
	if err != nil {
		return nil, fmt.Errorf("check store %s: %w", path, inWords(err))
	}
	return c.problems, nil
}

// checker collects problems.
type checker struct{ problems []Problem }

func (c *checker) add(where, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{where, fmt.Sprintf(format, args...)})
	}
}

// file checks what is on disk.
func (c *checker) file(ctx context.Context, tx *kv.ReadTx) error {
	for _, b := range buckets {
		if !tx.Has(b.Name) {
			c.add("file", "the bucket %s is missing", b.Name)
		}
	}
	if len(c.problems) > 0 {
		return nil
	}
	m, err := readMeta(tx)
	if err != nil {
		c.add("meta", "%v", err)
		return nil
	}
	c.others(tx)
	if err := c.audit(ctx, tx); err != nil {
		return err
	}
	c.shares(tx)
	return c.records(ctx, tx, m)
}

// audit checks the chain of the audit.
func (c *checker) audit(ctx context.Context, tx *kv.ReadTx) error {
	report, err := verifyAudit(ctx, tx, nil)
	for _, p := range report.Problems {
		c.add(p.Where, "%s", p.What)
	}
	return err
}

// others checks what is not about jobs.
func (c *checker) others(tx *kv.ReadTx) {
	ids := make(map[string]bool)
	_ = each(tx, bucketTokens, func(k, raw []byte) error {
		t, err := decodeToken(raw)
		switch {
		case err != nil || len(k) != len(TokenHash{}):
			c.add(fmt.Sprintf("token %x", k), "it cannot be read")
		case ids[t.GetId()]:
			c.add("token "+t.GetId(), "there are two of this id")
		default:
			ids[t.GetId()] = true
		}
		return nil
	})
	_ = each(tx, bucketSessions, func(k, raw []byte) error {
		if _, err := decodeSession(raw); err != nil || len(k) != len(SessionHash{}) {
			c.add(fmt.Sprintf("session %x", k), "it cannot be read")
		}
		return nil
	})
	_ = each(tx, bucketIssues, func(k, raw []byte) error {
		if len(k) != 16 || proto.Unmarshal(raw, &storev1.Issue{}) != nil {
			c.add(fmt.Sprintf("issue %x", k), "it cannot be read")
		}
		return nil
	})
	if proto.Unmarshal(tx.Get(bucketMeta, keySettings), &storev1.Settings{}) != nil {
		c.add("settings", "they cannot be read")
	}
}
