package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stint-jobs/stint/internal/gen/openapi"
)

// document is the OpenAPI document as this gateway serves it.
type document struct {
	text []byte
	etag string
}

// newDocument completes the generated document with what only the gateway
// knows: the path it is published under, the headers it reads, and the forms of streams and logs.
func newDocument(prefix string) (*document, error) {
	var doc map[string]any
	if err := json.Unmarshal(openapi.Document, &doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	doc["servers"] = []any{map[string]any{"url": prefix + "/"}}
	paths, _ := doc["paths"].(map[string]any)
	if len(paths) == 0 {
		return nil, errors.New("read the OpenAPI document: it has no paths")
	}
	for _, item := range paths {
		operations, _ := item.(map[string]any)
		for _, operation := range operations {
			if op, ok := operation.(map[string]any); ok {
				completeOperation(op)
			}
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return &document{text: text, etag: fmt.Sprintf(`"%x"`, sha256.Sum256(text))}, nil
}

// completeOperation completes the description of one operation.
func completeOperation(op map[string]any) {
	switch id, _ := op["operationId"].(string); id {
	case "JobService_Submit", "JobService_BatchSubmit", "JobService_Rerun":
		addParameter(op, "header", "Idempotency-Key", "string",
			"Another way to give `requestId`: makes the request safe to repeat. At most 128 printable ASCII characters.")
	case "JobService_WatchStatus", "JobService_WatchStatus_1":
		addParameter(op, "header", "Last-Event-ID", "string",
			"Id of the last event seen. Takes the place of `afterCursor`; browsers send it by themselves when they connect again.")
	case "JobService_StreamLogs":
		addParameter(op, "header", "Last-Event-ID", "string",
			"Id of the last event seen. Takes the place of `offset` and `tailLines`; browsers send it by themselves when they connect again.")
		addParameter(op, "query", "download", "boolean",
			"Answer with the bytes of the log as a text file. `Accept: text/plain` does the same without asking a browser to save it.")
		nameLogStreams(op)
		addContent(op, "text/plain", "The bytes of the log. Where a part was dropped, a line says so.")
	case "JobService_ReadResult", "WorkspaceService_Download":
		addParameter(op, "query", "download", "boolean", "Ask a browser to save the file and not to show it.")
		addParameter(op, "header", wantReprDigest, "string",
			"`sha-256=1` asks for the SHA-256 of the whole file in the header `Repr-Digest` (RFC 9530). The server reads the file to its end before it sends anything.")
	}
	nameLineStream(op)
}

func addParameter(op map[string]any, in, name, kind, description string) {
	parameters, _ := op["parameters"].([]any)
	op["parameters"] = append(parameters, map[string]any{
		"in": in, "name": name, "description": description, "schema": map[string]any{"type": kind},
	})
}

// nameLogStreams gives the parameter `stream` the short names that a path may have.
func nameLogStreams(op map[string]any) {
	parameters, _ := op["parameters"].([]any)
	for _, parameter := range parameters {
		if p, ok := parameter.(map[string]any); ok && p["name"] == "stream" {
			p["schema"] = map[string]any{"type": "string", "enum": []any{"stdout", "stderr"}}
		}
	}
}

// successContent is the content of an operation's answer with code 200, by media type.
func successContent(op map[string]any) map[string]any {
	responses, _ := op["responses"].(map[string]any)
	success, _ := responses["200"].(map[string]any)
	content, _ := success["content"].(map[string]any)
	return content
}

func addContent(op map[string]any, media, description string) {
	if content := successContent(op); content != nil {
		content[media] = map[string]any{"schema": map[string]any{"type": "string", "description": description}}
	}
}

// nameLineStream gives a stream of JSON lines its own media type. The generator takes it for JSON.
func nameLineStream(op map[string]any) {
	content := successContent(op)
	if content[eventStream] != nil && content["application/json"] != nil {
		content[ndjson] = content["application/json"]
		delete(content, "application/json")
	}
}

// serveDocument answers with the OpenAPI document.
func (g *gateway) serveDocument(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		g.refuse(w, r, methodNotAllowed())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", g.document.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(g.document.text))
}
