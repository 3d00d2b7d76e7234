package store

import (
	"bytes"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// A store that gets nothing but the bytes of each commit is the same, in its file and in memory.
func TestAFollowerIsEqual(t *testing.T) {
	open := func() *Store {
		s, err := Open(Config{Path: filepath.Join(t.TempDir(), "jobs.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	leader, follower := open(), open()
	leader.finishing.Store(new(func() error {
		entry := bytes.Clone(leader.batch.tx.Entry())
		if err := follower.db.ApplyEntry(entry); err != nil {
			return err
		}
		return nil
	}))
	for n := range 40 {
		live(t, leader, n)
	}
	if d := follower.ix.Compare(leader.ix); len(d) > 0 {
		t.Errorf("its index: %v", d)
	}
	if follower.meta != leader.meta || follower.AuditHead() != leader.AuditHead() || !proto.Equal(follower.Settings(), leader.Settings()) {
		t.Errorf("it is at %+v, %v, %v; want %+v, %v, %v", follower.meta, follower.AuditHead(), follower.Settings(),
			leader.meta, leader.AuditHead(), leader.Settings())
	}
	if n := leader.Stats().Doomed; n == 0 || follower.Stats().Doomed != n {
		t.Errorf("it counts %d doomed folders, want %d", follower.Stats().Doomed, n)
	}
	if diff := cmp.Diff(contents(t, leader), contents(t, follower)); diff != "" {
		t.Errorf("its buckets: %s", diff)
	}
	if problems, err := follower.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// live has a store write some of everything.
func live(t *testing.T, s *Store, n int) {
	t.Helper()
	ctx := WithAudit(t.Context(), &storev1.AuditEntry{User: "ada", Method: "/test"})
	name := strconv.Itoa(n)
	jobs, _, err := s.Submit(ctx, []*jobsv1.Job{
		{Service: "A", OutputName: "a" + name, Labels: map[string]string{"n": name}}, {Service: "B", OutputName: "b" + name},
	}, SubmitOptions{Owner: "ada", RequestID: name})
	if err != nil {
		t.Fatal(err)
	}
	first, err := job.ParseID(jobs[0].GetId())
	if err != nil {
		t.Fatal(err)
	}
	into := func(state jobsv1.State) func(*storev1.Record) error {
		return func(r *storev1.Record) error { r.Job.State = state; return nil }
	}
	_, running := s.Update(ctx, Everyone, first, into(jobsv1.State_STATE_RUNNING))
	_, share := s.Share(ctx, Everyone, first, &jobsv1.Share{User: "bob", Rights: []jobsv1.ShareRight{jobsv1.ShareRight_SHARE_RIGHT_RESULTS}})
	_, second := s.UpdateMany(ctx, Everyone, []job.ID{first, first + 1}, into(jobsv1.State_STATE_CANCELLED))
	_, issue := s.AddIssue(ctx, first, &storev1.Issue{Description: name})
	_, session := s.PutSession(ctx, SessionHash{byte(n)}, &storev1.Session{Id: name, User: "ada"}, 3)
	err = errors.Join(running, share, second, issue, session,
		s.TouchSession(ctx, SessionHash{byte(n)}, time.Unix(int64(n), 0)),
		s.PutToken(ctx, TokenHash{byte(n)}, &storev1.Token{Id: name, User: "ada"}, 0),
		s.TouchTokens(ctx, map[TokenHash]time.Time{{byte(n)}: time.Unix(int64(n), 0)}),
		s.SetSettings(ctx, &storev1.Settings{Message: name}))
	if n%3 == 2 {
		_, deleted := s.Delete(ctx, first)
		_, gone := s.DeleteSession(ctx, SessionHash{byte(n)})
		if n%2 == 1 { // the whole request
			_, rest := s.Delete(ctx, first+1)
			err = errors.Join(err, rest, s.FoldersRemoved(ctx, first, 1000))
		}
		err = errors.Join(err, deleted, gone, s.DeleteToken(ctx, name, ""), s.Unshare(ctx, Everyone, first-2, "bob"))
	}
	if err != nil && !errors.Is(err, job.ErrNotFound) {
		t.Fatal(err)
	}
}

// contents returns everything in a store's buckets.
func contents(t *testing.T, s *Store) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := s.inTx(func(tx *kv.ReadTx) error {
		for _, b := range buckets {
			all[b.Name] = strconv.FormatUint(tx.Sequence(b.Name), 10)
			if err := each(tx, b.Name, func(k, v []byte) error {
				all[b.Name+"\x00"+string(k)] = string(v)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
