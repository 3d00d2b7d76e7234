package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// No secret that a client sends, rightly or in the wrong place, comes back in
// an error or stays in the server's log or metrics.
func TestSecretsAreNeitherLoggedNorRepeated(t *testing.T) {
	s := newServer(t, "--auth", "token", "--log-level", "debug", "--access-log", "all")
	good := s.token("--user", "ann")
	operator := s.token("--user", "op", "--role", "operator")
	revoked := s.token("--user", "bob")
	const unknown = "stint_0123456789abcdef0123456789abcdefghjkmnpqrstvwxyz"
	secrets := map[string]string{
		"a token": good, "an operator's token": operator, "a revoked token": revoked, "an unknown token": unknown,
		"half a token": good[:40], "a token with more": good + "tail", "a job's token": "stintjob_0123456789abcdefghjkmnpqrstvwxyz0123456789",
		"a JWT": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLW9mLW5vYm9keQ", "a session": "c2Vzc2lvbi1zZWNyZXQtb2YtYS1icm93c2Vy",
	}
	list, code := run(t, "stintd", "token", "list", "--data", s.data, "--user", "bob")
	id := strings.Fields(list[strings.Index(list, "\n"):])[0]
	if _, revoking := run(t, "stintd", "token", "revoke", "--data", s.data, "--id", id); code != 0 || revoking != 0 {
		t.Fatal("bob's token was not revoked")
	}
	var answers strings.Builder
	for _, secret := range secrets {
		s.sendSecret(secret, good, &answers)
	}
	answers.WriteString(s.fetch(t, http.Header{"Authorization": {"Bearer " + operator}}, "/metrics"))
	if !strings.Contains(answers.String(), "stint_store_commits_total") {
		t.Fatal("the metrics were not read")
	}
	s.stop()
	log := s.log.String()
	if !strings.Contains(log, "level=INFO msg=call") || !strings.Contains(log, "user=ann") {
		t.Fatalf("calls were not logged:\n%s", log)
	}
	for what, secret := range secrets {
		secret = secret[len(secret)-20:] // what no id and no prefix has
		if at := strings.Index(log, secret); at >= 0 {
			t.Errorf("%s is in the log: ...%s...", what, log[max(0, at-200):min(len(log), at+50)])
		}
		if all := answers.String(); strings.Contains(all, secret) {
			at := strings.Index(all, secret)
			t.Errorf("%s is in an answer: ...%s...", what, all[max(0, at-200):min(len(all), at+50)])
		}
	}
}

// sendSecret sends a secret wherever a client could, and collects what comes back.
func (s *server) sendSecret(secret, good string, answers *strings.Builder) {
	s.Helper()
	asBearer := metadata.Pairs("authorization", "Bearer "+secret)
	for _, md := range []metadata.MD{
		asBearer,
		metadata.Pairs("authorization", secret),
		metadata.Pairs("authorization", "Basic "+secret),
		metadata.Join(asBearer, asBearer),
		metadata.Pairs("stint-client-session", secret),
		metadata.Pairs("authorization", "Bearer "+good, "stint-act-for", secret),
		metadata.Pairs("authorization", "Bearer "+good, "idempotency-key", secret),
	} {
		ctx := metadata.NewOutgoingContext(s.Context(), md)
		_, err := s.jobs().List(ctx, &jobsv1.ListRequest{})
		fmt.Fprintln(answers, status.Convert(err).Proto())
		short, cancel := context.WithCancel(ctx)
		stream, err := s.jobs().WatchStatus(short, &jobsv1.WatchStatusRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		cancel()
		fmt.Fprintln(answers, status.Convert(err).Proto())
	}
	for _, header := range []http.Header{
		{"Authorization": {"Bearer " + secret}},
		{"Authorization": {secret}},
		{"Authorization": {"Bearer " + secret, "Bearer " + secret}},
		{"Cookie": {"stint_session=" + secret + "; __Host-stint_session=" + secret}},
		{"Authorization": {"Bearer " + good}, "Stint-Act-For": {secret}},
		{"Authorization": {"Bearer " + good}, "Idempotency-Key": {secret}},
		{"X-Api-Key": {secret}, "Stint-Client-Session": {secret}},
	} {
		for _, path := range []string{"/v1/jobs", "/v1/auth/whoami", "/metrics", "/v1/workspace/none"} {
			answers.WriteString(s.fetch(s, header, path))
		}
	}
	if !strings.HasPrefix(secret, "stint") && !strings.HasPrefix(secret, "eyJ") {
		return // has no form that it could be known by where it does not belong
	}
	q := url.QueryEscape(secret)
	for _, path := range []string{
		"/v1/jobs?access_token=" + q, "/v1/jobs?token=" + q, "/v1/jobs/" + q, "/v1/jobs/" + q + "/results/" + q,
		"/v1/workspace/" + q, "/" + q, "/healthz?token=" + q, "/auth/callback?code=" + q + "&state=" + q, "/auth/login?next=/" + q,
	} {
		s.fetch(s, http.Header{"Authorization": {"Bearer " + good}}, path) // only the log counts: the client has the URL anyway
		s.fetch(s, nil, path)
	}
}

// fetch answers the body of what is at a path.
func (s *server) fetch(tb testing.TB, header http.Header, path string) string {
	tb.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.url(path), nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		tb.Fatal(err)
	}
	return string(body)
}
