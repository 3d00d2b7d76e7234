package cli

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/text"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// changePrinter prints changes as they come. On a terminal each change of
// state is a line that stays, and below them one line shows what progress the
// latest job makes. In a pipe every change is a line.
type changePrinter struct {
	w      io.Writer
	screen screen
	format format
	// live says that w is a terminal on which a line can be written over.
	live bool
	// tabs says that lines are tab-separated columns with a header.
	tabs bool

	printed   bool // the header is out, or the first document
	transient bool // the last line is to be written over
}

// print prints one change.
func (p *changePrinter) print(c change) error {
	switch p.format {
	case asJSON, asJSONL:
		return writeJSONLines(p.w, c.frame)
	case asYAML:
		if p.printed {
			fmt.Fprintln(p.w, "---")
		}
		p.printed = true
		return writeYAML(p.w, []proto.Message{c.frame}, false)
	case asName:
		_, err := fmt.Fprintln(p.w, clean(changedID(c.frame)))
		return err
	case asTable:
	}
	if removed := c.frame.GetRemoved(); removed != nil {
		return p.line("REMOVED", &jobsv1.Job{
			Id: removed.GetId(), Service: c.before.GetService(), OutputName: c.before.GetOutputName(),
			Message: "there is no such job any more, or it is not yours",
		})
	}
	s := c.frame.GetJob()
	if p.live && onlyProgress(c.before, s) {
		return p.progress(s)
	}
	return p.line(stateWord(s.GetState()), s)
}

func changedID(frame *jobsv1.WatchStatusResponse) string {
	if r := frame.GetRemoved(); r != nil {
		return r.GetId()
	}
	return frame.GetJob().GetId()
}

// onlyProgress reports whether nothing but the progress differs.
func onlyProgress(before, now *jobsv1.Job) bool {
	return before != nil && before.GetState() == now.GetState() && before.GetReason() == now.GetReason() &&
		before.GetAttempt() == now.GetAttempt() && before.GetMessage() == now.GetMessage() &&
		(before.GetCancelTime() == nil) == (now.GetCancelTime() == nil)
}

// changeHeader names the columns of changes in a pipe.
const changeHeader = "TIME\tID\tSTATE\tREASON\tSERVICE\tOUTPUT NAME\tPROGRESS\tMESSAGE"

// line prints a line that stays.
func (p *changePrinter) line(state string, s *jobsv1.Job) error {
	p.clear()
	if p.tabs {
		if !p.printed {
			fmt.Fprintln(p.w, changeHeader)
		}
		p.printed = true
		_, err := fmt.Fprintf(p.w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			p.screen.time(changeTime(s)), clean(s.GetId()), state, reasonWord(s.GetReason()),
			clean(s.GetService()), clean(s.GetOutputName()), clean(progressWords(s.GetProgress())), clean(s.GetMessage()))
		return err
	}
	_, err := fmt.Fprintf(p.w, "%s  %s  %s  %s\n", p.clock(s), clean(s.GetId()),
		p.screen.paint(stateColor(state), fmt.Sprintf("%-9s", state)), changeWords(s))
	return err
}

// changeWords is what a line says beyond the state.
func changeWords(s *jobsv1.Job) string {
	words := clean(s.GetService())
	if n := clean(s.GetOutputName()); n != "" {
		words += " " + n
	}
	if s.GetAttempt() > 1 {
		words += fmt.Sprintf(" (attempt %d)", s.GetAttempt())
	}
	if r := reasonWord(s.GetReason()); r != "" {
		words += "  " + r
	}
	if m := s.GetMessage(); m != "" {
		words += ": " + clean(m)
	} else if p := progressWords(s.GetProgress()); p != "" && !finalState(s.GetState()) {
		words += "  " + clean(p)
	}
	if s.GetCancelTime() != nil && !finalState(s.GetState()) {
		words += "  (cancel asked)"
	}
	return words
}

// changeTime is when a change was committed, or its progress read where that is later.
func changeTime(s *jobsv1.Job) *timestamppb.Timestamp {
	read := s.GetProgress().GetUpdateTime()
	if finalState(s.GetState()) || !read.AsTime().After(s.GetChangeTime().AsTime()) {
		return s.GetChangeTime()
	}
	return read
}

func (p *changePrinter) clock(s *jobsv1.Job) string {
	at := changeTime(s)
	switch {
	case at == nil:
		return "-"
	case p.screen.tty:
		return at.AsTime().Local().Format("15:04:05 MST")
	default:
		return p.screen.time(at)
	}
}

// progress writes over the last line.
func (p *changePrinter) progress(s *jobsv1.Job) error {
	p.clear()
	columns, _ := p.screen.size()
	words := fmt.Sprintf("          %s  %s", clean(s.GetId()), clean(progressWords(s.GetProgress())))
	_, err := io.WriteString(p.w, text.Snip(words, columns-1, "…"))
	p.transient = true
	return err
}

// clear takes the line away that is to be written over.
func (p *changePrinter) clear() {
	if p.transient {
		io.WriteString(p.w, "\r\x1b[K") //nolint:errcheck // what follows fails in the same way
		p.transient = false
	}
}
