package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

// An expired token is no guess, however often it comes, and no number of guesses holds back who has a good one.
func TestNobodyIsLockedOutByOthersCredentials(t *testing.T) {
	const from, bound = "192.0.2.9", 20
	h := newHostile(t, "--trusted-proxies", "127.0.0.1", "--max-failed-sign-ins", "20")
	whoAmI := func(token string) (codes.Code, int) {
		_, err := authv1.NewAuthServiceClient(h.conn).WhoAmI(behind(h, from, token), &authv1.WhoAmIRequest{})
		resp, _ := h.rest("", call{path: "/v1/auth/whoami", header: map[string]string{"X-Forwarded-For": from, "Authorization": "Bearer " + token}})
		return status.Code(err), resp.StatusCode
	}
	expired := h.expired(t)
	for range 5 * bound {
		if code, rest := whoAmI(expired); code != codes.Unauthenticated || rest != http.StatusUnauthorized {
			t.Fatalf("expired: %v, %d", code, rest)
		}
	}
	held := 0
	for range 3 * bound {
		if code, _ := whoAmI("nonsense"); code == codes.ResourceExhausted {
			held++
		}
	}
	if held == 0 {
		t.Error("no guess was held back")
	}
	for _, user := range []string{"ann", "bob", "op"} {
		if code, rest := whoAmI(h.token[user]); code != codes.OK || rest != http.StatusOK {
			t.Errorf("%s: %v, %d", user, code, rest)
		}
	}
}

// What is refused leaves a line, whatever --access-log says.
func TestRefusalsAreLogged(t *testing.T) {
	h := newHostile(t, "--access-log", "none", "--trusted-proxies", "127.0.0.1")
	id := strings.Split(h.token["ann"], "_")[1]
	_, err := adminv1.NewAdminServiceClient(h.conn).ListAudit(metadata.AppendToOutgoingContext(behind(h, "192.0.2.1", h.token["ann"]), "x-request-id", "grpc-403"), &adminv1.ListAuditRequest{})
	if status.Code(err) != codes.PermissionDenied {
		t.Fatal(err)
	}
	var trailer metadata.MD
	_, err = authv1.NewAuthServiceClient(h.conn).WhoAmI(behind(h, "192.0.2.2", h.token["ann"][:len(h.token["ann"])-1]), &authv1.WhoAmIRequest{}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.Unauthenticated {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"rest-403": h.token["ann"], "rest-401": "nonsense"} {
		resp, _ := h.rest("", call{path: "/v1/admin/audit", header: map[string]string{
			"X-Forwarded-For": "192.0.2.3", "Authorization": "Bearer " + token, "X-Request-Id": name,
		}})
		t.Log(resp.Status)
	}
	h.stop() // a line may be written after its caller has the response
	log := h.log.String()
	for name, words := range map[string][]string{
		"gRPC, 403": {"grpc-403", "level=WARN", "msg=refused", "route=/stint.admin.v1.AdminService/ListAudit", "code=PermissionDenied", "reason=ROLE_REQUIRED", "credential=" + id, "address=192.0.2.1", "duration_ms="},
		"gRPC, 401": {"192.0.2.2", "msg=refused", "code=Unauthenticated", "reason=TOKEN_MALFORMED", "request_id="},
		"REST, 403": {"rest-403", "msg=refused", `route="GET /v1/admin/audit"`, "status=403", "reason=ROLE_REQUIRED", "user=ann", "credential=" + id, "address=192.0.2.3"},
		"REST, 401": {"rest-401", "msg=refused", "status=401", "code=Unauthenticated", "reason=TOKEN_MALFORMED"},
	} {
		found := ""
		for line := range strings.Lines(log) {
			if strings.Contains(line, words[0]) {
				found = line
			}
		}
		for _, word := range words {
			if !strings.Contains(found, word) {
				t.Errorf("%s: no %s in %q", name, word, found)
			}
		}
	}
	if strings.Contains(log, "msg=call") {
		t.Error("a call is logged that nobody asked for")
	}
}
