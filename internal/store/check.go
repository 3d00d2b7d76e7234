package store

import (
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
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
	s.between.Lock()
	defer s.between.Unlock()
	c := &checker{}
	err := s.inTx(func(tx *bolt.Tx) error {
		if err := c.file(ctx, tx); err != nil {
			return err
		}
		fresh, err := s.loadIndex(tx)
		if err != nil {
			return err
		}
		for _, d := range s.ix.Compare(fresh) {
			c.add(d.Where, "%s", d.What)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	return c.problems, nil
}

// CheckFile checks the database of a server that does not run.
func CheckFile(path string) ([]Problem, error) {
	c := &checker{}
	err := viewFile(path, func(tx *bolt.Tx) error { return c.file(context.Background(), tx) })
	if err != nil {
		return nil, fmt.Errorf("check store %s: %w", path, err)
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
func (c *checker) file(ctx context.Context, tx *bolt.Tx) error {
	for err := range tx.Check() {
		c.add("file", "%v", err)
	}
	if len(c.problems) > 0 {
		return nil // records on damaged pages would only say the same again
	}
	for _, name := range [][]byte{bucketMeta, bucketJobs, bucketSpecs, bucketTokens, bucketIssues, bucketSessions, bucketAudit, bucketShares} {
		if tx.Bucket(name) == nil {
			c.add("file", "the bucket %s is missing", name)
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
func (c *checker) audit(ctx context.Context, tx *bolt.Tx) error {
	report, err := verifyAudit(ctx, tx, nil)
	for _, p := range report.Problems {
		c.add(p.Where, "%s", p.What)
	}
	return err
}

// others checks what is not about jobs.
func (c *checker) others(tx *bolt.Tx) {
	ids := make(map[string]bool)
	_ = tx.Bucket(bucketTokens).ForEach(func(k, raw []byte) error {
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
	_ = tx.Bucket(bucketSessions).ForEach(func(k, raw []byte) error {
		if _, err := decodeSession(raw); err != nil || len(k) != len(SessionHash{}) {
			c.add(fmt.Sprintf("session %x", k), "it cannot be read")
		}
		return nil
	})
	_ = tx.Bucket(bucketIssues).ForEach(func(k, raw []byte) error {
		if len(k) != 16 || proto.Unmarshal(raw, &storev1.Issue{}) != nil {
			c.add(fmt.Sprintf("issue %x", k), "it cannot be read")
		}
		return nil
	})
	if proto.Unmarshal(tx.Bucket(bucketMeta).Get(keySettings), &storev1.Settings{}) != nil {
		c.add("settings", "they cannot be read")
	}
}
