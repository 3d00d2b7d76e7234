package gateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// loadDocument reads the document as a client would.
func loadDocument(t *testing.T, s *site) *openapi3.T {
	t.Helper()
	resp := s.get(t, "/openapi.json")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(resp.body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestTheDocumentIsValidOpenAPI(t *testing.T) {
	doc := loadDocument(t, newSite(t, &script{}, Config{PathPrefix: "/stint"}))
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTheDocumentIsKeptByClientsUntilItChanges(t *testing.T) {
	s := newSite(t, &script{}, Config{})
	first := s.get(t, "/openapi.json")
	if again := s.get(t, "/openapi.json", "If-None-Match", first.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("asked again: %s", again.Status)
	}
	if head := s.do(t, http.MethodHead, "/openapi.json", nil); head.StatusCode != http.StatusOK || head.ContentLength != int64(len(first.body)) {
		t.Errorf("HEAD: %s, %d bytes", head.Status, head.ContentLength)
	}
}

// exampleOf fills a documented path with values.
var exampleOf = strings.NewReplacer("{id}", "1", "{stream}", "stdout", "{path}", "a/b.txt")

func TestTheDocumentHasAllRoutesAndNoOthers(t *testing.T) {
	doc := loadDocument(t, newSite(t, &script{}, Config{}))
	operations, err := newOperations()
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		example := exampleOf.Replace(path)
		verbs := operations.verbs(example)
		if route, ok := parseFileRoute(example); ok {
			verbs = append(verbs, http.MethodGet)
			if route.kind == workspaceFile {
				verbs = append(verbs, http.MethodPut)
			}
		}
		if strings.HasPrefix(example, uploadsPath+"/") { // of tus
			verbs = append(verbs, http.MethodPatch)
		}
		for verb := range item.Operations() {
			documented[verb+" "+path] = true
			if !slices.Contains(verbs, verb) {
				t.Errorf("%s %s is documented, but not served", verb, path)
			}
		}
	}
	for key := range operations.byPattern {
		path := pathVariable.ReplaceAllString(key, "{$1}")
		if !documented[path] {
			t.Errorf("%s is served, but not documented", path)
		}
	}
}

func TestTheDocumentSaysWhatOnlyTheGatewayDoes(t *testing.T) {
	doc := loadDocument(t, newSite(t, &script{}, Config{}))
	parameter := func(path, method, name string) bool {
		operation := doc.Paths.Find(path).GetOperation(method)
		return slices.ContainsFunc(operation.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == name })
	}
	for _, want := range []struct{ path, method, name string }{
		{"/v1/jobs", "POST", "Idempotency-Key"},
		{"/v1/jobs:batchSubmit", "POST", "Idempotency-Key"},
		{"/v1/jobs/{id}:rerun", "POST", "Idempotency-Key"},
		{"/v1/jobs:watch", "GET", "Last-Event-ID"},
		{"/v1/jobs/{id}:watch", "GET", "Last-Event-ID"},
		{"/v1/jobs/{id}/logs/{stream}", "GET", "Last-Event-ID"},
		{"/v1/jobs/{id}/logs/{stream}", "GET", "download"},
		{"/v1/jobs/{id}/results/{path}", "GET", "download"},
		{"/v1/workspace/{path}", "GET", "download"},
		{"/v1/workspace/{path}", "PUT", "overwrite"},
		{"/v1/workspace/{path}", "PUT", "Repr-Digest"},
		{"/v1/workspace/{path}", "GET", "Want-Repr-Digest"},
		{"/v1/jobs/{id}/results/{path}", "GET", "Want-Repr-Digest"},
	} {
		if !parameter(want.path, want.method, want.name) {
			t.Errorf("%s %s does not document %s", want.method, want.path, want.name)
		}
	}
	for path, media := range map[string][]string{
		"/v1/jobs:watch":              {eventStream, ndjson},
		"/v1/jobs/{id}:watch":         {eventStream, ndjson},
		"/v1/jobs/{id}/logs/{stream}": {eventStream, ndjson, "text/plain"},
		"/v1/jobs/{id}/results.zip":   {"application/zip"},
		"/v1/jobs":                    {"application/json"},
	} {
		var got []string
		for name := range doc.Paths.Find(path).Get.Responses.Value("200").Value.Content {
			got = append(got, name)
		}
		slices.Sort(got)
		slices.Sort(media)
		if !slices.Equal(got, media) {
			t.Errorf("%s answers with %q, want %q", path, got, media)
		}
	}
}
