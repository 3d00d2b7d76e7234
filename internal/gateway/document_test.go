package gateway

import (
	"net/http"
	"os"
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

func TestTheDocumentsAreServedAsTheyAreCommitted(t *testing.T) {
	s := newSite(t, &script{}, Config{PathPrefix: "/stint"})
	for path, file := range map[string]string{"/openapi.json": "stint.openapi.json", "/openapi-3.0.json": "stint.openapi-3.0.json"} {
		want, err := os.ReadFile("../gen/openapi/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if resp := s.get(t, "/stint"+path); resp.body != string(want) || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s is not %s: %s, %d bytes", path, file, resp.Status, len(resp.body))
		}
	}
}

// Both versions of OpenAPI have the same operations and the same schemas.
func TestTheOlderDocumentSaysTheSame(t *testing.T) {
	s := newSite(t, &script{}, Config{})
	older, err := openapi3.NewLoader().LoadFromData([]byte(s.get(t, "/openapi-3.0.json").body))
	if err != nil {
		t.Fatal(err)
	}
	if err := older.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	doc := loadDocument(t, s)
	if older.OpenAPI != "3.0.3" || older.Paths.Len() != doc.Paths.Len() || len(older.Components.Schemas) != len(doc.Components.Schemas) {
		t.Errorf("OpenAPI %s has %d paths and %d schemas, %s %d and %d", older.OpenAPI, older.Paths.Len(), len(older.Components.Schemas), doc.OpenAPI, doc.Paths.Len(), len(doc.Components.Schemas))
	}
}

// What generators of clients stumbled over stays mended.
func TestTheDocumentIsOneThatGeneratorsCanUse(t *testing.T) {
	doc := loadDocument(t, newSite(t, &script{}, Config{}))
	for path, item := range doc.Paths.Map() {
		for verb, operation := range item.Operations() {
			if operation.RequestBody != nil {
				if body := operation.RequestBody.Value.Content["application/json"]; body != nil && body.Schema.Ref == "" {
					t.Errorf("%s %s: the body has no name", verb, path)
				}
			}
		}
	}
	schema := func(name string) *openapi3.Schema {
		s := doc.Components.Schemas[name]
		if s == nil {
			t.Fatalf("there is no schema %s", name)
		}
		return s.Value
	}
	in, out := schema("stint.jobs.v1.JobInput"), schema("stint.jobs.v1.Job")
	if p := in.Properties["priority"].Value; p.Max == nil || *p.Max != 100 || *p.Min != -100 {
		t.Errorf("the bounds of a priority: %v", p)
	}
	if in.Properties["state"] != nil || !slices.Contains(in.Required, "service") || slices.Contains(in.Required, "id") {
		t.Errorf("what a request must have is %v", in.Required)
	}
	if !slices.Contains(out.Required, "id") || !slices.Contains(out.Required, "state") || slices.Contains(out.Required, "startTime") {
		t.Errorf("what a response always has is %v", out.Required)
	}
	if free := in.Properties["parameters"].Value.AdditionalProperties.Has; free == nil || !*free {
		t.Error("parameters are not free")
	}
	if frame := schema("stint.jobs.v1.WatchStatusResponse"); len(frame.OneOf) > 0 || len(frame.Properties) < 5 {
		t.Errorf("a frame of a watch: %v", frame)
	}
	if security := doc.Paths.Find("/v1/auth/options").Get.Security; security == nil || len(*security) != 0 {
		t.Error("how to sign in cannot be asked without credentials")
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
