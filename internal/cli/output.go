package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

// format is how a verb prints its answer.
type format string

// The formats. JSON, JSON lines and YAML carry the API's own messages in the
// JSON form of protobuf; `name` gives what other verbs take as an argument,
// one a line. A table is for people on a terminal; in a pipe it is tab-separated
// text with a header, never shortened.
const (
	asTable format = "table"
	asJSON  format = "json"
	asJSONL format = "jsonl"
	asYAML  format = "yaml"
	asName  format = "name"
)

var formats = []string{string(asTable), string(asJSON), string(asJSONL), string(asYAML), string(asName)}

// String is the format's name.
func (f *format) String() string { return string(*f) }

// Type names the kind of value in help texts.
func (f *format) Type() string { return "FORMAT" }

// Set reads a format's name.
func (f *format) Set(s string) error {
	if !slices.Contains(formats, s) {
		return fmt.Errorf("must be one of %s", strings.Join(formats, ", "))
	}
	*f = format(s)
	return nil
}

// addFormat gives a verb the flag -o.
func addFormat(cmd *cobra.Command) *format {
	f := asTable
	cmd.Flags().VarP(&f, "output", "o", "print as "+strings.Join(formats, "|"))
	completeFlag(cmd, "output", formats...)
	return &f
}

// answer is what a verb has to show, in all formats.
type answer struct {
	// messages are the API's own, for json, jsonl and yaml.
	messages []proto.Message
	// list says that json and yaml show a list also when there is one message only.
	list bool
	// names are what format `name` prints.
	names []string
	// table prints for people.
	table func() error
}

// show prints an answer in a format.
func (a *app) show(f format, ans answer) error {
	switch f {
	case asJSON:
		return writeJSON(a.out, ans.messages, ans.list)
	case asJSONL:
		return writeJSONLines(a.out, ans.messages...)
	case asYAML:
		return writeYAML(a.out, ans.messages, ans.list)
	case asName:
		for _, n := range ans.names {
			fmt.Fprintln(a.out, clean(n))
		}
		return a.out.err
	default:
		return errors.Join(ans.table(), a.out.err)
	}
}

// say prints a line for people, cleaned, to w.
func say(w io.Writer, format string, args ...any) {
	fmt.Fprintln(w, cleanLines(fmt.Sprintf(format, args...)))
}

// messagesOf makes a list of one kind of message one of any.
func messagesOf[M proto.Message](list []M) []proto.Message {
	all := make([]proto.Message, len(list))
	for i, m := range list {
		all[i] = m
	}
	return all
}

// namesOf collects one text of each element.
func namesOf[T any](list []T, name func(T) string) []string {
	all := make([]string, len(list))
	for i, e := range list {
		all[i] = name(e)
	}
	return all
}
