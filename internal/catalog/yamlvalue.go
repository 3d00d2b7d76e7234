package catalog

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// valueFromYAML is a default as the API carries it; nil when there is none.
func valueFromYAML(n *yaml.Node) (*structpb.Value, error) {
	if n.Kind == 0 {
		return nil, nil
	}
	if err := checkNumbers(n); err != nil {
		return nil, err
	}
	var v any
	if err := n.Decode(&v); err != nil {
		_, _, what := explainYAML(err.Error())
		return nil, fmt.Errorf("is no value: %s", what)
	}
	if v == nil {
		return nil, nil
	}
	plain, err := plainValue(v)
	if err != nil {
		return nil, err
	}
	return structpb.NewValue(plain)
}

// decimalNumber is a number as JSON writes it, with the sign and the point without digits that YAML allows.
var decimalNumber = regexp.MustCompile(`^[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$`)

// checkNumbers refuses numbers that YAML reads as other ones than a person does: 010 is 8 to it.
func checkNumbers(n *yaml.Node) error {
	tag := n.ShortTag()
	if n.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float") && !decimalNumber.MatchString(n.Value) {
		var v any
		if err := n.Decode(&v); err != nil {
			return fmt.Errorf("is no value: %w", err)
		}
		return fmt.Errorf("%s is the number %v to YAML; write the number in decimal, or quotes around a text", quote(n.Value), v)
	}
	for _, child := range n.Content {
		if err := checkNumbers(child); err != nil {
			return err
		}
	}
	return nil
}

// plainValue turns what YAML knows and JSON does not into text.
func plainValue(v any) (any, error) {
	switch v := v.(type) {
	case time.Time:
		// An unquoted date. The day is what was written, or the instant in full.
		return strings.TrimSuffix(v.UTC().Format(time.RFC3339Nano), "T00:00:00Z"), nil
	case []any:
		for i := range v {
			var err error
			if v[i], err = plainValue(v[i]); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[string]any:
		for k := range v {
			var err error
			if v[k], err = plainValue(v[k]); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[any]any:
		return nil, fmt.Errorf("has a key that is no text")
	default:
		return v, nil
	}
}

var (
	yamlLine     = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)
	yamlUnknown  = regexp.MustCompile(`^field (.+) not found in type \S+$`)
	yamlMismatch = regexp.MustCompile("^cannot unmarshal !!(\\w+)(?: `(.*)`)? into (\\S+)$")
	yamlTwice    = regexp.MustCompile(`^mapping key (".*") already defined at line (\d+)$`)
)

// explainYAML puts an error of the YAML library, which speaks of Go, in words
// for somebody who writes a service.
func explainYAML(msg string) (line int, field, what string) {
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits by the pattern; too many mean no line
		msg = msg[len(m[0]):]
	}
	msg = strings.TrimPrefix(msg, "yaml: ")
	if m := yamlUnknown.FindStringSubmatch(msg); m != nil {
		return line, m[1], "there is no such field" + didYouMean(m[1], yamlKeys)
	}
	if m := yamlTwice.FindStringSubmatch(msg); m != nil {
		return line, "", fmt.Sprintf("%s is there already, at line %s", m[1], m[2])
	}
	if m := yamlMismatch.FindStringSubmatch(msg); m != nil {
		given := kindNames[m[1]]
		if m[2] != "" {
			given = fmt.Sprintf("%s is %s", quote(m[2]), given)
		} else {
			given = "this is " + given
		}
		return line, "", given + ", and " + wantedKind(m[3]) + " is needed"
	}
	return line, "", msg
}

// losesMapping tells whether the library dropped a whole mapping after an error.
func losesMapping(msg string) bool {
	return yamlTwice.MatchString(yamlLine.ReplaceAllString(msg, "")) || strings.HasSuffix(msg, "into catalog.serviceYAML")
}

// kindNames are the kinds of YAML by their tags.
var kindNames = map[string]string{
	"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false",
	"seq": "a list", "map": "a mapping", "null": "nothing", "timestamp": "a date", "binary": "binary data",
}

// wantedKind is what a Go type asks for.
func wantedKind(t string) string {
	switch {
	case strings.HasPrefix(t, "[]"):
		return "a list"
	case strings.HasPrefix(t, "int"):
		return "a whole number"
	case strings.HasPrefix(t, "float"):
		return "a number"
	case t == "bool":
		return "true or false"
	case t == "string":
		return "text"
	default:
		return "a mapping"
	}
}

// yamlKeys are the fields of a service.yaml at every level, for suggestions.
var yamlKeys = []string{
	"id", "label", "description", "category", "version", "command", "programs", "parameters", "resources", "executor",
	"executor_options", "results", "network", "reads", "name", "package", "type", "required", "default", "enum", "min", "max",
	"multiple", "group", "extensions", "auto", "cpus", "memory", "time_limit", "max_memory", "max_time_limit", "partition", "account", "constraint", "qos", "gpus", "named",
	"pattern", "display", "title",
}
