package store

import (
	"context"
	"fmt"
	"slices"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/credential"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/index"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// What is known of users; see package credential.
type (
	// Standing says what of a user's credentials is refused.
	Standing = credential.Standing
	// NamedUser is a user with their name.
	NamedUser = credential.NamedUser
)

// Standing returns what of a user's credentials is refused. It reads memory alone.
func (s *Store) Standing(user string) Standing { return s.mem.standings.Of(user) }

// User returns what is stored of a user, or job.ErrNotFound.
func (s *Store) User(name string) (*storev1.User, error) {
	return read(s, func(tx *kv.ReadTx) (*storev1.User, error) { return credential.User(tx, name) })
}

// Users returns users in the order of their names behind after, at most limit, and whether there are more. disabled
// leaves out those who may come in.
func (s *Store) Users(after string, limit int, disabled bool) (users []NamedUser, more bool, _ error) {
	return read2(s, func(tx *kv.ReadTx) ([]NamedUser, bool, error) { return credential.Users(tx, after, limit, disabled) })
}

// Has is what a user has, in numbers.
type Has struct {
	// Sessions and Tokens.
	Sessions, Tokens int
	// Active are the jobs that are queued or running, Jobs those of all states.
	Active, Jobs int64
	// Received is how many jobs others share with the user, Given how many shares there are of the user's jobs.
	Received, Given int
	// Kept is how many jobs they keep against retention.
	Kept int
	// Reports is how many problem reports of theirs are stored.
	Reports int
}

// Has returns what a user has.
func (s *Store) Has(user string) (Has, error) {
	return read(s, func(tx *kv.ReadTx) (Has, error) {
		scope := OwnedBy(user)
		h := Has{Active: s.activeIn(scope), Received: s.mem.index.CountSharedWith(user), Given: s.mem.index.CountSharedBy(user), Kept: s.mem.index.KeptBy(user).Jobs}
		h.Sessions, h.Tokens = credential.Count(tx, credential.SessionBucket, user), credential.Count(tx, credential.TokenBucket, user)
		all := s.Summarize(scope).GetTotal()
		h.Jobs = h.Active + all.GetCompleted() + all.GetFailed() + all.GetCancelled()
		issues, err := file.CountIssues(tx, 0, user, file.IssueCounts{})
		h.Reports = int(issues.ByUser)
		return h, err
	})
}

// EndCredentials changes what is stored of a user and deletes their sessions and, where that is wanted, their API
// tokens, in one commit. It returns the public ids of what it deleted.
func (s *Store) EndCredentials(ctx context.Context, user string, tokens bool, change func(*storev1.User)) (ofSessions, ofTokens []string, _ error) {
	err := s.do(ctx, 1, func(b *batch) (err error) {
		b.target.user = user
		if ofSessions, err = credential.End(b.tx, credential.SessionBucket, user); err != nil {
			return err
		}
		if tokens {
			if ofTokens, err = credential.End(b.tx, credential.TokenBucket, user); err != nil {
				return err
			}
		}
		return credential.ChangeUser(b.tx, user, change)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("end the credentials of %s: %w", user, err)
	}
	return ofSessions, ofTokens, nil
}

// ChangeUser changes what is stored of a user. Where nothing is, change gets an empty message.
func (s *Store) ChangeUser(ctx context.Context, user string, change func(*storev1.User)) error {
	err := s.do(ctx, 1, func(b *batch) error {
		b.target.user = user
		return credential.ChangeUser(b.tx, user, change)
	})
	if err != nil {
		return fmt.Errorf("change user %s: %w", user, err)
	}
	return nil
}

// JobsOf returns the ids of a user's jobs, oldest first: of those that are final, or of the others.
func (s *Store) JobsOf(user string, final bool) (ids []job.ID) {
	var states []jobsv1.State
	for _, state := range job.States {
		if job.Terminal(state) == final {
			states = append(states, state)
		}
	}
	s.mem.index.Scan(index.Query{Scope: OwnedBy(user), States: states}, func(e *Entry) bool {
		ids = append(ids, e.ID())
		return true
	})
	return ids
}

// DeleteJobsOf deletes the finished jobs of a user, as Delete does, and returns how many. On an error it returns those
// deleted before.
func (s *Store) DeleteJobsOf(ctx context.Context, user string) (deleted int, _ error) {
	for ids := range slices.Chunk(s.JobsOf(user, true), deleteBatch) {
		gone, err := s.Delete(ctx, ids...)
		if deleted += len(gone); err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// UnshareWith takes back all that others share with a user, and returns how much that was.
func (s *Store) UnshareWith(ctx context.Context, user string) (n int, _ error) {
	after := SharePosition{}
	for {
		positions, next := s.mem.index.SharedWith(user, after, deleteBatch)
		if len(positions) == 0 {
			return n, nil
		}
		err := s.do(ctx, len(positions), func(b *batch) error {
			b.target.user, b.target.jobs = user, nil
			for _, p := range positions {
				b.target.jobs = append(b.target.jobs, uint64(p.Job))
				if err := b.tx.Delete(file.Shares, file.ShareKey(p.Job, user)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("take back what is shared with %s: %w", user, err)
		}
		if n += len(positions); next == nil {
			return n, nil
		}
		after = *next
	}
}

// DeleteIssuesOf deletes the reports that a user made and those about their jobs, and returns how many.
func (s *Store) DeleteIssuesOf(ctx context.Context, user string) (n int, _ error) {
	var keys [][]byte
	err := s.view(func(tx *kv.ReadTx) error {
		for k, raw := range tx.Ascend(file.Issues, nil) {
			issue, err := file.DecodeIssue(k, raw)
			if err != nil {
				return err
			}
			if issue.Report.GetReporter() == user || issue.Report.GetJob().GetOwner() == user {
				keys = append(keys, issue.ID.Key())
			}
		}
		return nil
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	err = s.do(ctx, len(keys), func(b *batch) error {
		b.target.user, n = user, 0
		for _, k := range keys {
			if b.tx.Get(file.Issues, k) == nil {
				continue
			}
			if err := b.tx.Delete(file.Issues, k); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("delete the reports of %s: %w", user, err)
	}
	return n, nil
}
