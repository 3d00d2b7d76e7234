package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
)

// document is an OpenAPI 3.1 document as far as merging needs to know it. A
// top-level key that is not listed here is an error rather than lost.
type document struct {
	OpenAPI    string                    `json:"openapi"`
	Info       map[string]any            `json:"info"`
	Servers    []any                     `json:"servers,omitempty"`
	Security   []any                     `json:"security,omitempty"`
	Tags       []map[string]any          `json:"tags,omitempty"`
	Paths      map[string]map[string]any `json:"paths"`
	Components map[string]map[string]any `json:"components"`
}

func readDocument(name string) (*document, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	doc, err := parseDocument(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return doc, nil
}

func parseDocument(text []byte) (*document, error) {
	doc := &document{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(doc); err != nil {
		return nil, err
	}
	if doc.Paths == nil {
		doc.Paths = map[string]map[string]any{}
	}
	if doc.Components == nil {
		doc.Components = map[string]map[string]any{}
	}
	return doc, nil
}

// merge adds the operations, components and tags of part. Info, servers and
// security stay the receiver's own. The same operation twice is an error, and
// so is a component that means two things.
func (d *document) merge(part *document) error {
	if part.OpenAPI != d.OpenAPI {
		return fmt.Errorf("it is OpenAPI %s, the base %s", part.OpenAPI, d.OpenAPI)
	}
	for path, item := range part.Paths {
		if err := addAll(d.Paths, path, item, false); err != nil {
			return fmt.Errorf("path %w", err)
		}
	}
	for kind, components := range part.Components {
		if err := addAll(d.Components, kind, components, true); err != nil {
			return fmt.Errorf("component %w", err)
		}
	}
	for _, tag := range part.Tags {
		if !slices.ContainsFunc(d.Tags, func(t map[string]any) bool { return t["name"] == tag["name"] }) {
			d.Tags = append(d.Tags, tag)
		}
	}
	return nil
}

// addAll adds the entries of from to into[key]. An entry that is there already
// is an error, unless equal ones are allowed and it is equal.
func addAll(into map[string]map[string]any, key string, from map[string]any, allowEqual bool) error {
	if into[key] == nil {
		into[key] = map[string]any{}
	}
	for name, value := range from {
		old, ok := into[key][name]
		if ok && !(allowEqual && reflect.DeepEqual(old, value)) {
			return fmt.Errorf("%s %s: defined twice", key, name)
		}
		into[key][name] = value
	}
	return nil
}

// write checks the document and writes it to a file.
func (d *document) write(name string) error {
	if err := d.check(); err != nil {
		return err
	}
	text, err := d.encode()
	if err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}

// check reports what would make the document useless to a client generator:
// references to nothing and operation ids used twice.
func (d *document) check() error {
	text, err := d.encode()
	if err != nil {
		return err
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		return err
	}
	ids := map[string]int{}
	var errs []error
	walk(root, func(key, value string) {
		switch key {
		case "$ref":
			path, ok := strings.CutPrefix(value, "#/")
			if !ok || lookup(root, strings.Split(path, "/")...) == nil {
				errs = append(errs, fmt.Errorf("reference to nothing: %s", value))
			}
		case "operationId":
			if ids[value]++; ids[value] == 2 {
				errs = append(errs, fmt.Errorf("operation id used twice: %s", value))
			}
		}
	})
	return errors.Join(errs...)
}

// encode prints the document, the same bytes for the same content.
func (d *document) encode() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// lookup follows keys through nested objects; nil where there is nothing.
func lookup(value any, keys ...string) any {
	for _, key := range keys {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[key]
	}
	return value
}

// walk calls visit for every string that is an object's value, at any depth.
func walk(value any, visit func(key, value string)) {
	switch value := value.(type) {
	case map[string]map[string]any:
		for _, inner := range value {
			walk(inner, visit)
		}
	case map[string]any:
		for key, inner := range value {
			if text, ok := inner.(string); ok {
				visit(key, text)
			}
			walk(inner, visit)
		}
	case []any:
		for _, inner := range value {
			walk(inner, visit)
		}
	}
}
