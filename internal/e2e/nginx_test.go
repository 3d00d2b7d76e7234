package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
)

// documentedNginx is the block of docs/operations.md for a server at that address.
func documentedNginx(t *testing.T, address string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(b)
	if found == nil {
		t.Fatal("docs/operations.md shows no configuration of nginx")
	}
	return strings.ReplaceAll(string(found[1]), "127.0.0.1:8421", address)
}

// TestTheDocumentedNginxPassesEverything has REST, gRPC, health and reflection go through nginx as the documents say.
func TestTheDocumentedNginxPassesEverything(t *testing.T) {
	h := newHostile(t, "--path-prefix", "/stint", "--trusted-proxies", "127.0.0.1")
	front := startNginx(t, " http2", documentedNginx(t, h.address))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front+"/stint/v1/auth/whoami", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token["ann"])
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"ann"`) {
		t.Errorf("REST: %s %s", resp.Status, body)
	}
	conn, err := grpc.NewClient(strings.TrimPrefix(front, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+h.token["ann"])
	if who, err := authv1.NewAuthServiceClient(conn).WhoAmI(ctx, &authv1.WhoAmIRequest{}); err != nil || who.GetUser() != "ann" {
		t.Errorf("gRPC: %v, %v", who, err)
	}
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "stint.jobs.v1.JobService"}); err != nil {
		t.Errorf("health: %v", err)
	}
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err == nil {
		if err = stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err == nil {
			var list *reflectionpb.ServerReflectionResponse
			if list, err = stream.Recv(); err == nil && len(list.GetListServicesResponse().GetService()) < 8 {
				err = fmt.Errorf("services %v", list)
			}
		}
	}
	if err != nil {
		t.Errorf("reflection: %v", err)
	}
}
