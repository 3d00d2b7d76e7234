package file

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/kv"
)

// newFile makes a database as a server does, with what stage writes.
func newFile(t *testing.T, stage func(*kv.Tx) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.db")
	db, err := kv.Open(kv.Config{Path: path, Buckets: Buckets, Create: Create, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Do(t.Context(), kv.Op{Stage: stage}), db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// spoil changes a file behind the package's back.
func spoil(t *testing.T, path, bucket string, key, value []byte) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	put := func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put(key, value) }
	if err := errors.Join(db.Update(put), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// audited writes n entries of the audit, a minute apart.
func audited(n int) func(*kv.Tx) error {
	return func(tx *kv.Tx) error {
		for i := range n {
			if _, err := audit.AppendOne(tx, &storev1.AuditEntry{User: "ada"}, &timestamppb.Timestamp{Seconds: int64(60 * i)}); err != nil {
				return err
			}
		}
		return nil
	}
}

func nothing(*kv.Tx) error { return nil }

func TestAnIncarnationGoesOnBehindAGap(t *testing.T) {
	path := newFile(t, func(tx *kv.Tx) error {
		c := Counters{NextID: 8, Revision: 40, Purged: 7}
		return errors.Join(c.Put(tx), PutSettings(tx, &storev1.Settings{Incarnation: "one", Message: "m"}))
	})
	var entries [][]byte
	at, err := BeginIncarnation(path, Incarnation{
		Name: "two", Gap: 100, FirstID: 50, By: &storev1.AuditEntry{User: "op", Method: "restore"},
		Edit: func(s *storev1.Settings) { s.PlaceId = "here" },
	}, func(entry []byte) { entries = append(entries, bytes.Clone(entry)) })
	if want := (Position{Incarnation: "two", Revision: 140, AuditSequence: 1}); err != nil || at != want || len(entries) != 1 {
		t.Fatalf("%+v, %v, %d entries; want %+v", at, err, len(entries), want)
	}
	info, err := ReadInfo(path)
	want := &storev1.Settings{
		Incarnation: "two", Message: "m", PlaceId: "here", Gaps: []*storev1.RevisionGap{{After: 40, Until: 140}}, ForeignIds: []*storev1.IdRange{{From: 8, Until: 50}},
	}
	if diff := cmp.Diff(want, info.Settings, protocmp.Transform()); err != nil || info.Position != at || info.NextID != 50 || diff != "" {
		t.Errorf("%+v, %v %s", info, err, diff)
	}
	for id, foreign := range map[job.ID]bool{7: false, 8: true, 49: true, 50: false} {
		if IsForeign(info.Settings, id) != foreign {
			t.Errorf("id %s is foreign: %v", id, !foreign)
		}
	}
	// A lower first id skips none.
	if _, err := BeginIncarnation(path, Incarnation{Name: "three", Gap: 1, FirstID: 9}); err != nil {
		t.Fatal(err)
	}
	if info, err := ReadInfo(path); err != nil || info.NextID != 50 || len(info.Settings.GetForeignIds()) != 1 || info.Position.AuditSequence != 1 {
		t.Errorf("%+v, %v", info, err)
	}
	for name, in := range map[string]Incarnation{"no name": {Gap: 1}, "no gap": {Name: "x"}} {
		if _, err := BeginIncarnation(path, in); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if problems, err := Check(path); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestThePositionOfAnotherIncarnationIsNeitherBeforeNorBehind(t *testing.T) {
	p := Position{Incarnation: "a", Revision: 5, AuditSequence: 5}
	for _, c := range []struct {
		q    Position
		want bool
	}{
		{p, false},
		{Position{"a", 6, 5}, true},
		{Position{"a", 5, 6}, true},
		{Position{"a", 4, 4}, false},
		{Position{"b", 6, 6}, false},
	} {
		if p.Before(c.q) != c.want {
			t.Errorf("before %+v: %v", c.q, !c.want)
		}
	}
}

func TestOldEntriesArePrunedAndTheRestVerifies(t *testing.T) {
	path := newFile(t, audited(5))
	begin, n, err := PruneAudit(path, time.Unix(150, 0), &storev1.AuditEntry{User: "op", Method: "prune"})
	if err != nil || n != 3 || begin.Sequence != 3 {
		t.Fatalf("%v, %d, %v", begin, n, err)
	}
	report, err := VerifyAudit(path, &begin)
	if err != nil || len(report.Problems) > 0 || report.Entries != 3 || report.End.Sequence != 6 {
		t.Errorf("%+v, %v", report, err)
	}
	var numbers []uint64
	if err := ReadAudit(path, 4, func(before audit.Head, row audit.Row) error {
		numbers = append(numbers, before.Sequence, row.Sequence)
		return nil
	}); err != nil || !cmp.Equal(numbers, []uint64{4, 5, 5, 6}) {
		t.Errorf("read %v, %v", numbers, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, n, err := PruneAudit(path, time.Unix(150, 0), &storev1.AuditEntry{User: "op"}); err != nil || n != 0 || again != begin {
		t.Errorf("again: %v, %d, %v", again, n, err)
	}
	own := errors.New("own")
	if err := ReadAudit(path, 0, func(audit.Head, audit.Row) error { return own }); !errors.Is(err, own) {
		t.Errorf("an error of the reader: %v", err)
	}
	// A chain that does not verify is left as it is.
	spoil(t, path, audit.Bucket, []byte{0, 0, 0, 0, 0, 0, 0, 5}, bytes.Repeat([]byte{1}, 40))
	if _, n, err := PruneAudit(path, time.Unix(1e9, 0), nil); !errors.Is(err, job.ErrConflict) || n != 0 {
		t.Errorf("a chain that does not verify: %d, %v", n, err)
	}
	if after, err := os.ReadFile(path); err != nil || len(after) != len(before) {
		t.Errorf("%d bytes became %d, %v", len(before), len(after), err)
	}
}

func TestACopyHasWhatTheFileHas(t *testing.T) {
	path := newFile(t, audited(3))
	var copied bytes.Buffer
	n, err := Backup(path, &copied)
	if err != nil || n != int64(copied.Len()) {
		t.Fatalf("%d, %v", n, err)
	}
	again := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(again, copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	before, after, err := Compact(again)
	if err != nil || before == 0 || after == 0 {
		t.Errorf("%d bytes became %d, %v", before, after, err)
	}
	for _, p := range []string{path, again} {
		if report, err := VerifyAudit(p, nil); err != nil || report.Entries != 3 || len(report.Problems) > 0 {
			t.Errorf("%s: %+v, %v", p, report, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Backup(path, writer(func([]byte) (int, error) { return 0, broken })); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a copy that cannot be written: %v", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// What cannot be read, or is in use, is refused by everything that works offline, and stays as it is.
func TestAnUnreadableOrBusyFileIsRefusedOffline(t *testing.T) {
	for name, c := range map[string]struct {
		bucket     string
		key, value []byte
		want       error
	}{
		"counters":         {Meta, []byte(KeyCounters), []byte{1}, job.ErrStorage},
		"settings":         {Meta, []byte(KeySettings), []byte{0xff}, job.ErrStorage},
		"end of the audit": {Meta, []byte("audit_head"), []byte{1}, job.ErrStorage},
		"format":           {Meta, []byte(keyFormat), []byte("x"), ErrNewerFormat},
	} {
		path := newFile(t, nothing)
		spoil(t, path, c.bucket, c.key, c.value)
		if info, err := ReadInfo(path); !errors.Is(err, c.want) || info.Settings != nil {
			t.Errorf("%s: read %+v, %v", name, info, err)
		}
		if _, err := BeginIncarnation(path, Incarnation{Name: "x", Gap: 1, By: &storev1.AuditEntry{User: "op"}}); !errors.Is(err, c.want) {
			t.Errorf("%s: begin an incarnation: %v", name, err)
		}
		if problems, err := Check(path); len(problems) == 0 && !errors.Is(err, c.want) {
			t.Errorf("%s: the check found nothing, %v", name, err)
		}
	}
	path := newFile(t, audited(2))
	db, err := kv.Open(kv.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	missing := filepath.Join(t.TempDir(), "none.db")
	for p, want := range map[string]error{path: job.ErrUnavailable, missing: os.ErrNotExist} {
		_, begun := BeginIncarnation(p, Incarnation{Name: "x", Gap: 1})
		_, read := ReadInfo(p)
		for what, err := range map[string]error{"begin": begun, "read": read} {
			if !errors.Is(err, want) {
				t.Errorf("%s %s: %v, want %v", what, filepath.Base(p), err, want)
			}
		}
	}
	_, _, pruned := PruneAudit(missing, time.Now(), nil)
	_, _, compacted := Compact(missing)
	_, checked := Check(missing)
	for what, err := range map[string]error{"prune": pruned, "compact": compacted, "check": checked} {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s what is not there: %v", what, err)
		}
	}
	if err := CheckFormat(missing); err != nil {
		t.Errorf("a file that is still to be made: %v", err)
	}
}

func TestErrorsOfTheDatabaseBecomeThoseOfTheDomain(t *testing.T) {
	for from, want := range map[error]error{
		kv.ErrOverloaded: job.ErrOverloaded, kv.ErrNoSpace: job.ErrNoSpace, kv.ErrUnknown: job.ErrUnknown, kv.ErrClosed: job.ErrUnavailable,
		kv.ErrLocked: job.ErrUnavailable, kv.ErrFailed: job.ErrStorage, kv.ErrDamaged: job.ErrStorage, kv.ErrNotDatabase: job.ErrStorage,
		error(&kv.TooLargeError{Size: 9, Max: 5}): job.ErrTooLarge, os.ErrExist: os.ErrExist,
	} {
		if got := InWords(fmt.Errorf("x: %w", from)); !errors.Is(got, want) {
			t.Errorf("%v became %v, want %v", from, got, want)
		}
	}
	if err := InWords(nil); err != nil {
		t.Error(err)
	}
	user, ok := errors.AsType[*job.UserError](InWords(kv.ErrNoSpace))
	if !ok || user.RetryAfter <= 0 || !strings.Contains(user.Message, "disk") {
		t.Errorf("a full disk: %+v", user)
	}
}

// Times run ahead of the clock by some seconds at most, and never back within these.
func TestTimesFollowTheClock(t *testing.T) {
	var c Counters
	at := time.Unix(1000, 0)
	for _, step := range []struct{ now, want time.Duration }{
		{0, 0},
		{time.Second, time.Second},
		{-3 * time.Second, time.Second}, // set back a little
		{2 * time.Second, 2 * time.Second},
		{-time.Hour, -time.Hour}, // set back by more than times may run ahead
		{time.Hour, time.Hour},
	} {
		if got := c.Advance(at.Add(step.now)).AsTime(); !got.Equal(at.Add(step.want)) {
			t.Errorf("at %v it is %v, want %v", step.now, got.Sub(at), step.want)
		}
	}
}

func TestKeysAreReadAsTheyWereMade(t *testing.T) {
	id := IssueID{Job: 7, Seq: 1 << 40}
	if got, err := IssueIDOf(id.Key()); err != nil || got != id || id.String() != "7-1099511627776" {
		t.Errorf("%v, %v", got, err)
	}
	if got, user, err := SplitShareKey(ShareKey(9, "bob")); err != nil || got != 9 || user != "bob" {
		t.Errorf("%v, %s, %v", got, user, err)
	}
	if owner, request, ok := SplitRequestKey(RequestKey("ada", "r\x00s")); !ok || owner != "ada" || request != "r\x00s" {
		t.Errorf("%s, %q, %v", owner, request, ok)
	}
	short := []byte("x")
	_, job1 := JobID(short)
	_, issue := DecodeIssue(short, nil)
	_, garbage := DecodeIssue(id.Key(), []byte{0xff})
	_, _, share := SplitShareKey(job.ID(1).Key())
	_, value := DecodeShare(1, []byte{0xff})
	for what, err := range map[string]error{"a job's key": job1, "an issue's key": issue, "an issue": garbage, "a share's key": share, "a share": value} {
		if !errors.Is(err, job.ErrStorage) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, key := range []string{"ada", "ada\x00", "\x00r"} {
		if _, _, ok := SplitRequestKey([]byte(key)); ok {
			t.Errorf("%q is a request", key)
		}
	}
}

// A history keeps its first entry and the last ones.
func TestAHistoryIsBounded(t *testing.T) {
	rec := fullRecord()
	j := rec.GetJob()
	j.History, j.Attempts = nil, nil
	for n := range uint64(100) {
		j.Revision = n + 1
		AppendHistory(j, timestamppb.New(testTime))
		j.Attempts = append(j.Attempts, &jobsv1.Attempt{Number: int32(n + 1)})
		BoundAttempts(j)
	}
	h := j.GetHistory()
	if len(h) != MaxHistory || h[0].GetRevision() != 1 || h[1].GetRevision() != 100-MaxHistory+2 || h[MaxHistory-1].GetRevision() != 100 {
		t.Errorf("%d entries: %v, %v", len(h), h[:2], h[len(h)-1])
	}
	if a := j.GetAttempts(); len(a) != MaxAttempts || AttemptOf(j) != 100 || a[0].GetNumber() != 81 {
		t.Errorf("%d attempts, the last %d", len(a), AttemptOf(j))
	}
}
