package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// marshaler writes every field that has a value or a meaningful zero, so that
// scripts find the same keys each time.
var marshaler = protojson.MarshalOptions{EmitDefaultValues: true}

// compactJSON is a message on one line. protojson varies its spaces on
// purpose; here the same message is the same text.
func compactJSON(m proto.Message) ([]byte, error) { return compact(m, utf16Escape) }

func compact(m proto.Message, escape func(rune) string) ([]byte, error) {
	text, err := marshaler.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write as JSON: %w", err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return nil, fmt.Errorf("write as JSON: %w", err)
	}
	return escapeUnsafe(b.Bytes(), escape), nil
}

// jsonOf is one message, or a list of them, on one line. escape is for
// characters beyond 16 bits.
func jsonOf(messages []proto.Message, list bool, escape func(rune) string) ([]byte, error) {
	var b bytes.Buffer
	for i, m := range messages {
		text, err := compact(m, escape)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(text)
	}
	if list || len(messages) != 1 {
		return []byte("[" + b.String() + "]"), nil
	}
	return b.Bytes(), nil
}

func writeJSON(w io.Writer, messages []proto.Message, list bool) error {
	line, err := jsonOf(messages, list, utf16Escape)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, line, "", "  "); err != nil {
		return fmt.Errorf("write as JSON: %w", err)
	}
	b.WriteByte('\n')
	_, err = w.Write(b.Bytes())
	return err
}

func writeJSONLines(w io.Writer, messages ...proto.Message) error {
	for _, m := range messages {
		line, err := compactJSON(m)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// writeYAML writes what writeJSON does, in the same order, as YAML.
func writeYAML(w io.Writer, messages []proto.Message, list bool) error {
	line, err := jsonOf(messages, list, yamlEscape)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(line, &doc); err != nil { // JSON is YAML
		return fmt.Errorf("write as YAML: %w", err)
	}
	blockStyle(&doc)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return fmt.Errorf("write as YAML: %w", err)
	}
	_, err = w.Write(escapeUnsafe(b.Bytes(), yamlEscape))
	return err
}

// plainYAML are texts that every YAML reader takes for texts without quotes,
// unless they are one of yamlWords.
var (
	plainYAML = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*$`)
	yamlWords = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null)$`)
)

// blockStyle takes away the flow style that came from JSON, and the quotes
// where they mean nothing.
func blockStyle(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		switch {
		case plainYAML.MatchString(n.Value) && !yamlWords.MatchString(n.Value):
			n.Style = 0
		case strings.Contains(n.Value, "\n") && !strings.ContainsFunc(n.Value, unsafeInText):
			n.Style = yaml.LiteralStyle
		}
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}

// escapeUnsafe turns characters that could drive a terminal into escapes. JSON
// leaves some of them as they are; they can only be within its strings.
func escapeUnsafe(text []byte, escape func(rune) string) []byte {
	if !bytes.ContainsFunc(text, unsafeInJSON) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case !unsafeInJSON(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(escape(r))
		}
	}
	return b.Bytes()
}

// utf16Escape is how JSON escapes a character beyond 16 bits.
func utf16Escape(r rune) string {
	high, low := utf16.EncodeRune(r)
	return fmt.Sprintf(`\u%04x\u%04x`, high, low)
}

// yamlEscape is how YAML does.
func yamlEscape(r rune) string { return fmt.Sprintf(`\U%08x`, r) }

func unsafeInText(r rune) bool { return r != '\n' && unsafe(r) }

func unsafeInJSON(r rune) bool { return r >= 0x7f && unsafe(r) }
