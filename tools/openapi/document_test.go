package main

import (
	"strings"
	"testing"
)

const baseText = `{
  "openapi": "3.1.0",
  "info": {"title": "Base"},
  "paths": {"/v1/files/{path}": {"put": {"operationId": "Upload"}}},
  "components": {"schemas": {"Error": {"type": "object"}}}
}`

func TestMergeAddsOperationsOfAPathThatTheBaseHas(t *testing.T) {
	doc := mustParse(t, baseText)
	part := mustParse(t, `{
	  "openapi": "3.1.0",
	  "info": {"title": "part"},
	  "paths": {"/v1/files/{path}": {"delete": {"operationId": "Delete"}}},
	  "components": {"schemas": {"Error": {"type": "object"}, "File": {"type": "string"}}},
	  "tags": [{"name": "Files", "description": "Files & folders."}]
	}`)
	if err := doc.merge(part); err != nil {
		t.Fatal(err)
	}
	text, err := doc.encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "openapi": "3.1.0",
  "info": {
    "title": "Base"
  },
  "tags": [
    {
      "description": "Files & folders.",
      "name": "Files"
    }
  ],
  "paths": {
    "/v1/files/{path}": {
      "delete": {
        "operationId": "Delete"
      },
      "put": {
        "operationId": "Upload"
      }
    }
  },
  "components": {
    "schemas": {
      "Error": {
        "type": "object"
      },
      "File": {
        "type": "string"
      }
    }
  }
}
`
	if got := string(text); got != want {
		t.Errorf("merged document:\n%s\nwant:\n%s", got, want)
	}
}

func TestMergeRefusesWhatMeansTwoThings(t *testing.T) {
	for _, tc := range []struct{ name, part, want string }{
		{
			"operation", `{"openapi": "3.1.0", "info": {}, "paths": {"/v1/files/{path}": {"put": {"operationId": "Upload"}}}}`,
			"path /v1/files/{path} put: defined twice",
		},
		{
			"component", `{"openapi": "3.1.0", "info": {}, "paths": {}, "components": {"schemas": {"Error": {"type": "string"}}}}`,
			"component schemas Error: defined twice",
		},
		{
			"version", `{"openapi": "3.0.3", "info": {}, "paths": {}}`,
			"it is OpenAPI 3.0.3, the base 3.1.0",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := mustParse(t, baseText).merge(mustParse(t, tc.part))
			if err == nil || err.Error() != tc.want {
				t.Errorf("merge: %v, want %s", err, tc.want)
			}
		})
	}
}

func TestParseRefusesTopLevelKeysThatMergingWouldLose(t *testing.T) {
	if _, err := parseDocument([]byte(`{"openapi": "3.1.0", "webhooks": {}}`)); err == nil {
		t.Error("a document with webhooks was read")
	}
}

func TestCheckFindsDanglingReferencesAndDoubleIDs(t *testing.T) {
	doc := mustParse(t, `{"openapi": "3.1.0", "info": {}, "paths": {
	  "/a": {"get": {"operationId": "Get", "x": {"$ref": "#/components/schemas/Gone"}}},
	  "/b": {"get": {"operationId": "Get", "x": {"$ref": "#/components/schemas/Here"}}}
	}, "components": {"schemas": {"Here": {"type": "string"}}}}`)
	err := doc.check()
	if err == nil {
		t.Fatal("check found nothing")
	}
	for _, want := range []string{"reference to nothing: #/components/schemas/Gone", "operation id used twice: Get"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("check: %v, want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "Here") {
		t.Errorf("check complains about a reference that is fine: %v", err)
	}
}

func TestTheOlderVersionLacksWhatItDoesNotKnow(t *testing.T) {
	doc := mustParse(t, `{"openapi": "3.1.0", "info": {"title": "T", "summary": "S"}, "paths": {"/a": {"get": {"operationId": "A"}}},
	  "security": [{"token": []}, {"certificate": []}, {}],
	  "components": {"securitySchemes": {"token": {"type": "http"}, "certificate": {"type": "mutualTLS"}}}}`)
	older, err := doc.as30()
	if err != nil {
		t.Fatal(err)
	}
	if older.OpenAPI != "3.0.3" || older.Info["summary"] != nil || len(older.Security) != 2 || len(older.Components["securitySchemes"]) != 1 || older.Paths["/a"]["get"] == nil {
		t.Errorf("in 3.0: %+v", older)
	}
	if doc.OpenAPI != "3.1.0" || len(doc.Security) != 3 || len(doc.Components["securitySchemes"]) != 2 {
		t.Errorf("the newer one changed: %+v", doc)
	}
}

func mustParse(t *testing.T, text string) *document {
	t.Helper()
	doc, err := parseDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
