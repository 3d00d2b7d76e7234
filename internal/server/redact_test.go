package server

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stint-jobs/stint/internal/auth"
)

func TestSecretsAreCutOffInTheLog(t *testing.T) {
	id, token := auth.NewSecret()
	jobs, err := auth.NewJobTokens(make([]byte, 32), "x")
	if err != nil {
		t.Fatal(err)
	}
	const jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
	ofJob := jobs.Issue(auth.JobClaim{Job: 1, Attempt: 1, Owner: "ann"})
	var b strings.Builder
	log, err := newLogger(&b, Config{LogLevel: "debug", LogFormat: "json"})
	if err != nil {
		t.Fatal(err)
	}
	session := strings.TrimPrefix(token, "stint_") // as a browser has it in its cookie
	for _, secret := range []string{token, token[:30], "stint_" + strings.Repeat("x", 40), ofJob, jwt, session} {
		log.Info("a request", "said", "by "+secret, "path", "/v1/jobs/"+secret+"/results", "error", errors.New("no job "+secret), "n", 7)
		log.With("before", secret).WithGroup("in").Info("of a job", "names", []string{"a", secret}, slog.Group("deep", "cause", struct{ Said string }{secret}))
		if text := b.String(); strings.Contains(text, secret[15:]) {
			t.Errorf("logged %s", text)
		}
	}
	for _, stays := range []string{"stint_" + id + "_(secret)", "stintjob_(secret)", `"n":7`, "/results", `"names":"[a stint_`} {
		if !strings.Contains(b.String(), stays) {
			t.Errorf("%s is not in the log:\n%s", stays, b.String())
		}
	}
	if plain := "stint_jobs and stintd, eyJ, no_secret, " + strings.Repeat("a", 8) + "_" + strings.Repeat("b", 58); redact(plain) != plain {
		t.Errorf("%q became %q", plain, redact(plain))
	}
}
