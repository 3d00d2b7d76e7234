package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// newTLSServer is a server with tokens under TLS. config is the rest of its configuration file.
func newTLSServer(t *testing.T, a *authority, config string) (*server, string) {
	t.Helper()
	a.issue("server")
	file := filepath.Join(t.TempDir(), "stintd.yaml")
	writeConfig(t, a, file, config)
	return newServerWith(t, &server{TB: t, data: t.TempDir(), flags: []string{"--config", file, "--auth", "token"}, tls: a.client("")}), file
}

func writeConfig(t *testing.T, a *authority, file, config string) {
	t.Helper()
	text := fmt.Sprintf("tls-cert: %s\ntls-key: %s\n%s", a.file("server.pem"), a.file("server.key"), config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// token makes one by the operator's socket.
func (s *server) token(args ...string) string {
	s.Helper()
	out, code := run(s, "stintd", append([]string{"token", "create", "--data", s.data}, args...)...)
	if code != 0 {
		s.Fatalf("stintd token create: exit code %d", code)
	}
	return strings.TrimSpace(out)
}

// eventually looks until ok, at most a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// shown is the serial number of the certificate that the server shows to a new connection.
func shown(t *testing.T, s *server, config *tls.Config) string {
	t.Helper()
	d := tls.Dialer{Config: config}
	conn, err := d.DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String() //nolint:errcheck,forcetypeassert // a tls.Dialer makes no others
}

func TestACertificateIsReplacedUnderOpenConnections(t *testing.T) {
	a := newAuthority(t)
	s, _ := newTLSServer(t, a, "")
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+s.token("--user", "ann"))
	watch, err := s.jobs().WatchStatus(ctx, &jobsv1.WatchStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	next := func(what string, good func(*jobsv1.WatchStatusResponse) bool) {
		t.Helper()
		for {
			m, err := watch.Recv()
			if err != nil {
				t.Fatalf("the stream before the change: %s: %v", what, err)
			}
			if good(m) {
				return
			}
		}
	}
	next("its first message", func(*jobsv1.WatchStatusResponse) bool { return true })
	before := shown(t, s, a.client(""))
	after := a.issue("server")
	eventually(t, "the new certificate is in use", func() bool { return shown(t, s, a.client("")) == after.SerialNumber.String() })
	if before == after.SerialNumber.String() {
		t.Fatal("the certificate did not change")
	}
	j, err := s.jobs().Submit(ctx, &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Append"}})
	if err != nil {
		t.Fatal(err)
	}
	next("the job", func(m *jobsv1.WatchStatusResponse) bool { return strings.Contains(m.String(), j.GetJob().GetId()) })

	if err := os.WriteFile(a.file("server.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log says that the file is no good", func() bool {
		return shown(t, s, a.client("")) == after.SerialNumber.String() && strings.Contains(s.log.String(), "the old one stays in use")
	})
	if out, code := run(t, "stint", "whoami", "--server", "https://"+s.address, "--ca-file", a.file("ca.pem"), "--token-file", tokenFile(t, s.token("--user", "bob"))); code != 0 || !strings.Contains(out, "bob") {
		t.Errorf("stint whoami: exit code %d, %s", code, out)
	}
	old := a.client("")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 //nolint:gosec // what must be refused
	if conn, err := tls.Dial("tcp", s.address, old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 was spoken")
	}
}

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// whoAmI asks over gRPC and REST, and answers user and way to sign in, or the reason of the refusal; both must say the same.
func whoAmI(t *testing.T, s *server, config *tls.Config, token string) string {
	t.Helper()
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := t.Context()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	me, err := authv1.NewAuthServiceClient(conn).WhoAmI(ctx, &authv1.WhoAmIRequest{})
	overGRPC := me.GetUser() + " by " + me.GetHow()
	if err != nil {
		overGRPC = whyRefused(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.address+"/v1/auth/whoami", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		User, How string
		Details   []struct{ Reason string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	overREST := answer.User + " by " + answer.How
	if len(answer.Details) > 0 {
		overREST = answer.Details[0].Reason
	}
	if overGRPC != overREST {
		t.Errorf("gRPC says %q, REST %q (%s)", overGRPC, overREST, body)
	}
	return overGRPC
}

func TestClientCertificatesStandForUsers(t *testing.T) {
	a := newAuthority(t)
	const mapping = "client-certificates:\n- {common-name: gateway, user: gw, roles: [service], scopes: ['jobs:read']}\n"
	s, file := newTLSServer(t, a, "client-ca: "+a.file("ca.pem")+"\n"+mapping)
	a.issue("gateway")
	a.issue("stranger")
	forger := newAuthority(t)
	forger.issue("gateway")
	for name, c := range map[string]struct {
		config *tls.Config
		token  string
		want   string
	}{
		"mapped":             {a.client("gateway"), "", "gw by certificate"},
		"not mapped":         {a.client("stranger"), "", "CERTIFICATE_UNKNOWN"},
		"none":               {a.client(""), "", "CREDENTIALS_MISSING"},
		"a token beside it":  {a.client("stranger"), s.token("--user", "ann"), "ann by token"},
		"a bad token beside": {a.client("gateway"), "stint_bad", "TOKEN_MALFORMED"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := whoAmI(t, s, c.config, c.token); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	forged := forger.client("gateway")
	forged.RootCAs = x509.NewCertPool()
	forged.RootCAs.AddCert(a.cert)
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(credentials.NewTLS(forged)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := authv1.NewAuthServiceClient(conn).WhoAmI(t.Context(), &authv1.WhoAmIRequest{}); err == nil {
		t.Error("a certificate of another authority was taken")
	}

	gateway, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(credentials.NewTLS(a.client("gateway"))))
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close()
	jobs := jobsv1.NewJobServiceClient(gateway)
	_, err = jobs.Submit(t.Context(), &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Append"}})
	if got := whyRefused(err); got != "SCOPE_REQUIRED" {
		t.Errorf("beyond its scopes: %s", got)
	}
	forAnn := metadata.AppendToOutgoingContext(t.Context(), "stint-act-for", "ann")
	watch, err := jobs.WatchStatus(forAnn, &jobsv1.WatchStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	writeConfig(t, a, file, "client-ca: "+a.file("ca.pem")+"\n")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = watch.Recv() // the test's own deadline ends it otherwise
	}
	if got := whyRefused(err); got != "CERTIFICATE_UNKNOWN" {
		t.Errorf("the stream of a certificate that was taken back: %s", got)
	}
	if got := whoAmI(t, s, a.client("gateway"), ""); got != "CERTIFICATE_UNKNOWN" {
		t.Errorf("a new call with it: %s", got)
	}
}

// whyRefused is the stable word of a refusal.
func whyRefused(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(interface{ GetReason() string }); ok {
			return info.GetReason()
		}
	}
	return fmt.Sprint(err)
}

func TestPlaintextForOthersIsSaidAtTheStart(t *testing.T) {
	s := newServer(t, "--listen", "0.0.0.0:0", "--insecure-plaintext")
	s.stop() // its log comes by another pipe than the line that says that it serves
	if !strings.Contains(s.log.String(), "connections are not encrypted") {
		t.Errorf("no warning:\n%s", s.log)
	}
}
