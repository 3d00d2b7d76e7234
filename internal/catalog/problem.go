package catalog

import (
	"fmt"
	"strings"
)

// Problem is one mistake in the description of a service.
type Problem struct {
	// File with the mistake, below the services folder.
	File string
	// Line of the file; 0 where it is not known.
	Line int
	// Field, for example `parameters[2].min`; empty when the file as a whole is meant.
	Field string
	// Message says what is wrong and what would be right.
	Message string
	// Minor means that the service works all the same.
	Minor bool
}

// String is the problem in one line, as for a log.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	b.WriteString(p.what())
	return b.String()
}

// what is the problem without its file.
func (p Problem) what() string {
	if p.Field == "" {
		return p.Message
	}
	return p.Field + ": " + p.Message
}

// problems collects what is wrong with one file.
type problems struct {
	file string
	list []Problem
}

func (p *problems) add(field, format string, args ...any) {
	p.list = append(p.list, Problem{File: p.file, Field: field, Message: fmt.Sprintf(format, args...)})
}

func (p *problems) minor(field, format string, args ...any) {
	p.add(field, format, args...)
	p.list[len(p.list)-1].Minor = true
}

func (p *problems) addAt(line int, field, what string) {
	p.add(field, "%s", what)
	p.list[len(p.list)-1].Line = line
}

// broken is why the service cannot be used, for users; empty when it can.
func (p *problems) broken() string {
	var first string
	more := -1
	for _, q := range p.list {
		if q.Minor {
			continue
		}
		if more++; more == 0 {
			first = q.what()
		}
	}
	switch {
	case more < 0:
		return ""
	case more == 0:
		return "its description has a mistake: " + first
	default:
		return fmt.Sprintf("its description has %d mistakes, first: %s", more+1, first)
	}
}
