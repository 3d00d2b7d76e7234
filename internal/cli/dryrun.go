package cli

import (
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// dryRun is what a check without a submit came to.
type dryRun struct {
	asked, checked *jobsv1.Job
	warnings       []string
	advice         *jobsv1.Advice
	missing        []string // parameters whose files are not uploaded yet
	err            error
}

// showDryRun shows the job that would be stored. That files which a dry run
// does not upload are not there is no finding.
func (a *app) showDryRun(o *submitOptions, d dryRun) error {
	err := withoutViolations(d.err, d.missing)
	if err != nil {
		return err
	}
	job := d.checked
	if job == nil {
		job = d.asked
	}
	for _, w := range d.warnings {
		say(a.err, "stint: warning: %s", w)
	}
	if len(d.missing) > 0 {
		say(a.err, "stint: not checked, because a dry run uploads nothing: %s", strings.Join(d.missing, ", "))
		if d.advice == nil {
			say(a.err, "stint: no advice, because it depends on how large these files are; stint upload puts them into your workspace")
		}
	}
	return a.show(*o.format, answer{
		messages: []proto.Message{job},
		table: func() error {
			say(a.out, "This would be accepted; nothing was started.")
			a.printJob(job)
			if facts := adviceFacts(d.advice); facts != nil {
				fmt.Fprintln(a.out)
				a.printFacts(facts)
			}
			return nil
		},
	})
}

// withoutViolations answers err without violations of the given parameters;
// nil when it has no others.
func withoutViolations(err error, names []string) error {
	s, ok := callStatus(err)
	if !ok || len(names) == 0 {
		return err
	}
	var left []string
	found := false
	for _, d := range s.Details() {
		bad, ok := d.(*errdetails.BadRequest)
		if !ok {
			continue
		}
		for _, v := range bad.GetFieldViolations() {
			found = true
			if !aboutOneOf(v.GetField(), names) {
				left = append(left, flagOfField(v.GetField())+" "+v.GetDescription())
			}
		}
	}
	switch {
	case !found:
		return err
	case len(left) == 0:
		return nil
	default:
		return &usageError{text: "invalid request:", details: left}
	}
}

func aboutOneOf(field string, names []string) bool {
	for _, n := range names {
		if field == "job.parameters."+n || field == "parameters."+n {
			return true
		}
	}
	return false
}
