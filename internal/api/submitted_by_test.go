package api_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// An operator who submits for another user reaches that user's files by the job, so they say why, and the owner sees it.
func TestAnOperatorSaysWhyAndTheOwnerSeesIt(t *testing.T) {
	w := newWorld(t)
	op, ann := w.as("root", "operator"), w.as("ann")
	must(t, w.upload(ann, "/in.txt", "x"))
	forAnn := func() *jobsv1.Job {
		j := copyJob()
		j.Owner = "ann"
		return j
	}
	for what, call := range map[string]func(reason string) (*jobsv1.Job, error){
		"submit": func(reason string) (*jobsv1.Job, error) {
			resp, err := w.jobs().Submit(op, &jobsv1.SubmitRequest{Job: forAnn(), Reason: reason})
			return resp.GetJob(), err
		},
		"check": func(reason string) (*jobsv1.Job, error) {
			resp, err := w.jobs().Submit(op, &jobsv1.SubmitRequest{Job: forAnn(), Reason: reason, ValidateOnly: true})
			return resp.GetJob(), err
		},
		"submit many": func(reason string) (*jobsv1.Job, error) {
			resp, err := w.jobs().BatchSubmit(op, &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{forAnn(), forAnn()}, Reason: reason})
			if err != nil {
				return nil, err
			}
			return resp.GetJobs()[1], nil
		},
	} {
		_, err := call(" ")
		wantCode(t, what+" without a reason", err, codes.InvalidArgument, "reason")
		_, err = call(strings.Repeat("x", 501))
		wantCode(t, what+" with a long reason", err, codes.InvalidArgument, "reason")
		j, err := call("she asked me to")
		if err != nil || j.GetSubmittedBy() != "root" || j.GetSubmitReason() != "she asked me to" {
			t.Errorf("%s: %v %v", what, j, err)
			continue
		}
		if what == "check" {
			continue
		}
		seen, err := w.jobs().Get(ann, &jobsv1.GetRequest{Id: j.GetId()})
		if err != nil || seen.GetJob().GetSubmittedBy() != "root" || seen.GetJob().GetSubmitReason() != "she asked me to" {
			t.Errorf("%s: the owner sees %v %v", what, seen, err)
		}
	}
	audit, err := w.admin().ListAudit(op, &adminv1.ListAuditRequest{User: "ann", PageSize: 100})
	must(t, err)
	with := 0
	for _, e := range audit.GetEntries() {
		if e.GetUser() == "root" && e.GetSubject() == "ann" && e.GetReason() == "she asked me to" {
			with++
		}
	}
	if with != 3 {
		t.Errorf("%d entries of the audit say why, also of what was only checked", with)
	}
}

func TestWhoSubmitsForThemselvesGivesNoReason(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	if j := w.submit(ann); j.GetSubmittedBy() != "" || j.GetSubmitReason() != "" {
		t.Errorf("%v", j)
	}
	acting := metadata.AppendToOutgoingContext(w.as("gateway", "service"), "stint-act-for", "ann")
	resp, err := w.jobs().Submit(acting, &jobsv1.SubmitRequest{Job: copyJob()})
	if err != nil || resp.GetJob().GetSubmittedBy() != "gateway" || resp.GetJob().GetOwner() != "ann" {
		t.Errorf("by a service account: %v %v", resp, err)
	}
	done := w.submit(ann)
	w.finish(done, jobsv1.State_STATE_COMPLETED, nil)
	again, err := w.jobs().Rerun(w.as("root", "operator"), &jobsv1.RerunRequest{Id: done.GetId(), Reason: "our fault"})
	if err != nil || again.GetJob().GetSubmittedBy() != "root" || again.GetJob().GetSubmitReason() != "our fault" {
		t.Errorf("rerun by an operator: %v %v", again, err)
	}
}
