package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// ids are those of the operations of a document.
func (d *document) ids() map[string]bool {
	all := map[string]bool{}
	for _, item := range d.Paths {
		for _, operation := range item {
			if id, ok := lookup(operation, "operationId").(string); ok {
				all[id] = true
			}
		}
	}
	return all
}

// describeMessages replaces what the generator made of messages: bodies get schemas with a name, streams are streams, and
// parameters get the bounds of their fields. Operations of the base, own, are described by hand.
func (d *document) describeMessages(methods map[string]protoreflect.MethodDescriptor, own map[string]bool) error {
	s := &schemas{made: object{}}
	maps.Copy(s.made, d.Components["schemas"])
	for _, item := range d.Paths {
		for _, operation := range item {
			op, ok := operation.(map[string]any)
			id, named := lookup(operation, "operationId").(string)
			if !ok || !named {
				continue // parameters of a path, or its words
			}
			if own[id] {
				completeOperation(op)
				continue
			}
			m, err := methodOf(methods, id)
			if err != nil {
				return err
			}
			bound := boundParameters(s, op, m)
			if content, _ := lookup(op, "requestBody", "content").(map[string]any); content["application/json"] != nil {
				content["application/json"] = object{"schema": s.named(string(m.Input().FullName()), m.Input(), true, bound)}
			}
			describeResponses(s, op, m)
			completeOperation(op)
		}
	}
	// What the hand-written operations refer to.
	var names []string
	walk(any(d.Paths), func(key, value string) {
		if name, ok := strings.CutPrefix(value, "#/components/schemas/"); ok && key == "$ref" && s.made[name] == nil {
			names = append(names, name)
		}
	})
	for _, name := range names {
		if m := messageNamed(methods, name); m != nil {
			s.of(m, false)
		}
	}
	d.Components["schemas"] = s.made
	return nil
}

// messageNamed finds a message that is a field of a response.
func messageNamed(methods map[string]protoreflect.MethodDescriptor, name string) protoreflect.MessageDescriptor {
	for _, m := range methods {
		for i := range m.Output().Fields().Len() {
			if inner := m.Output().Fields().Get(i).Message(); inner != nil && string(inner.FullName()) == name {
				return inner
			}
		}
	}
	return nil
}

// boundParameters gives the parameters of an operation the bounds of their fields, and returns those of its path.
func boundParameters(s *schemas, op map[string]any, m protoreflect.MethodDescriptor) (ofPath map[string]bool) {
	ofPath = map[string]bool{}
	list, _ := op["parameters"].([]any)
	for _, entry := range list {
		p, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		name, _ := p["name"].(string)
		if p["in"] == "path" {
			ofPath[name] = true
		}
		f := m.Input().Fields().ByJSONName(name)
		if f == nil {
			continue
		}
		p["schema"] = s.field(f, true)
	}
	return ofPath
}

// describeResponses says what a call returns. A stream is a text: its lines, or its events, are read one by one, and no generated
// call can do that.
func describeResponses(s *schemas, op map[string]any, m protoreflect.MethodDescriptor) {
	responses, _ := op["responses"].(map[string]any)
	responses["default"] = object{"$ref": "#/components/responses/Error"}
	success, _ := responses["200"].(map[string]any)
	frame := s.of(m.Output(), false)
	if !m.IsStreamingServer() {
		success["content"] = object{"application/json": object{"schema": frame}}
		return
	}
	name := strings.TrimPrefix(fmt.Sprint(frame["$ref"]), "#/components/schemas/")
	success["description"] = "Frames, each a `" + name + "`. Read them one by one, as they come."
	success["content"] = object{
		"application/x-ndjson": object{"schema": object{"type": "string", "description": "Lines of JSON: `{\"result\": FRAME}`, or `{\"error\": STATUS}` as the last one."}},
		"text/event-stream":    object{"schema": object{"type": "string", "description": "Server-sent events; the data of each is one frame."}},
	}
}

// completeOperation adds what only the gateway does: the headers that it reads, and the forms of streams and logs.
func completeOperation(op map[string]any) {
	switch id, _ := op["operationId"].(string); id {
	case "JobService_Submit", "JobService_BatchSubmit", "JobService_Rerun":
		addParameter(op, "header", "Idempotency-Key", object{"type": "string", "maxLength": 128, "pattern": "^[!-~]*$"},
			"Another way to give `requestId`: makes the request safe to repeat. Where both are given they are the same.")
	case "JobService_WatchStatus", "JobService_WatchStatus_1":
		addParameter(op, "header", "Last-Event-ID", object{"type": "string"},
			"Id of the last event seen. It goes before the same in the query; browsers send it by themselves when they connect again.")
	case "JobService_StreamLogs":
		addParameter(op, "header", "Last-Event-ID", object{"type": "string"},
			"Id of the last event seen. Takes the place of `offset` and `tailLines`; browsers send it by themselves when they connect again.")
		addParameter(op, "query", "download", object{"type": "boolean"},
			"Answer with the bytes of the log as a text file. `Accept: text/plain` does the same without asking a browser to save it.")
		nameLogStreams(op)
		if content, ok := lookup(op, "responses", "200", "content").(map[string]any); ok {
			content["text/plain"] = object{"schema": object{"type": "string", "description": "The bytes of the log. Where a part was dropped, a line says so."}}
		}
	case "JobService_ReadResult", "WorkspaceService_Download":
		addParameter(op, "query", "download", object{"type": "boolean"}, "Ask a browser to save the file and not to show it.")
		addParameter(op, "header", "Want-Repr-Digest", object{"type": "string"},
			"`sha-256=1` asks for the SHA-256 of the whole file in the header `Repr-Digest` (RFC 9530). The server reads the file to its end before it sends anything.")
	case "AuthService_GetSignInOptions":
		op["security"] = []any{}
		return
	}
	parameters, _ := op["parameters"].([]any)
	op["parameters"] = append(parameters, object{"$ref": "#/components/parameters/ActFor"})
}

func addParameter(op map[string]any, in, name string, schema object, description string) {
	parameters, _ := op["parameters"].([]any)
	op["parameters"] = append(slices.Clip(parameters), object{"in": in, "name": name, "description": description, "schema": schema})
}

// nameLogStreams gives the parameter `stream` the short names that a path may have.
func nameLogStreams(op map[string]any) {
	parameters, _ := op["parameters"].([]any)
	for _, parameter := range parameters {
		if p, ok := parameter.(map[string]any); ok && p["name"] == "stream" {
			p["schema"] = object{"type": "string", "enum": []any{"stdout", "stderr"}}
		}
	}
}
