package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// mostParams is the largest --params-file read.
const mostParams = 8 << 20

// readParamsFile reads parameters from a JSON or YAML file, or from standard input for `-`.
func (a *app) readParamsFile(ctx context.Context, name string) (*structpb.Struct, error) {
	var in io.Reader
	if name == "-" {
		in = a.stdin(ctx)
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, usagef("--params-file: %v", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, mostParams+1))
	if err != nil {
		return nil, fmt.Errorf("read parameters from %s: %w", name, err)
	}
	if len(text) > mostParams {
		return nil, usagef("--params-file %s is larger than %s", name, humanBytes(mostParams))
	}
	s, err := parseParams(text)
	if err != nil {
		return nil, usagef("--params-file %s: %v", name, err)
	}
	return s, nil
}

// parseParams reads an object in JSON or YAML.
func parseParams(text []byte) (*structpb.Struct, error) {
	v, err := decodeParams(text)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("must hold an object of parameters by name")
	}
	value, err := toValue(object)
	return value.GetStructValue(), err
}

func decodeParams(text []byte) (any, error) {
	if json.Valid(text) {
		var v any
		dec := json.NewDecoder(strings.NewReader(string(text)))
		dec.UseNumber()
		err := dec.Decode(&v)
		return v, err
	}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("is neither JSON nor YAML: %w", err)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("is neither JSON nor YAML: there is more behind its end")
	}
	plainTimes(&doc, 0)
	if err := plainNumbers(&doc, 0); err != nil {
		return nil, err
	}
	var v any
	if err := doc.Decode(&v); err != nil {
		return nil, fmt.Errorf("is neither JSON nor YAML: %w", err)
	}
	return v, nil
}

// plainTimes keeps YAML from taking texts like 2026-01-31 for points in time.
func plainTimes(n *yaml.Node, depth int) {
	if n.Tag == "!!timestamp" {
		n.Tag = "!!str"
	}
	if depth > 1000 {
		return
	}
	for _, c := range n.Content {
		plainTimes(c, depth+1)
	}
}

// plainNumber is a number as everybody reads it, and as YAML's own prefixes write it.
var plainNumber = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)$`)

// plainNumbers refuses whole numbers that YAML reads otherwise than people: 010 is 8, and 1_0 is 10.
func plainNumbers(n *yaml.Node, depth int) error {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" && !plainNumber.MatchString(n.Value) {
		return fmt.Errorf("line %d: %s is read differently by different programs: write it without zeros in front and _, or in quotes if it is text", n.Line, n.Value)
	}
	if depth > 1000 {
		return nil
	}
	for _, c := range n.Content {
		if err := plainNumbers(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// toValue turns what JSON or YAML was decoded into into a value of the API.
func toValue(v any) (*structpb.Value, error) {
	switch v := v.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case bool:
		return structpb.NewBoolValue(v), nil
	case string:
		return structpb.NewValue(v) // refuses what is no UTF-8
	case json.Number:
		return numberValue(v)
	case int:
		return numberValue(json.Number(strconv.Itoa(v)))
	case uint64:
		return numberValue(json.Number(strconv.FormatUint(v, 10)))
	case float64:
		return numberValue(json.Number(fmt.Sprint(v)))
	case []any:
		list := &structpb.ListValue{}
		for _, e := range v {
			value, err := toValue(e)
			if err != nil {
				return nil, err
			}
			list.Values = append(list.Values, value)
		}
		return structpb.NewListValue(list), nil
	case map[string]any:
		s := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(v))}
		for name, e := range v {
			value, err := toValue(e)
			if err != nil {
				return nil, err
			}
			s.Fields[name] = value
		}
		return structpb.NewStructValue(s), nil
	default:
		return nil, fmt.Errorf("holds a %T, which JSON has not: quote it, or name it by a text", v)
	}
}

// numberValue refuses what a 64-bit floating point number cannot hold.
func numberValue(n json.Number) (*structpb.Value, error) {
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, fmt.Errorf("%s is no number that can be sent", n)
	}
	if !strings.ContainsAny(n.String(), ".eE") && !exact(f) {
		return nil, fmt.Errorf("%s is too large to stay exact; quote it", n)
	}
	return structpb.NewNumberValue(f), nil
}

// exact reports whether whole numbers of this size are kept exactly by the API.
// 2^53 itself is not among them: 2^53+1 becomes it.
func exact(f float64) bool { return math.Abs(f) < 1<<53 }

// stdin is standard input that ends with the context, so that Ctrl-C works
// while nothing comes.
func (a *app) stdin(ctx context.Context) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, a.in)
		w.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
	return r
}
