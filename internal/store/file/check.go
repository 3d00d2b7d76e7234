package file

import (
	"context"
	"fmt"

	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/kv"
	"github.com/stint-jobs/stint/internal/store/record"
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

// Check checks the database of a server that does not run.
func Check(path string) ([]Problem, error) {
	c := &Checker{}
	err := InWords(kv.Check(path, kv.Checker{Problem: func(text string) { c.Add("file", "%s", text) }}))
	if err == nil && len(c.problems) == 0 { // records on damaged pages would only say the same again
		err = View(path, func(tx *kv.ReadTx) error { return c.Database(context.Background(), tx) })
	}
	if err != nil {
		return nil, fmt.Errorf("check store %s: %w", path, err)
	}
	return c.problems, nil
}

// Checker collects problems. The zero value has none.
type Checker struct{ problems []Problem }

// Problems returns what was found.
func (c *Checker) Problems() []Problem { return c.problems }

// Add adds a problem, if there are not too many.
func (c *Checker) Add(where, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{where, fmt.Sprintf(format, args...)})
	}
}

// Database checks what is on disk.
func (c *Checker) Database(ctx context.Context, tx *kv.ReadTx) error {
	for _, b := range Buckets {
		if !tx.Has(b.Name) {
			c.Add("file", "the bucket %s is missing", b.Name)
		}
	}
	if len(c.problems) > 0 {
		return nil
	}
	m, err := ReadCounters(tx)
	if err != nil {
		c.Add("meta", "%v", err)
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
func (c *Checker) audit(ctx context.Context, tx *kv.ReadTx) error {
	report, err := audit.Verify(ctx, tx, nil)
	for _, p := range report.Problems {
		c.Add(p.Where, "%s", p.What)
	}
	return err
}

// others checks what is not about jobs.
func (c *Checker) others(tx *kv.ReadTx) {
	credential.Check(tx, func(where, what string) { c.Add(where, "%s", what) })
	_ = tx.Each(record.Issues, func(k, raw []byte) error {
		if _, err := record.DecodeIssue(k, raw); err != nil {
			c.Add(fmt.Sprintf("issue %x", k), "it cannot be read")
		}
		return nil
	})
	if _, err := ReadSettings(tx); err != nil {
		c.Add("settings", "they cannot be read")
	}
}
