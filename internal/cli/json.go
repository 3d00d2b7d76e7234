package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// marshaler writes every field that has a value or a meaningful zero, so that
// scripts find the same keys each time.
var marshaler = protojson.MarshalOptions{EmitDefaultValues: true}

// compactJSON is a message on one line. protojson varies its spaces on
// purpose; here the same message is the same text.
func compactJSON(m proto.Message) ([]byte, error) {
	text, err := marshaler.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write as JSON: %w", err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return nil, fmt.Errorf("write as JSON: %w", err)
	}
	return escapeUnsafe(b.Bytes()), nil
}

// jsonOf is one message, or a list of them, on one line.
func jsonOf(messages []proto.Message, list bool) ([]byte, error) {
	var b bytes.Buffer
	for i, m := range messages {
		text, err := compactJSON(m)
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
	line, err := jsonOf(messages, list)
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
	line, err := jsonOf(messages, list)
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
	_, err = w.Write(escapeUnsafe(b.Bytes()))
	return err
}

// blockStyle takes away the flow style that came from JSON. Texts that need
// escapes keep their quotes, within which escapes mean something.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && strings.ContainsFunc(n.Value, unsafeInText) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}

// escapeUnsafe turns characters that could drive a terminal into escapes. JSON
// leaves some of them as they are; they can only be within its strings.
func escapeUnsafe(text []byte) []byte {
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
		default: // as UTF-16, the way JSON writes it
			high, low := 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.Bytes()
}

func unsafeInText(r rune) bool { return r != '\n' && unsafe(r) }

func unsafeInJSON(r rune) bool { return r >= 0x7f && unsafe(r) }
