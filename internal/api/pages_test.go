package api_test

import (
	"slices"
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"

	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

// Tokens are listed page by page, oldest first, also where one is revoked between two pages. A page's token is its caller's query's.
func TestTokensComeInPages(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.as("ann"), w.as("bob")
	var made []string
	for i := range 4 {
		resp, err := w.tokens().CreateToken(ann, &authv1.CreateTokenRequest{Description: strconv.Itoa(i)})
		must(t, err)
		made = append(made, resp.GetToken().GetId())
	}
	var listed []string
	req := &authv1.ListTokensRequest{PageSize: 2}
	for pages := 0; ; pages++ {
		resp, err := w.tokens().ListTokens(ann, req)
		must(t, err)
		if len(resp.GetTokens()) > 2 {
			t.Errorf("a page of %d", len(resp.GetTokens()))
		}
		for _, token := range resp.GetTokens() {
			listed = append(listed, token.GetId())
		}
		if pages == 0 { // the one that the next page begins behind
			_, err := w.tokens().RevokeToken(ann, &authv1.RevokeTokenRequest{Id: listed[1]})
			must(t, err)
			_, err = w.tokens().ListTokens(bob, &authv1.ListTokensRequest{PageToken: resp.GetNextPageToken()})
			refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if !slices.Equal(listed[1:], made) { // the first is the one that ann calls with
		t.Errorf("listed %q, made %q", listed, made)
	}
	_, err := w.tokens().ListTokens(ann, &authv1.ListTokensRequest{PageSize: -1})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	_, err = w.tokens().ListTokens(ann, &authv1.ListTokensRequest{PageToken: "nonsense"})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
}

// The catalog comes in pages, too, sorted by label.
func TestServicesComeInPages(t *testing.T) {
	w := newWorld(t)
	client := catalogv1.NewCatalogServiceClient(w.conn)
	ctx := w.as("ann")
	whole, err := client.List(ctx, &catalogv1.ListRequest{})
	must(t, err)
	if len(whole.GetServices()) < 2 || whole.GetNextPageToken() != "" {
		t.Fatalf("%d services, token %q", len(whole.GetServices()), whole.GetNextPageToken())
	}
	var listed []string
	for req := (&catalogv1.ListRequest{PageSize: 1}); ; {
		resp, err := client.List(ctx, req)
		must(t, err)
		for _, s := range resp.GetServices() {
			listed = append(listed, s.GetId())
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	for i, s := range whole.GetServices() {
		if i >= len(listed) || listed[i] != s.GetId() {
			t.Errorf("page by page %q, at once %v", listed, whole.GetServices())
			break
		}
	}
	_, err = client.List(ctx, &catalogv1.ListRequest{PageSize: -1})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
	_, err = client.List(ctx, &catalogv1.ListRequest{PageToken: "nonsense"})
	refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT")
}
