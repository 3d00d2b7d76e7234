package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stint-jobs/stint/internal/reason"
)

// maxDepth is how deep JSON may nest. The messages behind it nest three times as
// deep where they hold free JSON, and protobuf reads 10,000 levels.
const maxDepth = 100

// requestBody is the body of a request for the mux: bounded in size,
// read at most once, and keeping the problem that decoding it met, since the generated
// code between the decoder and the error handler passes on its text alone.
type requestBody struct {
	io.ReadCloser

	limit    int64
	elements int // that it may have; 0 is no bound
	length   int64
	encoding string // its Content-Encoding
	bound    []boundField
	problem  *problem
	room     func(bytes, elements int) (done func(), ok bool)
	done     func() // gives the room back
}

// newBody is the body of a request for an operation.
func (g *gateway) newBody(r *http.Request, op *operation) *requestBody {
	b := &requestBody{ReadCloser: r.Body, limit: g.MaxBodyBytes, length: r.ContentLength, encoding: r.Header.Get("Content-Encoding"), room: g.Decode, done: func() {}}
	if g.SizeOf == nil {
		return b
	}
	if bytes, elements := g.SizeOf(op.fullMethod()); bytes > 0 {
		b.limit, b.elements = min(b.limit, bytes), elements
	}
	return b
}

// boundField is a field of the request that its path gives.
type boundField struct {
	name  protoreflect.Name
	value string
}

// Read gives nothing: who needs the body decodes it, and the generated code of
// calls without a body reads it only to throw it away, however long it is.
func (b *requestBody) Read([]byte) (int, error) { return 0, io.EOF }

// decode reads the whole body into msg. An empty body leaves msg as it is and
// gives io.EOF. Any other error is a problem.
func (b *requestBody) decode(msg proto.Message) error {
	text, p := b.readAll()
	if p == nil {
		if text = bytes.TrimSpace(text); len(text) == 0 {
			return io.EOF
		}
		if p = b.admit(text); p == nil {
			p = decodeJSON(text, msg)
		}
	}
	if p == nil {
		p = b.checkBound(msg)
	}
	if p != nil {
		b.problem = p
		return p
	}
	return nil
}

// readAll reads the body within its limits.
func (b *requestBody) readAll() ([]byte, *problem) {
	if b.length > b.limit {
		return nil, b.tooLarge()
	}
	if b.length == 0 {
		return nil, nil
	}
	body, p := encodedBody(b.ReadCloser, b.encoding)
	if p != nil {
		return nil, p
	}
	text, err := io.ReadAll(io.LimitReader(body, b.limit+1))
	switch {
	case errors.As(err, &p):
		return nil, p
	case int64(len(text)) > b.limit:
		return nil, b.tooLarge()
	}
	return text, nil
}

// admit refuses a text that becomes more than its call needs, or for which there is no room at the moment.
func (b *requestBody) admit(text []byte) *problem {
	n := elementsOf(text)
	if b.elements > 0 && n > b.elements {
		return newProblem(reason.MessageTooLarge,
			fmt.Sprintf("The body has more than the %d values that are taken here; send many things by several requests.", b.elements))
	}
	if b.room == nil {
		return nil
	}
	done, ok := b.room(len(text), n)
	if !ok {
		return overloaded()
	}
	b.done = done
	return nil
}

func overloaded() *problem {
	return newProblem(reason.Overloaded, "The server handles as many large requests as it can; try again in a moment.")
}

func (b *requestBody) tooLarge() *problem {
	return newProblem(reason.BodyTooLarge,
		fmt.Sprintf("The body is larger than the %d bytes that are taken here; files go to /v1/workspace.", b.limit))
}

// checkBound refuses a body that names another thing than the path does.
func (b *requestBody) checkBound(msg proto.Message) *problem {
	var v violations
	for _, bound := range b.bound {
		field := msg.ProtoReflect().Descriptor().Fields().ByName(bound.name)
		if field == nil || field.Kind() != protoreflect.StringKind {
			continue
		}
		if given := msg.ProtoReflect().Get(field).String(); given != "" && given != bound.value {
			v.add(field.JSONName(), fmt.Sprintf("is %q in the path and %q in the body", clip(bound.value, 50), clip(given, 50)))
		}
	}
	return v.problem()
}

// decodeJSON reads a JSON object into msg, or says everything that is wrong with it.
func decodeJSON(text []byte, msg proto.Message) *problem {
	if !utf8.Valid(text) {
		return malformed("is not UTF-8")
	}
	if nested(text) > maxDepth {
		return malformed(fmt.Sprintf("nests deeper than %d levels", maxDepth))
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors begin a text with this mark
	if p := inexact(text); p != nil {
		return p
	}
	if err := strictJSON.Unmarshal(text, msg); err == nil {
		return nil
	}
	var raw json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return malformed(syntaxProblem(text, err))
	}
	var v violations
	if elementsOf(text) > maxInspected {
		return malformed("does not fit " + string(msg.ProtoReflect().Descriptor().Name()) + "; it is too large to say where")
	}
	inspectDuplicates(text, &v)
	inspectMessage(text, msg.ProtoReflect().Descriptor(), "", &v)
	if len(v) == 0 { // the inspection does not know a rule that protobuf's JSON has
		v.add("body", "does not fit "+string(msg.ProtoReflect().Descriptor().Name()))
	}
	return v.problem()
}

func malformed(description string) *problem {
	return newProblem(reason.MalformedJSON, "The body "+description+".",
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "body", Description: description}}})
}

// syntaxProblem says where text stops being JSON.
func syntaxProblem(text []byte, err error) string {
	var raw json.RawMessage
	if errors.Is(json.NewDecoder(bytes.NewReader(text)).Decode(&raw), io.ErrUnexpectedEOF) {
		return "is not valid JSON: it ends in the middle of a value"
	}
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return "is not valid JSON"
	}
	before := text[:max(0, min(int(syntax.Offset)-1, len(text)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("is not valid JSON: see line %d, column %d", line, column)
}

// maxInspected is how many values a wrong body may have of which is said all that is wrong. Looking for that takes many times
// what reading it takes.
const maxInspected = 10_000

// elementsOf is how many values a text has at most: each but the first of a list or an object follows a comma. Text need not be valid JSON.
func elementsOf(text []byte) int {
	n, quoted := 1, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '{' || c == '[' || c == ','):
			n++
		}
	}
	return n
}

// nested is how deep the arrays and objects of text nest. Text need not be valid JSON.
func nested(text []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
