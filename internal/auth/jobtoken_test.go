package auth

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
)

func jobTokens(tb testing.TB, key byte, install string) *JobTokens {
	tb.Helper()
	k, err := NewJobTokens(bytes.Repeat([]byte{key}, 32), install)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func TestTokensOfJobsNeedAKey(t *testing.T) {
	for _, c := range []struct {
		key     []byte
		install string
	}{{nil, "k3x9ab"}, {make([]byte, 31), "k3x9ab"}, {make([]byte, 32), ""}} {
		if _, err := NewJobTokens(c.key, c.install); err == nil {
			t.Errorf("NewJobTokens(%d bytes, %q) succeeded", len(c.key), c.install)
		}
	}
}

func TestWhatATokenOfAJobSays(t *testing.T) {
	k := jobTokens(t, 1, "k3x9ab")
	rapid.Check(t, func(t *rapid.T) {
		c := JobClaim{
			Job: job.ID(rapid.Uint64().Draw(t, "job")), Attempt: rapid.IntRange(1, 1<<20).Draw(t, "attempt"),
			Owner: rapid.StringN(1, 100, 200).Draw(t, "owner"), Expires: time.Unix(rapid.Int64Range(1, 1<<40).Draw(t, "expires"), 0),
		}
		text := k.Issue(c)
		got, err := k.Read(text)
		if diff := cmp.Diff(c, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune("_"+tokenAlphabet+"stinjob", r) }) {
			t.Fatalf("%q needs quoting", text)
		}
		// No bit of it can be changed, and it belongs to no other key or installation.
		at := rapid.IntRange(len(jobTokenPrefix), len(text)-1).Draw(t, "at")
		other := tokenAlphabet[(strings.IndexByte(tokenAlphabet, text[at])+1)%len(tokenAlphabet)]
		if c, err := k.Read(text[:at] + string(other) + text[at+1:]); err == nil {
			t.Fatalf("a changed token says %+v", c)
		}
		if c, err := k.Read(text[:at]); err == nil {
			t.Fatalf("a token that was cut off says %+v", c)
		}
	})
	text := k.Issue(JobClaim{Job: 17, Attempt: 1, Owner: "alice", Expires: time.Now().Add(time.Hour)})
	for name, other := range map[string]*JobTokens{"key": jobTokens(t, 2, "k3x9ab"), "installation": jobTokens(t, 1, "k3x9ac")} {
		if _, err := other.Read(text); err == nil {
			t.Errorf("it is taken under another %s", name)
		}
	}
}

func TestATokenOfAJobIsGoodForReportAlone(t *testing.T) {
	f := newFixture(t, ModeDev) // where everybody else needs no credentials at all
	k := jobTokens(t, 1, "k3x9ab")
	f.auth.cfg.Job = k.Principal
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	text := k.Issue(JobClaim{Job: 17, Attempt: 2, Owner: "alice", Expires: expires})
	p, err := f.header([]string{"Bearer " + text})
	want := Principal{User: "alice", Roles: []Role{RoleJob}, How: HowJob, TokenID: "job-17-2", Job: 17, Attempt: 2, Expires: expires}
	if diff := cmp.Diff(want, p); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	if f.store.lookups != 0 {
		t.Errorf("the store was asked %d times", f.store.lookups)
	}
	for method, r := range rules {
		if may := mayCall(p, method); may != (method == jobsv1.JobService_Report_FullMethodName) && !r.open {
			t.Errorf("the command of a job may call %s: %v", method, may)
		}
	}
}

func TestTokensOfJobsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, ModeToken)
		k := jobTokens(t, 1, "k3x9ab")
		text := k.Issue(JobClaim{Job: 17, Attempt: 1, Owner: "alice", Expires: time.Now().Add(time.Second)})
		_, err := f.header([]string{"Bearer " + text})
		wantStatus(t, err, codes.Unauthenticated, "TOKEN_MALFORMED") // a server that gives none knows none
		f.auth.cfg.Job = k.Principal
		if _, err := f.header([]string{"Bearer " + text}); err != nil {
			t.Fatal(err)
		}
		for text, reason := range map[string]string{
			text[:len(text)-1]:                         "TOKEN_MALFORMED",
			jobTokenPrefix:                             "TOKEN_MALFORMED",
			jobTokenPrefix + strings.Repeat("0", 80):   "TOKEN_UNKNOWN",
			jobTokenPrefix + strings.Repeat("0", 5000): "TOKEN_MALFORMED",
			strings.ToUpper(text):                      "TOKEN_MALFORMED",
		} {
			_, err := f.header([]string{"Bearer " + text})
			wantStatus(t, err, codes.Unauthenticated, reason)
		}
		<-time.After(time.Second)
		_, err = f.header([]string{"Bearer " + text})
		wantStatus(t, err, codes.Unauthenticated, "TOKEN_EXPIRED")
	})
}

func FuzzReadJobToken(f *testing.F) {
	k := jobTokens(f, 1, "k3x9ab")
	f.Add(k.Issue(JobClaim{Job: 17, Attempt: 1, Owner: "alice", Expires: time.Unix(1<<31, 0)}))
	f.Add("stintjob_")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := k.Read(text); err == nil && k.Issue(c) != text {
			t.Errorf("%q reads as %+v, whose text is another", text, c)
		}
	})
}
