package e2e_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// grpcOver makes a call of gRPC over an HTTP client, as connect-go and proxies do. It returns the first message and the status.
func grpcOver(t *testing.T, client *http.Client, url, token string, req proto.Message) (answer []byte, code, details string) {
	t.Helper()
	b, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(message(uint32(len(b)), b))) //nolint:gosec // small
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc+proto")
	r.Header.Set("Te", "trailers")
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) >= 5 {
		answer = body[5:]
	}
	header := resp.Trailer
	if resp.Header.Get("Grpc-Status") != "" {
		header = resp.Header
	}
	return answer, header.Get("Grpc-Status"), header.Get("Grpc-Status-Details-Bin")
}

// A TLS client that offers h2 and http/1.1 gets REST and gRPC over one connection, request by request.
func TestOneConnectionHasRESTAndGRPC(t *testing.T) {
	a := newAuthority(t)
	s, _ := newTLSServer(t, a, "")
	token, base := s.token("--user", "ann"), "https://"+s.address
	transport := &http.Transport{TLSClientConfig: a.client(""), ForceAttemptHTTP2: true, MaxConnsPerHost: 1}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	whoami := base + authv1.AuthService_WhoAmI_FullMethodName
	for range 3 {
		answer, code, _ := grpcOver(t, client, whoami, token, &authv1.WhoAmIRequest{})
		who := &authv1.WhoAmIResponse{}
		if err := proto.Unmarshal(answer, who); err != nil || code != "0" || who.GetUser() != "ann" {
			t.Errorf("gRPC: %v, %v, status %s", who, err, code)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v1/auth/whoami", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"ann"`) {
			t.Errorf("REST: %s %s %s", resp.Proto, resp.Status, body)
		}
	}
	answer, code, _ := grpcOver(t, client, base+jobsv1.JobService_List_FullMethodName, token, &jobsv1.ListRequest{})
	if err := proto.Unmarshal(answer, &jobsv1.ListResponse{}); err != nil || code != "0" {
		t.Errorf("a list: %v, status %s", err, code)
	}
	for name, c := range map[string]struct{ url, token, code, reason string }{
		"no good token":         {whoami, "nonsense", "16", "TOKEN_MALFORMED"},
		"a call of operators":   {base + "/stint.admin.v1.AdminService/ListAudit", token, "7", "ROLE_REQUIRED"},
		"a call there is not":   {base + "/stint.jobs.v1.JobService/Nothing", token, "12", ""},
		"a message that is bad": {base + jobsv1.JobService_Get_FullMethodName, token, "5", "NOT_FOUND"},
	} {
		_, code, details := grpcOver(t, client, c.url, c.token, &jobsv1.GetRequest{Id: "1"})
		if code != c.code {
			t.Errorf("%s: status %s, want %s", name, code, c.code)
		}
		b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "="))
		st := &spb.Status{}
		if err != nil || proto.Unmarshal(b, st) != nil || c.reason != "" && reasonOf(st) != c.reason {
			t.Errorf("%s: %v, %v, want %s", name, st, err, c.reason)
		}
	}
	transport.TLSClientConfig = a.client("")
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: a.client(""), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}}
	defer old.CloseIdleConnections()
	if _, code, _ := grpcOver(t, old, whoami, token, &authv1.WhoAmIRequest{}); code != "12" {
		t.Errorf("over HTTP/1.1: status %s", code)
	}
}
